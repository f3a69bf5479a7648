/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "ispstoragectl versions", "log" and "restore". */
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"
#include "common/ctl/ctl-time.h"

/* So many are asked for at a time. */
#define PAGE 1000U
#define COMMIT_SHOWN 12

/* Of a JSON list: newest first. */
typedef struct List {
        json_t *items;
        bool more;       /* there are older ones than the limit, or they cannot be had */
        bool cut;        /* the latter */
        char last[64];   /* commit */
} List;

static json_t *json_time(int64_t t) {
        char text[DATETIME_SIZE];

        return t == 0 ? json_null() : json_string(format_datetime(t, text));
}

static int read_version(sd_bus_message *reply, List *l) {
        const char *commit, *author, *kind;
        int64_t time, size, mtime;
        int r, fuzzy;

        r = sd_bus_message_read(reply, "(sxxssxb)", &commit, &time, &size, &author, &kind, &mtime, &fuzzy);
        if (r <= 0)
                return r;
        (void) snprintf(l->last, sizeof(l->last), "%s", commit);
        (void) json_array_append_new(
                        l->items,
                        json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:b, s:b}",
                                  "version", commit,
                                  "time", json_time(time),
                                  "size", size < 0 ? json_null() : json_integer(size),
                                  "gateway", ctl_json_string(author),
                                  "kind", kind,
                                  "modified", json_time(mtime),
                                  "deleted", streq(kind, "deleted"),
                                  "fuzzy", fuzzy));
        return 1;
}

/* The number in "3 changes", -1 if a commit has another message. */
static int64_t count_changes(const char *message) {
        char end[16];
        unsigned n;

        return sscanf(message, "%u %15s", &n, end) == 2 && startswith(end, "change") ? (int64_t) n : -1;
}

static int read_commit(sd_bus_message *reply, List *l) {
        const char *commit, *author, *message;
        int64_t time, changes;
        int r;

        r = sd_bus_message_read(reply, "(sxss)", &commit, &time, &author, &message);
        if (r <= 0)
                return r;
        changes = count_changes(message);
        (void) snprintf(l->last, sizeof(l->last), "%s", commit);
        (void) json_array_append_new(
                        l->items,
                        json_pack("{s:s, s:o, s:o, s:o, s:o}",
                                  "version", commit,
                                  "time", json_time(time),
                                  "gateway", ctl_json_string(author),
                                  "changes", changes < 0 ? json_null() : json_integer(changes),
                                  "message", ctl_json_string(message)));
        return 1;
}

/* One page; path NULL: commits. */
static int get_page(CtlContext *c, const char *path, uint32_t n, List *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t before = json_array_size(l->items);
        int r, more;

        r = path ? ctl_call(c, "ListVersionsBefore", &reply, "ssu", path, l->last, n)
                 : ctl_call(c, "ListCommits", &reply, "su", l->last, n);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', path ? "(sxxssxb)" : "(sxss)");
        while (r > 0)
                r = path ? read_version(reply, l) : read_commit(reply, l);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "b", &more);
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        l->more = more;
        l->cut = more && json_array_size(l->items) - before < n;
        return 0;
}

/* limit 0: all. */
static int get_list(CtlContext *c, const char *path, uint32_t limit, List *l) {
        *l = (List) { .items = json_array(), .more = true };
        for (;;) {
                size_t n = json_array_size(l->items);
                int r;

                if (!l->more || l->cut || (limit > 0 && n >= limit))
                        return 0;
                r = get_page(c, path, limit > 0 ? MIN(limit - (uint32_t) n, PAGE) : PAGE, l);
                if (r < 0) {
                        json_decref(l->items);
                        l->items = NULL;
                        return r;
                }
        }
}

static void print_time(json_t *item) {
        const char *text = json_string_value(json_object_get(item, "time"));
        char buf[CTL_TIME_SIZE];
        int64_t t;

        printf("%-19s  ", text && parse_datetime(text, &t) >= 0 ? ctl_format_time(t, buf) : "-");
}

static const char *string_of(json_t *item, const char *key) {
        return strempty(json_string_value(json_object_get(item, key)));
}

static void print_version(json_t *v) {
        const char *kind = string_of(v, "kind");
        json_t *size = json_object_get(v, "size");
        bool has_size = json_is_integer(size) && !streq(kind, "deleted") && !streq(kind, "directory");

        print_time(v);
        printf("%.*s  ", COMMIT_SHOWN, string_of(v, "version"));
        if (has_size)
                printf("%13" JSON_INTEGER_FORMAT "  ", json_integer_value(size));
        else
                printf("%13s  ", streq(kind, "deleted") || streq(kind, "directory") ? kind : "-");
        ctl_print_safely(string_of(v, "gateway"));
        puts(json_is_true(json_object_get(v, "fuzzy")) ? "  fuzzy" : "");
}

static void print_commit(json_t *v) {
        print_time(v);
        printf("%.*s  %-16s  ", COMMIT_SHOWN, string_of(v, "version"), string_of(v, "message"));
        ctl_print_safely(string_of(v, "gateway"));
        putchar('\n');
}

static int print_list(CtlContext *c, List *l, void (*print)(json_t *item)) {
        size_t i;
        json_t *item;
        int r = 0;

        if (c->json)
                r = ctl_print_json(l->items);
        else
                json_array_foreach(l->items, i, item)
                        print(item);
        if (l->cut)
                log_notice("Older versions cannot be had now: the operator is not in reach.");
        return r;
}

