/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/transfer.h"

#include "agent/core/cwmp-message.h"
#include "common/base/str.h"

void transfer_done(Transfer *t) {
        free(t->command_key);
        free(t->file_type);
        free(t->url);
        free(t->username);
        if (t->password)
                explicit_bzero(t->password, strlen(t->password));
        free(t->password);
        free(t->target_file_name);
        for (size_t i = 0; i < t->n_windows; i++)
                free(t->windows[i].mode);
        free(t->fault_string);
        *t = (Transfer) {};
}

static void put_transfer(WireWriter *w, const Transfer *t) {
        wire_put_u32(w, t->kind);
        wire_put_u32(w, t->state);
        wire_put_u32(w, t->number);
        wire_put_string(w, t->command_key);
        wire_put_string(w, t->file_type);
        wire_put_string(w, t->url);
        wire_put_string(w, t->username);
        wire_put_string(w, t->password);
        wire_put_string(w, t->target_file_name);
        wire_put_u32(w, t->file_size);
        wire_put_u32(w, t->delay_sec);
        wire_put_u32(w, (uint32_t) t->n_windows);
        for (size_t i = 0; i < t->n_windows; i++) {
                wire_put_u32(w, t->windows[i].start);
                wire_put_u32(w, t->windows[i].end);
                wire_put_string(w, t->windows[i].mode);
                wire_put_u32(w, (uint32_t) t->windows[i].max_retries);
        }
        wire_put_u64(w, (uint64_t) t->ordered);
        wire_put_u64(w, (uint64_t) t->due);
        wire_put_u32(w, t->tries);
        wire_put_u32(w, t->fault_code);
        wire_put_string(w, t->fault_string);
        wire_put_u64(w, (uint64_t) t->start_time);
        wire_put_u64(w, (uint64_t) t->complete_time);
}

/* A start, an end, a mode and a number. */
#define WINDOW_WIRE_MIN 16U

/* Defects show in the reader; what was read is in *ret all the same and is the caller's. */
static void get_transfer(WireReader *r, Transfer *ret) {
        *ret = (Transfer) {
                .kind = wire_get_u32(r),
                .state = wire_get_u32(r),
                .number = wire_get_u32(r),
                .command_key = wire_get_string(r),
                .file_type = wire_get_string(r),
                .url = wire_get_string(r),
                .username = wire_get_string(r),
                .password = wire_get_string(r),
                .target_file_name = wire_get_string(r),
                .file_size = wire_get_u32(r),
                .delay_sec = wire_get_u32(r),
        };

        size_t n = wire_get_count(r, WINDOW_WIRE_MIN);
        if (r->error == 0 && (n > TRANSFER_WINDOWS_MAX || ret->kind >= TRANSFER_KIND_MAX ||
                              ret->state >= TRANSFER_STATE_MAX))
                r->error = -EBADMSG;
        for (size_t i = 0; i < n && r->error == 0; i++) {
                ret->windows[i] = (TransferWindow) {
                        .start = wire_get_u32(r),
                        .end = wire_get_u32(r),
                        .mode = wire_get_string(r),
                        .max_retries = (int32_t) wire_get_u32(r),
                };
                ret->n_windows = i + 1;
        }

        ret->ordered = (int64_t) wire_get_u64(r);
        ret->due = (int64_t) wire_get_u64(r);
        ret->tries = wire_get_u32(r);
        ret->fault_code = wire_get_u32(r);
        ret->fault_string = wire_get_string(r);
        ret->start_time = (int64_t) wire_get_u64(r);
        ret->complete_time = (int64_t) wire_get_u64(r);
}

static int copy_transfer(const Transfer *t, Transfer *ret) {
        _cleanup_wire_writer_ WireWriter w = {};
        _cleanup_transfer_ Transfer copy = {};

        put_transfer(&w, t);
        int r = wire_finish(&w);
        if (r < 0)
                return r;
        WireReader reader = { .data = w.data, .size = w.size };
        get_transfer(&reader, &copy);
        r = wire_reader_end(&reader);
        if (r < 0)
                return r;

        *ret = copy;
        copy = (Transfer) {};
        return 0;
}

int transfer_list_add(TransferList *l, const Transfer *t) {
        if (l->n >= TRANSFERS_MAX)
                return -ENOSPC;
        int r = copy_transfer(t, l->items + l->n);
        if (r >= 0)
                l->n++;
        return r;
}

