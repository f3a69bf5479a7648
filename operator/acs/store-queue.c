/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command queue and outbox. */
#include "common/base/str.h"
#include "operator/acs/store-internal.h"

StoredCommand *stored_command_free(StoredCommand *c) {
        if (!c)
                return NULL;
        free(c->id);
        free(c->payload);
        free(c);
        return NULL;
}

int outbox_insert(Store *s, int64_t now, const Message *m) {
        int r;

        r = sqlite_run(s->db,
                       "INSERT OR IGNORE INTO outbox (id, device, kind, payload, created) VALUES (?, ?, ?, ?, ?)",
                       "ssisi",
                       m->id,
                       m->device,
                       (int64_t) m->kind,
                       m->payload,
                       now);
        return r < 0 ? r : 0;
}

/* A finished command that is delivered again: the frontend does not know the result. Takes it out of the
 * outbox first, so that it is at the end and published at once. */
static int repeat_result(Store *s, const char *device, const char *id, int64_t now) {
        int r;

        r = sqlite_run(s->db,
                       "DELETE FROM outbox WHERE id = (SELECT result_id FROM command WHERE device = ? AND id = ?)",
                       "ss",
                       device,
                       id);
        if (r < 0)
                return r;
        r = sqlite_run(s->db,
                       "INSERT INTO outbox (id, device, kind, payload, created)"
                       " SELECT result_id, device, ?, result, ? FROM command WHERE device = ? AND id = ?",
                       "iiss",
                       (int64_t) TOPIC_RESULT,
                       now,
                       device,
                       id);
        return r < 0 ? r : 0;
}

int store_command_add(
                Store *s, const char *device, const char *id, const char *payload, int64_t now, int64_t deadline) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int64_t finished, known;
        CommandState state;
        int r;

        r = sqlite_begin(s->db, &transaction);
        if (r >= 0)
                r = sqlite_get_int(s->db, &known, "SELECT 1 FROM device WHERE id = ?", "s", device);
        if (r < 0)
                return r;
        r = sqlite_get_int(
                        s->db,
                        &finished,
                        "SELECT finished IS NOT NULL FROM command WHERE device = ? AND id = ?",
                        "ss",
                        device,
                        id);
        if (r == -ENOENT) {
                state = COMMAND_STATE_NEW;
                r = sqlite_run(s->db,
                               "INSERT INTO command (device, id, payload, deadline) VALUES (?, ?, ?, nullif(?, 0))",
                               "sssi",
                               device,
                               id,
                               payload,
                               deadline);
        } else if (r >= 0 && finished) {
                state = COMMAND_STATE_FINISHED;
                r = repeat_result(s, device, id, now);
        } else
                state = COMMAND_STATE_QUEUED;
        if (r < 0)
                return r;
        r = sqlite_commit(s->db);
        return r < 0 ? r : (int) state;
}

int store_command_next(Store *s, const char *device, StoredCommand **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        _cleanup_(stored_command_freep) StoredCommand *c = NULL;
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT id, payload, sent FROM command WHERE device = ? AND finished IS NULL"
                        " ORDER BY seq LIMIT 1",
                        "s",
                        device);
        if (r < 0)
                return r;
        r = sqlite_step(stmt);
        if (r <= 0)
                return r;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        r = sqlite_column_dup(stmt, 0, &c->id);
        if (r >= 0)
                r = sqlite_column_dup(stmt, 1, &c->payload);
        if (r < 0)
                return r;
        c->was_sent = sqlite3_column_int(stmt, 2) != 0;
        *ret = TAKE_PTR(c);
        return 1;
}

int store_command_mark_sent(Store *s, const char *device, const char *id) {
        int r;

        r = sqlite_run(s->db, "UPDATE command SET sent = 1 WHERE device = ? AND id = ?", "ss", device, id);
        return r < 0 ? r : 0;
}

int store_command_finish(Store *s, const char *device, const char *id, int64_t now, const Message *result) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int r;

        r = sqlite_begin(s->db, &transaction);
        if (r < 0)
                return r;
        r = sqlite_run(s->db,
                       "UPDATE command SET finished = ?, payload = NULL, result_id = ?, result = ?"
                       " WHERE device = ? AND id = ? AND finished IS NULL",
                       "issss",
                       now,
                       result->id,
                       result->payload,
                       device,
                       id);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        r = outbox_insert(s, now, result);
        if (r < 0)
                return r;
        return sqlite_commit(s->db);
}