int ctl_versions(CtlContext *c, char *arguments[]) {
        _cleanup_free_ char *path = NULL;
        List l;
        int r;

        r = ctl_relative_path(c, arguments[0], &path);
        if (r >= 0)
                r = get_list(c, path, c->limit, &l);
        if (r < 0)
                return r;
        r = json_array_size(l.items) == 0 && !l.cut
                            ? log_error_errno(-ENOENT, "No version of %s is on main.", path)
                            : print_list(c, &l, print_version);
        json_decref(l.items);
        return r;
}

int ctl_log(CtlContext *c, char *arguments[]) {
        List l;
        int r;

        r = get_list(c, NULL, c->limit, &l);
        if (r < 0)
                return r;
        r = print_list(c, &l, print_commit);
        json_decref(l.items);
        return r;
}

/* --- restore --- */

/* The last version before the present one. */
static int find_previous(CtlContext *c, const char *path, char **ret) {
        const char *found = NULL;
        json_t *v;
        size_t i;
        List l;
        int r;

        r = get_list(c, path, 3, &l);
        if (r < 0)
                return r;
        json_array_foreach(l.items, i, v)
                if (i > 0 && !found && !streq(string_of(v, "kind"), "deleted"))
                        found = string_of(v, "version");
        *ret = found ? strdup(found) : NULL;
        json_decref(l.items);
        if (!found)
                return log_error_errno(-ENOENT, "There is no such version of %s.", *path ? path : "the folder");
        return *ret ? 0 : log_oom();
}

static int find_at(CtlContext *c, const char *text, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *commit;
        int64_t t, found;
        int r;

        if (ctl_parse_time(text, time(NULL), &t) < 0)
                return log_error_errno(-EINVAL, "Not a time: %s (\"2026-11-24 18:00\", \"-2h\", ISO 8601).", text);
        r = ctl_call(c, "FindCommit", &reply, "x", t);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "sx", &commit, &found);
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        *ret = strdup(commit);
        return *ret ? 0 : log_oom();
}

typedef struct Restoration {
        const char *path;
        bool progress; /* is shown */
        bool shown;
        bool ended;
        int error;
        uint64_t entries, bytes;
} Restoration;

static int on_progress(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint64_t done, total;
        Restoration *s = userdata;
        const char *path;

        if (sd_bus_message_read(m, "stt", &path, &done, &total) < 0 || !s->progress || !streq(path, s->path) ||
            total == 0)
                return 0;
        fprintf(stderr, "\r%3u %% of %.1f MB ", (unsigned) (done * 100.0 / total), total / 1e6);
        s->shown = true;
        return 0;
}

static int on_restored(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        Restoration *s = userdata;
        int r;

        s->ended = true;
        if (s->shown)
                fputs("\r\033[K", stderr);
        if (error) {
                s->error = ctl_complain(error, -sd_bus_message_get_errno(m));
                return 0;
        }
        r = sd_bus_message_read(m, "tt", &s->entries, &s->bytes);
        if (r < 0)
                s->error = log_error_errno(r, "Failed to read the answer: %m");
        return 0;
}

static int start(CtlContext *c, Restoration *s, const char *commit, const char *to) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_match_signal(
                        c->bus, NULL, CTL_SYNC_NAME, c->object, CTL_SYNC_REPOSITORY, "RestoreProgress", on_progress, s);
        if (r >= 0)
                r = sd_bus_message_new_method_call(
                                c->bus, &m, CTL_SYNC_NAME, c->object, CTL_SYNC_REPOSITORY, "Restore");
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", s->path, commit, to);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, m, on_restored, s, UINT64_MAX);
        return r < 0 ? log_error_errno(r, "Failed to make a call: %m") : 0;
}

/* However long it takes; when this program is ended, so is the restoration. */
static int restore(CtlContext *c, Restoration *s, const char *commit, const char *to) {
        int r = start(c, s, commit, to);

        while (r >= 0 && !s->ended) {
                r = sd_bus_process(c->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(c->bus, UINT64_MAX);
                if (r < 0)
                        (void) log_error_errno(r, "Lost the connection to the bus: %m");
        }
        return r < 0 ? r : s->error;
}

static int choose_commit(CtlContext *c, const char *path, char **ret) {
        if (c->version && c->time)
                return log_error_errno(-EINVAL, "--version and --time exclude each other.");
        if (c->time)
                return find_at(c, c->time, ret);
        if (!c->version)
                return find_previous(c, path, ret);
        *ret = strdup(c->version);
        return *ret ? 0 : log_oom();
}

static int print_restored(CtlContext *c, const Restoration *s, const char *commit) {
        json_auto_t *j = NULL;

        if (c->json) {
                j = json_pack(
                                "{s:s, s:I, s:I}",
                                "version", commit,
                                "entries", (json_int_t) s->entries,
                                "bytes", (json_int_t) s->bytes);
                return ctl_print_json(j);
        }
        if (s->entries == 0)
                printf("Nothing differs from %.*s.\n", COMMIT_SHOWN, commit);
        else
                printf("Restored from %.*s: %llu %s, %llu bytes.\n",
                       COMMIT_SHOWN,
                       commit,
                       (unsigned long long) s->entries,
                       s->entries == 1 ? "entry" : "entries",
                       (unsigned long long) s->bytes);
        return 0;
}

int ctl_restore(CtlContext *c, char *arguments[]) {
        _cleanup_free_ char *path = NULL, *to = NULL, *commit = NULL;
        Restoration s = { .progress = !c->json && isatty(STDERR_FILENO) };
        int r;

        r = ctl_relative_path(c, arguments[0], &path);
        if (r >= 0 && c->to)
                r = ctl_relative_path(c, c->to, &to);
        if (r >= 0)
                r = choose_commit(c, path, &commit);
        if (r < 0)
                return r;
        s.path = path;
        r = restore(c, &s, commit, strempty(to));
        if (r < 0)
                return r;
        return print_restored(c, &s, commit);
}
