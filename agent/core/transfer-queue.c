/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/transfer-queue.h"

#include <fcntl.h>
#include <stdio.h>

#include "agent/core/cwmp-message.h"
#include "common/base/file.h"
#include "common/base/str.h"

struct TransferQueue {
        char *path;
        uint32_t last_number;
        TransferList list;
};

TransferQueue *transfer_queue_free(TransferQueue *q) {
        if (!q)
                return NULL;
        transfer_list_done(&q->list);
        free(q->path);
        return mfree(q);
}

static int save(const TransferQueue *q) {
        _cleanup_wire_writer_ WireWriter w = {};

        if (!q->path)
                return 0;
        wire_put_u32(&w, q->last_number);
        transfer_list_put(&w, &q->list);
        int r = wire_finish(&w);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, q->path, w.data, w.size, 0600);
}

static int load(TransferQueue *q) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = read_file(AT_FDCWD, q->path, TRANSFER_QUEUE_FILE_MAX, &data, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r == -EFBIG ? -EBADMSG : r;

        WireReader reader = { .data = data, .size = size };
        q->last_number = wire_get_u32(&reader);
        transfer_list_get(&reader, &q->list);
        for (size_t i = 0; i < q->list.n; i++)
                if (q->list.items[i].state == TRANSFER_IN_PROGRESS)
                        q->list.items[i].state = TRANSFER_NOT_STARTED;
        return wire_reader_end(&reader);
}

int transfer_queue_new(TransferQueue **ret, const char *path) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = calloc(1, sizeof(*q));

        if (!q || (path && !(q->path = strdup(path))))
                return -ENOMEM;
        int r = path ? load(q) : 0;
        if (r == -EBADMSG) {
                _cleanup_free_ char *aside = strfmt("%s.corrupt", path);
                if (!aside)
                        return -ENOMEM;
                (void) rename(path, aside);
                transfer_list_done(&q->list);
        } else if (r < 0)
                return r;

        *ret = TAKE_PTR(q);
        return r;
}

static Transfer *find(const TransferQueue *q, uint32_t number) {
        for (size_t i = 0; i < q->list.n; i++)
                if (q->list.items[i].number == number)
                        return (Transfer *) (uintptr_t) q->list.items + i;
        return NULL;
}

static void drop(TransferQueue *q, size_t i) {
        transfer_done(q->list.items + i);
        q->list.n--;
        memmove(q->list.items + i, q->list.items + i + 1, (q->list.n - i) * sizeof(Transfer));
}

int transfer_queue_add(TransferQueue *q, const Transfer *order, int64_t now) {
        int r = transfer_list_add(&q->list, order);
        if (r < 0)
                return r;

        Transfer *t = q->list.items + q->list.n - 1;
        t->number = ++q->last_number;
        t->state = TRANSFER_NOT_STARTED;
        t->ordered = now;
        t->due = now + (t->n_windows > 0 ? t->windows[0].start : t->delay_sec);
        t->start_time = t->complete_time = INT64_MIN;
        r = save(q);
        if (r < 0)
                drop(q, q->list.n - 1);
        return r;
}

int transfer_queue_cancel(TransferQueue *q, const char *command_key, const Transfer **ret_running) {
        *ret_running = NULL;
        for (size_t i = 0; i < q->list.n;) {
                const Transfer *t = q->list.items + i;
                bool matches = streq(strempty(t->command_key), command_key);

                if (matches && t->state == TRANSFER_IN_PROGRESS)
                        *ret_running = t;
                if (matches && t->state == TRANSFER_NOT_STARTED) {
                        drop(q, i);
                        /* What stands behind moved. */
                        *ret_running = NULL;
                        i = 0;
                } else
                        i++;
        }
        return save(q);
}

/* What a helper or a server said may be anything; it goes into an XML document. */
static void make_printable(char *s) {
        bool keep_utf8 = utf8_is_valid(s);

        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;
                if (c < ' ' || c == 0x7f || (c >= 0x80 && !keep_utf8))
                        *s = '?';
        }
}

static int complete(TransferQueue *q, Transfer *t, uint32_t fault_code, const char *text, int64_t now) {
        char short_text[TRANSFER_STRING_MAX + 1];

        (void) snprintf(short_text, sizeof(short_text), "%s", text ?: fault_code ? cwmp_fault_text(fault_code) : "");
        make_printable(short_text);
        if (free_and_strdup(&t->fault_string, short_text) < 0)
                return -ENOMEM;
        t->state = TRANSFER_COMPLETED;
        t->fault_code = fault_code;
        t->complete_time = fault_code == 0 ? now : INT64_MIN;
        if (t->fault_code != 0 && t->tries == 0)
                t->start_time = INT64_MIN;
        /* Nobody needs them any more. */
        t->username = mfree(t->username);
        if (t->password)
                explicit_bzero(t->password, strlen(t->password));
        t->password = mfree(t->password);
        return save(q);
}

