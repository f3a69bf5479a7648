/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator/frontend/store-task.h"

#define MIRROR_RETRY_SEC 300

Task *task_free(Task *t) {
        if (!t)
                return NULL;
        free(t->subscription);
        free(t->kind);
        free(t->arguments);
        free(t->state);
        free(t->result);
        return mfree(t);
}

int store_task_insert(
                sqlite3 *db,
                const char *subscription,
                const char *kind,
                const char *arguments,
                int64_t now,
                int64_t *ret_id) {
        int r = sqlite_run(
                        db,
                        "INSERT INTO tasks (subscription, kind, arguments, created) VALUES (?, ?, ?, ?)",
                        "sssi",
                        subscription,
                        kind,
                        arguments,
                        now);

        if (r >= 0 && ret_id)
                *ret_id = sqlite3_last_insert_rowid(db);
        return r < 0 ? r : 0;
}

#define TASK_COLUMNS "id, created, coalesce(finished, 0), subscription, kind, arguments, state, result"

static int read_task(sqlite3_stmt *q, Task **ret) {
        _cleanup_(task_freep) Task *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        char **texts[] = { &t->subscription, &t->kind, &t->arguments, &t->state, &t->result };
        t->id = sqlite3_column_int64(q, 0);
        t->created = sqlite3_column_int64(q, 1);
        t->finished = sqlite3_column_int64(q, 2);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int r = sqlite_column_dup(q, (int) i + 3, texts[i]);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

int store_task_load(sqlite3 *db, int64_t id, Task **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(db, &q, "SELECT " TASK_COLUMNS " FROM tasks WHERE id = ?", "i", id);
        if (r >= 0)
                r = sqlite_step(q);
        return r < 0 ? r : r == 0 ? -ENOENT : read_task(q, ret);
}

bool task_is_mirror(const Task *t) {
        return streq(t->kind, "mirror");
}

int store_task_next(sqlite3 *db, bool mirror, Task **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT " TASK_COLUMNS
                        " FROM tasks t WHERE state = 'waiting' AND (kind = 'mirror') = ?1"
                        " AND NOT EXISTS (SELECT 1 FROM tasks o WHERE o.subscription = t.subscription"
                        "  AND o.state = 'running' AND (o.kind = 'mirror') = ?1) ORDER BY id LIMIT 1",
                        "i",
                        (int64_t) mirror);
        if (r >= 0)
                r = sqlite_step(q);
        if (r <= 0)
                return r;
        r = read_task(q, ret);
        return r < 0 ? r : 1;
}

int store_task_set(sqlite3 *db, const Task *t, const char *state, const char *result, int64_t now) {
        int r =
                        sqlite_run(db,
                                   "UPDATE tasks SET state = ?1, result = ?2, finished = CASE ?1 WHEN "
                                   "'running' THEN NULL ELSE ?3 END"
                                   " WHERE id = ?4",
                                   "ssii",
                                   state,
                                   result,
                                   now,
                                   t->id);

        if (r >= 0 && streq(state, "done") && streq(t->kind, "maintain"))
                r = sqlite_run(db,
                               "UPDATE subscriptions SET maintained_at = ?, maintained_revision = revision"
                               " WHERE name = ?",
                               "is",
                               now,
                               t->subscription);
        if (r >= 0 && streq(state, "done") && task_is_mirror(t))
                r = sqlite_run(db,
                               "UPDATE subscriptions SET mirrored_revision ="
                               " CAST(json_extract(?, '$.revision') AS INTEGER) WHERE name = ?",
                               "ss",
                               result,
                               t->subscription);
        return r < 0 ? r : 0;
}

int store_task_restart(sqlite3 *db) {
        int r = sqlite_run(db, "UPDATE tasks SET state = 'waiting' WHERE state = 'running'", "");

        return r < 0 ? r : 0;
}

int store_task_insert_maintenance(sqlite3 *db, int64_t now, int64_t interval, uint64_t n, unsigned max) {
        int r =
                        sqlite_run(db,
                                   "INSERT INTO tasks (subscription, kind, arguments, created)"
                                   " SELECT name, 'maintain', '[]', ?1 FROM subscriptions s"
                                   " WHERE repository_ready AND NOT removing"
                                   " AND (maintained_at < ?1 - ?2 OR revision >= maintained_revision + ?3)"
                                   /* One that failed is not tried again at once. */
                                   " AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.subscription = s.name "
                                   "AND t.kind = 'maintain'"
                                   "  AND (t.finished IS NULL OR t.finished > ?1 - 3600)) LIMIT ?4",
                                   "iiii",
                                   now,
                                   interval,
                                   (int64_t) n,
                                   (int64_t) max);

        return r < 0 ? r : 0;
}

int store_task_insert_mirror(sqlite3 *db, const char *subscription, int64_t now) {
        int r = sqlite_run(
                        db,
                        "INSERT INTO tasks (subscription, kind, arguments, created)"
                        " SELECT name, 'mirror', '[]', ?2 FROM subscriptions s"
                        " WHERE (?1 IS NULL OR name = ?1) AND repository_ready AND NOT removing"
                        " AND revision > mirrored_revision"
                        " AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.subscription = s.name AND t.kind = "
                        "'mirror'"
                        "  AND (t.state = 'waiting' OR t.state = 'failed' AND t.finished > ?2 - ?3))",
                        "sii",
                        subscription,
                        now,
                        (int64_t) MIRROR_RETRY_SEC);

        return r < 0 ? r : 0;
}

int store_task_expire(sqlite3 *db, int64_t now) {
        int r = sqlite_run(db, "DELETE FROM tasks WHERE finished < ?", "i", now - TASK_KEEP_SEC);

        return r < 0 ? r : 0;
}