void transfer_list_done(TransferList *l) {
        for (size_t i = 0; i < l->n; i++)
                transfer_done(l->items + i);
        l->n = 0;
}

void transfer_list_put(WireWriter *w, const TransferList *l) {
        wire_put_u32(w, (uint32_t) l->n);
        for (size_t i = 0; i < l->n; i++)
                put_transfer(w, l->items + i);
}

/* Twenty words and more; any lower bound will do. */
#define TRANSFER_WIRE_MIN 64U

void transfer_list_get(WireReader *r, TransferList *l) {
        size_t n = wire_get_count(r, TRANSFER_WIRE_MIN);

        if (n > TRANSFERS_MAX)
                r->error = -EBADMSG;
        while (l->n < n && r->error == 0)
                get_transfer(r, l->items + l->n++);
}

static bool is_too_long(const char *s) {
        return strlen(strempty(s)) > TRANSFER_STRING_MAX;
}

/* TR-069 A.3.2.8: a URL of RFC 3986 without user information. */
static uint32_t check_url(const char *url) {
        const char *authority = startswith(url, "http://") ?: startswith(url, "https://");
        size_t scheme = strcspn(url, ":");

        for (const char *p = url; *p; p++)
                if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f || strchr("\"<>\\^`{|}", *p))
                        return FAULT_INVALID_ARGUMENTS;
        if (!authority)
                return scheme > 0 && strncmp(url + scheme, "://", 3) == 0 ? FAULT_UNSUPPORTED_PROTOCOL :
                                                                           FAULT_INVALID_ARGUMENTS;

        size_t n = strcspn(authority, "/?#");
        return n == 0 || memchr(authority, '@', n) ? FAULT_INVALID_ARGUMENTS : 0;
}

static bool is_vendor_type(const char *type) {
        if (!startswith(type, "X ") || strlen(type) > TRANSFER_FILE_TYPE_MAX)
                return false;
        for (const char *p = type; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;
        return true;
}

static bool file_type_is_supported(const Transfer *t) {
        const char *type = strempty(t->file_type);

        if (t->kind == TRANSFER_UPLOAD)
                return streq(type, "1 Vendor Configuration File") || streq(type, "2 Vendor Log File");
        return streq(type, "1 Firmware Upgrade Image") || streq(type, "3 Vendor Configuration File") ||
               is_vendor_type(type);
}

/* TR-069 A.4.1.8: one or two windows that do not overlap. */
static bool windows_are_valid(const Transfer *t) {
        uint64_t free_from = 0;

        if (t->n_windows == 0)
                return false;
        for (size_t i = 0; i < t->n_windows; i++) {
                const TransferWindow *w = t->windows + i;
                if (w->start < free_from || w->end <= w->start || w->max_retries < -1 ||
                    !(streq(strempty(w->mode), "1 At Any Time") || streq(strempty(w->mode), "2 Immediately")))
                        return false;
                free_from = w->end;
        }
        return true;
}

uint32_t transfer_check(const Transfer *t) {
        if (strlen(strempty(t->command_key)) > CWMP_KEY_MAX || is_too_long(t->url) || is_too_long(t->username) ||
            is_too_long(t->password) || is_too_long(t->target_file_name) || !file_type_is_supported(t))
                return FAULT_INVALID_ARGUMENTS;
        if (t->kind == TRANSFER_SCHEDULED_DOWNLOAD && !windows_are_valid(t))
                return FAULT_INVALID_ARGUMENTS;
        return check_url(strempty(t->url));
}

const char *transfer_event(const Transfer *t) {
        static const char *const events[TRANSFER_KIND_MAX] = {
                [TRANSFER_DOWNLOAD] = "M Download",
                [TRANSFER_UPLOAD] = "M Upload",
                [TRANSFER_SCHEDULED_DOWNLOAD] = "M ScheduleDownload",
        };
        return events[t->kind];
}

const TransferWindow *transfer_window(const Transfer *t, int64_t now) {
        for (size_t i = 0; i < t->n_windows; i++)
                if (now >= t->ordered + t->windows[i].start && now < t->ordered + t->windows[i].end)
                        return t->windows + i;
        return NULL;
}

int64_t transfer_next_window(const Transfer *t, int64_t now) {
        for (size_t i = 0; i < t->n_windows; i++)
                if (t->ordered + t->windows[i].start > now)
                        return t->ordered + t->windows[i].start;
        return INT64_MAX;
}
