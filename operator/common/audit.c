/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/common/audit.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* A profile, or a list of values, is not kept whole. */
#define DETAIL_MAX 1024U

static char *detail(const json_t *body) {
        _cleanup_json_ json_t *copy = json_deep_copy(body);
        char *text;

        if (json_object_get(copy, "password") &&
            json_object_set_new(copy, "password", json_string("***")) < 0)
                return NULL;
        text = json_dumps(copy, JSON_COMPACT);
        if (text && strlen(text) > DETAIL_MAX)
                (void) strcpy(text + DETAIL_MAX - 3, "...");
        return text;
}

int audit_begin(sqlite3 *db,
                int64_t now,
                const char *who,
                const char *method,
                const char *path,
                const json_t *body,
                int64_t *ret_id) {
        _cleanup_free_ char *text = body ? detail(body) : NULL;
        int r;

        r = sqlite_run(db,
                       "INSERT INTO audit (time, who, method, path, detail) VALUES (?, ?, ?, ?, ?)",
                       "issss",
                       now,
                       who,
                       method,
                       path,
                       text);
        if (r < 0)
                return r;
        *ret_id = sqlite3_last_insert_rowid(db);
        return 0;
}

int audit_end(sqlite3 *db, int64_t id, unsigned status) {
        int r = sqlite_run(db, "UPDATE audit SET status = ? WHERE id = ?", "ii", (int64_t) status, id);

        return r < 0 ? r : 0;
}

int audit_describe(sqlite3 *db, int64_t before, json_t **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        _cleanup_json_ json_t *all = json_array();
        int r;

        r =
                        sqlite_prepare(db,
                                       &q,
                                       "SELECT id, time, who, method, path, detail, status FROM audit WHERE "
                                       "?1 <= 0 OR id < ?1"
                                       " ORDER BY id DESC LIMIT ?2",
                                       "ii",
                                       before,
                                       (int64_t) AUDIT_SHOWN_MAX);
        if (r < 0)
                return r;
        while ((r = sqlite_step(q)) > 0) {
                char time[DATETIME_SIZE];
                bool ended = sqlite3_column_type(q, 6) != SQLITE_NULL;
                json_t *j =
                                json_pack("{s:I, s:s, s:s, s:s, s:s, s:s?, s:o}",
                                          "id",
                                          (json_int_t) sqlite3_column_int64(q, 0),
                                          "time",
                                          format_datetime(sqlite3_column_int64(q, 1), time),
                                          "who",
                                          sqlite_column_str(q, 2),
                                          "method",
                                          sqlite_column_str(q, 3),
                                          "path",
                                          sqlite_column_str(q, 4),
                                          "detail",
                                          sqlite_column_str(q, 5),
                                          "status",
                                          ended ? json_integer(sqlite3_column_int64(q, 6)) : json_null());

                if (!j || json_array_append_new(all, j) < 0)
                        return -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(all);
        return 0;
}