const Transfer *transfer_queue_next(TransferQueue *q, int64_t now) {
        for (size_t i = 0; i < q->list.n; i++)
                if (q->list.items[i].state == TRANSFER_IN_PROGRESS)
                        return NULL;

        for (size_t i = 0; i < q->list.n; i++) {
                Transfer *t = q->list.items + i;
                if (t->state != TRANSFER_NOT_STARTED || t->due > now)
                        continue;
                if (t->tries >= TRANSFER_TRIES_MAX) {
                        (void) complete(q, t, FAULT_TRANSFER_FAILURE, "Interrupted too often", now);
                        continue;
                }
                if (t->n_windows == 0 || transfer_window(t, now))
                        return t;

                t->due = transfer_next_window(t, now);
                if (t->due == INT64_MAX)
                        (void) complete(q, t, FAULT_OUTSIDE_TIME_WINDOWS, NULL, now);
        }
        return NULL;
}

int64_t transfer_queue_due(const TransferQueue *q) {
        int64_t due = INT64_MAX;

        for (size_t i = 0; i < q->list.n; i++) {
                const Transfer *t = q->list.items + i;
                if (t->state == TRANSFER_IN_PROGRESS)
                        return INT64_MAX;
                if (t->state == TRANSFER_NOT_STARTED)
                        due = MIN(due, t->due);
        }
        return due;
}

int transfer_queue_begin(TransferQueue *q, uint32_t number, int64_t now) {
        Transfer *t = find(q, number);
        if (!t)
                return -ENOENT;

        t->state = TRANSFER_IN_PROGRESS;
        t->tries++;
        if (t->start_time == INT64_MIN)
                t->start_time = now;
        return save(q);
}

/* When a scheduled transfer that failed may be tried again, or INT64_MAX. TR-069 A.4.1.8: MaxRetries counts within one
 * window; what the device thinks fit is as often as any transfer. */
static int64_t next_try(const Transfer *t, int64_t now) {
        const TransferWindow *w = transfer_window(t, now);
        int64_t most = w && w->max_retries >= 0 ? (int64_t) w->max_retries + 1 : TRANSFER_TRIES_MAX;

        if (w && t->tries < MIN(most, (int64_t) TRANSFER_TRIES_MAX))
                return now + TRANSFER_RETRY_SEC;
        return transfer_next_window(t, now);
}

int transfer_queue_end(TransferQueue *q, uint32_t number, uint32_t fault_code, const char *text, int64_t now) {
        Transfer *t = find(q, number);
        if (!t)
                return -ENOENT;

        int64_t due = fault_code == 0 ? INT64_MAX : next_try(t, now);
        if (due == INT64_MAX)
                return complete(q, t, fault_code, text, now);

        t->state = TRANSFER_NOT_STARTED;
        t->due = due;
        if (!transfer_window(t, now) || due == transfer_next_window(t, now))
                t->tries = 0;
        return save(q);
}

int transfer_queue_remove(TransferQueue *q, uint32_t number) {
        for (size_t i = 0; i < q->list.n; i++)
                if (q->list.items[i].number == number) {
                        drop(q, i);
                        return save(q);
                }
        return 0;
}

bool transfer_queue_has_news(const TransferQueue *q) {
        for (size_t i = 0; i < q->list.n; i++)
                if (q->list.items[i].state == TRANSFER_COMPLETED && !q->list.items[i].informed)
                        return true;
        return false;
}

int transfer_queue_collect(TransferQueue *q, ParameterList *events) {
        for (size_t i = 0; i < q->list.n; i++) {
                Transfer *t = q->list.items + i;
                bool known = false;

                if (t->state != TRANSFER_COMPLETED)
                        continue;
                t->informed = true;
                for (size_t k = 0; k < events->n; k++)
                        known = known || (streq(events->items[k].name, transfer_event(t)) &&
                                          streq(strempty(events->items[k].value), strempty(t->command_key)));
                if (!parameter_list_find(events, "7 TRANSFER COMPLETE") &&
                    !parameter_list_add(events, "7 TRANSFER COMPLETE", NULL, ""))
                        return -ENOMEM;
                if (!known && !parameter_list_add(events, transfer_event(t), NULL, strempty(t->command_key)))
                        return -ENOMEM;
        }
        return 0;
}

void transfer_queue_session_ended(TransferQueue *q) {
        for (size_t i = 0; i < q->list.n; i++)
                q->list.items[i].informed = false;
}

const TransferList *transfer_queue_list(const TransferQueue *q) {
        return &q->list;
}
