/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "operator/acs/store-internal.h"

/* Never edit a script that was released: append one. */
static const char *const migrations[] = {
        "CREATE TABLE device ("
        "        id TEXT PRIMARY KEY,"
        "        ha1 TEXT NOT NULL,"
        "        root TEXT,"
        "        manufacturer TEXT,"
        "        software_version TEXT,"
        "        last_inform INTEGER,"
        "        connection_request_url TEXT,"
        "        connection_request_username TEXT,"
        "        connection_request_password TEXT,"
        "        provisioned INTEGER NOT NULL DEFAULT 0"
        ") STRICT, WITHOUT ROWID;"
        "CREATE TABLE command ("
        "        seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        "        device TEXT NOT NULL REFERENCES device(id) ON DELETE CASCADE,"
        "        id TEXT NOT NULL,"
        "        payload TEXT," /* NULL when finished */
        "        sent INTEGER NOT NULL DEFAULT 0,"
        "        deadline INTEGER,"
        "        finished INTEGER,"
        "        result_id TEXT,"
        "        result TEXT,"
        "        UNIQUE (device, id)"
        ") STRICT;"
        "CREATE INDEX command_queue ON command (device, seq) WHERE finished IS NULL;"
        "CREATE INDEX command_deadline ON command (deadline) WHERE finished IS NULL AND deadline IS NOT NULL;"
        "CREATE INDEX command_finished ON command (finished) WHERE finished IS NOT NULL;"
        "CREATE TABLE outbox ("
        "        seq INTEGER PRIMARY KEY AUTOINCREMENT,"
        "        id TEXT NOT NULL UNIQUE,"
        "        device TEXT NOT NULL,"
        "        kind INTEGER NOT NULL,"
        "        payload TEXT NOT NULL,"
        "        created INTEGER NOT NULL"
        ") STRICT;",
        "ALTER TABLE device ADD COLUMN parameters TEXT;",
        "CREATE INDEX command_dropped ON command (device) WHERE sent AND result ->> '$.status' = 'expired';",
        NULL,
};

int store_open(Store **ret, const char *path) {
        _cleanup_(store_freep) Store *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = sqlite_open(path, migrations, &s->db);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        sqlite_closep(&s->db);
        (void) strv_free(s->acknowledged);
        free(s);
        return NULL;
}

void device_access_done(DeviceAccess *a) {
        free(a->url);
        free(a->username);
        free(a->password);
        free(a->root);
        *a = (DeviceAccess) {};
}

int store_device_set_ha1(Store *s, const char *device, const char *ha1) {
        int r;

        r = sqlite_run(s->db,
                       "INSERT INTO device (id, ha1) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET ha1 = excluded.ha1",
                       "ss",
                       device,
                       ha1);
        return r < 0 ? r : 0;
}

int store_device_add(Store *s, const char *device) {
        int64_t known;
        int r;

        /* Without a lock, each time but the first. */
        r = sqlite_get_int(s->db, &known, "SELECT 1 FROM device WHERE id = ?", "s", device);
        if (r == -ENOENT)
                r = sqlite_run(s->db, "INSERT OR IGNORE INTO device (id, ha1) VALUES (?, '')", "s", device);
        return r < 0 ? r : 0;
}

int store_device_get_ha1(Store *s, const char *device, char **ret) {
        return sqlite_get_text(s->db, ret, "SELECT ha1 FROM device WHERE id = ?", "s", device);
}

int store_device_inform(Store *s, const DeviceRecord *d, const Message *m, bool *ret_provisioned) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int64_t provisioned;
        int r;

        r = sqlite_begin(s->db, &transaction);
        if (r < 0)
                return r;
        r = sqlite_get_int(
                       s->db,
                       &provisioned,
                       "UPDATE device SET root = ?, manufacturer = ?, last_inform = ?,"
                       " software_version = coalesce(?, software_version),"
                       " connection_request_url = coalesce(?, connection_request_url),"
                       " parameters = coalesce(json_patch(coalesce(parameters, '{}'), ?), parameters),"
                       " provisioned = provisioned AND NOT ? WHERE id = ? RETURNING provisioned",
                       "ssisssis",
                       d->root,
                       d->manufacturer,
                       d->last_inform,
                       d->software_version,
                       d->connection_request_url,
                       d->parameters,
                       (int64_t) d->bootstrapped,
                       d->id);
        if (r >= 0)
                r = outbox_insert(s, d->last_inform, m);
        if (r >= 0)
                r = sqlite_commit(s->db);
        if (r < 0)
                return r;
        *ret_provisioned = provisioned != 0;
        return 0;
}

int store_device_get_access(Store *s, const char *device, DeviceAccess *ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        _cleanup_device_access_ DeviceAccess a = {};
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT connection_request_url, connection_request_username, connection_request_password,"
                        " root, provisioned FROM device WHERE id = ?",
                        "s",
                        device);
        if (r < 0)
                return r;
        r = sqlite_step(stmt);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        r = sqlite_column_dup(stmt, 0, &a.url);
        if (r >= 0)
                r = sqlite_column_dup(stmt, 1, &a.username);
        if (r >= 0)
                r = sqlite_column_dup(stmt, 2, &a.password);
        if (r >= 0)
                r = sqlite_column_dup(stmt, 3, &a.root);
        if (r < 0)
                return r;
        a.provisioned = sqlite3_column_int(stmt, 4) != 0;
        *ret = a;
        a = (DeviceAccess) {};
        return 0;
}

int store_device_set_access(Store *s, const char *device, const char *username, const char *password) {
        int r;

        r = sqlite_run(s->db,
                       "UPDATE device SET connection_request_username = ?, connection_request_password = ?"
                       " WHERE id = ?",
                       "sss",
                       username,
                       password,
                       device);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int store_device_set_provisioned(Store *s, const char *device) {
        int r;

        r = sqlite_run(s->db, "UPDATE device SET provisioned = 1 WHERE id = ?", "s", device);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int store_device_foreach(Store *s, DeviceHandler handler, void *userdata) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite_prepare(
                        s->db,
                        &stmt,
                        "SELECT id, root, manufacturer, software_version, connection_request_url,"
                        " coalesce(last_inform, 0), parameters,"
                        " (SELECT count(*) FROM command WHERE command.device = device.id AND finished IS NULL)"
                        " FROM device ORDER BY id",
                        "");
        if (r < 0)
                return r;
        while ((r = sqlite_step(stmt)) > 0) {
                const DeviceRecord d = {
                        .id = sqlite_column_str(stmt, 0),
                        .root = sqlite_column_str(stmt, 1),
                        .manufacturer = sqlite_column_str(stmt, 2),
                        .software_version = sqlite_column_str(stmt, 3),
                        .connection_request_url = sqlite_column_str(stmt, 4),
                        .last_inform = sqlite3_column_int64(stmt, 5),
                        .parameters = sqlite_column_str(stmt, 6),
                };

                r = handler(&d, sqlite3_column_int64(stmt, 7), userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
