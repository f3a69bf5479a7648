/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the tree worker about main's history. When more of it is needed than the local store has, event=done has
 * what is to be fetched first: trees=1 (the trees of all commits), object (ids, any number), bytes-missing (content, in
 * the list WANTED_RESTORE); then the same is to be asked again. */
#include <git2.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"
#include "syncd/folder-history.h"
#include "syncd/tree-worker.h"

/* Objects that are asked for at once: their ids go into one message. */
#define OBJECTS_MAX 1000U
#define LIMIT_MAX 1000U

static uint64_t get_number(char *const *message, const char *key, uint64_t otherwise) {
        const char *value = worker_message_get(message, key);
        uint64_t n;

        return value && parse_uint64(value, &n) >= 0 ? n : otherwise;
}

static int add_objects(char ***message, const ObjectWants *wants) {
        char hex[GIT_OID_HEXSZ + 1];
        int r = 0;

        for (size_t i = 0; i < wants->n && i < OBJECTS_MAX && r >= 0; i++)
                r = worker_message_add(message, "object", git_oid_tostr(hex, sizeof(hex), wants->ids + i));
        return r;
}

static const char *kind_of(const SyncEntry *e) {
        switch ((SyncKind) e->kind) {
        case SYNC_FILE:
                return e->executable ? "executable" : "file";
        case SYNC_SYMLINK:
                return "symlink";
        case SYNC_DIRECTORY:
                return "directory";
        case SYNC_ABSENT:
        case SYNC_SPECIAL:
        case _SYNC_KIND_MAX:
        default:
                return "deleted";
        }
}

static int send_version(const FolderVersion *v) {
        int64_t size = v->entry.size > INT64_MAX ? -1 : (int64_t) v->entry.size;
        _cleanup_strv_free_ char **message = NULL;
        char hex[GIT_OID_HEXSZ + 1];
        int r;

        if ((r = worker_message_add(&message, "event", "version")) < 0 ||
            (r = worker_message_add(&message, "commit", git_oid_tostr(hex, sizeof(hex), &v->commit))) < 0 ||
            (r = worker_message_addf(&message, "time", "%lld", (long long) v->time)) < 0 ||
            (r = worker_message_addf(&message, "size", "%lld", (long long) size)) < 0 ||
            (r = worker_message_addf(&message, "mtime", "%lld", (long long) v->entry.mtime_ns / 1000000000)) < 0 ||
            (r = worker_message_add(&message, "author", v->author)) < 0 ||
            (r = worker_message_add(&message, "message", v->message)) < 0 ||
            (r = worker_message_add(&message, "kind", kind_of(&v->entry))) < 0 ||
            (r = worker_message_addf(&message, "fuzzy", "%d", v->entry.fuzzy)) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

/* final: what is missing cannot be had. */
static int send_history(const FolderHistory *h, bool final) {
        _cleanup_strv_free_ char **message = NULL;
        bool missing = !final && (h->trees_missing || h->wants.n > 0);
        int r;

        for (size_t i = 0; !missing && i < h->n; i++) {
                r = send_version(h->items + i);
                if (r < 0)
                        return r;
        }
        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "error", "0")) < 0 ||
            (r = worker_message_addf(&message, "more", "%d", h->more)) < 0 ||
            (missing && (r = worker_message_addf(&message, "trees", "%d", h->trees_missing)) < 0) ||
            (missing && !h->trees_missing && (r = add_objects(&message, &h->wants)) < 0))
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

/* Keys: path (without it: commits), before, limit, final. Answers with events version: commit, time, size (-1: not
 * known), mtime (0: not known), author, message, kind, fuzzy; and more. */
static int do_list(Folder *f, const char *command, char *const *message) {
        const char *path = strempty(worker_message_get(message, "path")),
                   *before = worker_message_get(message, "before");
        size_t limit = MIN(get_number(message, "limit", LIMIT_MAX), (uint64_t) LIMIT_MAX);
        FolderHistory history = {};
        int r;

        r = streq(command, "versions") ? folder_list_versions(f, path, before, limit, &history)
                                       : folder_list_commits(f, before, limit, &history);
        r = r < 0 ? tree_send_done(r) : send_history(&history, get_number(message, "final", 0) > 0);
        folder_history_clear(&history);
        return r;
}

/* Key: time. Answers with commit and time. */
static int do_commit_at(Folder *f, char *const *message_in) {
        const char *time = strempty(worker_message_get(message_in, "time"));
        _cleanup_strv_free_ char **message = NULL;
        char hex[GIT_OID_HEXSZ + 1];
        git_oid commit;
        int64_t t;
        int r;

        r = parse_int64(time, &t);
        if (r >= 0)
                r = folder_commit_at(f, t, &commit, &t);
        if (r < 0)
                return tree_send_done(r);
        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "error", "0")) < 0 ||
            (r = worker_message_add(&message, "commit", git_oid_tostr(hex, sizeof(hex), &commit))) < 0 ||
            (r = worker_message_addf(&message, "time", "%lld", (long long) t)) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

static int send_restored(const FolderRestoreResult *result) {
        _cleanup_strv_free_ char **message = NULL;
        int r;

        r = tree_send_conflicts(&result->conflicts);
        if (r < 0)
                return r;
        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "error", "0")) < 0 ||
            (r = worker_message_addf(
                             &message, "bytes-missing", "%llu", (unsigned long long) result->bytes_missing)) < 0 ||
            (r = worker_message_addf(&message, "bytes-total", "%llu", (unsigned long long) result->bytes_total)) <
                            0 ||
            (r = worker_message_addf(&message, "bytes", "%llu", (unsigned long long) result->bytes)) < 0 ||
            (r = worker_message_addf(&message, "restored", "%zu", result->n_restored)) < 0 ||
            (r = worker_message_addf(&message, "failed", "%zu", result->n_failed)) < 0 ||
            (r = worker_message_addf(&message, "failed-error", "%d", -result->failed_error)) < 0 ||
            (r = worker_message_add(&message, "failed-path", strempty(result->failed_path))) < 0 ||
            (result->after && (r = worker_message_add(&message, "after", result->after)) < 0) ||
            (r = add_objects(&message, &result->wants)) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

/* Keys: path, commit, to, after. Answers with after if there is more to be done, bytes-total, bytes, restored, failed,
 * failed-error, failed-path. */
static int do_restore(Folder *f, const char *gateway_name, char *const *message) {
        const char *commit = worker_message_get(message, "commit");
        FolderRestore q = {
                .path = worker_message_get(message, "path"),
                .to = worker_message_get(message, "to"),
                .after = worker_message_get(message, "after"),
                .gateway_name = gateway_name,
        };
        FolderRestoreResult result = {};
        int r;

        r = commit && q.path && q.to ? folder_find_commit(f, commit, &q.commit) : -EINVAL;
        if (r >= 0)
                r = folder_restore(f, &q, &result);
        r = r < 0 ? tree_send_done(r) : send_restored(&result);
        folder_restore_result_clear(&result);
        return r;
}

int tree_serve_history(Folder *f, const char *gateway_name, const char *command, char *const *message) {
        if (streq(command, "versions") || streq(command, "commits"))
                return do_list(f, command, message);
        if (streq(command, "commit-at"))
                return do_commit_at(f, message);
        if (streq(command, "restore"))
                return do_restore(f, gateway_name, message);
        return -EOPNOTSUPP;
}