int store_command_cancel(Store *s, const char *device, const char *id, int64_t now, const Message *result) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int64_t known;
        int r;

        r = sqlite_begin(s->db, &transaction);
        if (r >= 0)
                r = sqlite_get_int(s->db, &known, "SELECT 1 FROM device WHERE id = ?", "s", device);
        if (r < 0)
                return r;
        r = sqlite_run(s->db,
                       "INSERT INTO command (device, id, finished, result_id, result) VALUES (?, ?, ?, ?, ?)"
                       " ON CONFLICT (device, id) DO UPDATE SET payload = NULL, finished = excluded.finished,"
                       " result_id = excluded.result_id, result = excluded.result WHERE finished IS NULL",
                       "ssiss",
                       device,
                       id,
                       now,
                       result->id,
                       result->payload);
        if (r >= 0)
                r = r > 0 ? outbox_insert(s, now, result) : repeat_result(s, device, id, now);
        return r < 0 ? r : sqlite_commit(s->db);
}

int store_command_expired(Store *s, int64_t now, char **ret_device, char **ret_id, int64_t *ret_next) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        _cleanup_free_ char *device = NULL, *id = NULL;
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT deadline, device, id FROM command WHERE finished IS NULL AND deadline IS NOT NULL"
                        " ORDER BY deadline LIMIT 1",
                        "");
        if (r < 0)
                return r;
        r = sqlite_step(stmt);
        if (r < 0)
                return r;
        if (r == 0 || sqlite3_column_int64(stmt, 0) > now) {
                *ret_next = r == 0 ? INT64_MAX : sqlite3_column_int64(stmt, 0);
                return 0;
        }
        r = sqlite_column_dup(stmt, 1, &device);
        if (r >= 0)
                r = sqlite_column_dup(stmt, 2, &id);
        if (r < 0)
                return r;
        *ret_device = TAKE_PTR(device);
        *ret_id = TAKE_PTR(id);
        return 1;
}

int store_devices_with_commands(Store *s, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT device FROM command WHERE finished IS NULL"
                        " UNION SELECT device FROM command WHERE sent AND result ->> '$.status' = 'expired'",
                        "");
        if (r < 0)
                return r;
        while ((r = sqlite_step(stmt)) > 0) {
                r = strv_extend(&devices, sqlite_column_str(stmt, 0));
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(devices);
        return 0;
}

int store_prune(Store *s, int64_t now) {
        return sqlite_run(s->db, "DELETE FROM command WHERE finished < ?", "i", now - COMMAND_MEMORY_SEC);
}

int store_outbox_add(Store *s, int64_t now, const Message *m) {
        return outbox_insert(s, now, m);
}

int store_outbox_foreach(
                Store *s, int64_t after, int64_t max, OutboxHandler handler, void *userdata, int64_t *ret_last) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        int64_t last = after;
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT seq, device, kind, payload FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
                        "ii",
                        after,
                        max);
        if (r < 0)
                return r;
        while ((r = sqlite_step(stmt)) > 0) {
                r = handler(sqlite_column_str(stmt, 1),
                            (TopicKind) sqlite3_column_int(stmt, 2),
                            sqlite_column_str(stmt, 3),
                            userdata);
                if (r <= 0)
                        break;
                last = sqlite3_column_int64(stmt, 0);
        }
        *ret_last = last;
        return r;
}

int store_outbox_acknowledge(Store *s, const char *device, char *const *ids) {
        int r = 0;

        STRV_FOREACH(id, ids) {
                r = strv_extend(&s->acknowledged, device);
                if (r >= 0)
                        r = strv_extend(&s->acknowledged, *id);
                if (r < 0)
                        break;
        }
        /* They are sent again then, and acknowledged. */
        if (r < 0)
                s->acknowledged = strv_free(s->acknowledged);
        return r;
}

static int outbox_delete(Store *s, char *const *pairs) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int r, n = 0;

        r = sqlite_begin(s->db, &transaction);
        if (r < 0)
                return r;
        for (; pairs && *pairs; pairs += 2) {
                r = sqlite_run(s->db, "DELETE FROM outbox WHERE id = ? AND device = ?", "ss", pairs[1], pairs[0]);
                if (r < 0)
                        return r;
                n += r;
        }
        r = sqlite_commit(s->db);
        return r < 0 ? r : n;
}

int store_outbox_forget(Store *s) {
        _cleanup_strv_free_ char **pairs = TAKE_PTR(s->acknowledged);
        int r;

        sqlite_set_lazy(s->db, true);
        r = outbox_delete(s, pairs);
        sqlite_set_lazy(s->db, false);
        return r;
}

int store_outbox_has_before(Store *s, int64_t time) {
        int64_t found;
        int r;

        r = sqlite_get_int(
                        s->db,
                        &found,
                        "SELECT created < ? FROM outbox ORDER BY seq LIMIT 1",
                        "i",
                        time);
        if (r == -ENOENT)
                return 0;
        return r < 0 ? r : (int) found;
}
