/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator/frontend/store.h"

static const char *const migrations[] = {
        "CREATE TABLE subscriptions ("
        "  name TEXT PRIMARY KEY,"
        "  username TEXT NOT NULL,"
        "  password TEXT NOT NULL,"
        "  profile TEXT,"
        "  variables TEXT,"
        "  suspended INTEGER NOT NULL DEFAULT 0,"
        "  repository_ready INTEGER NOT NULL DEFAULT 0,"
        "  removing INTEGER NOT NULL DEFAULT 0,"
        "  revision INTEGER NOT NULL DEFAULT 0,"
        "  tip TEXT NOT NULL DEFAULT '',"
        "  created INTEGER NOT NULL"
        ") WITHOUT ROWID;"
        "CREATE TABLE devices ("
        "  id TEXT PRIMARY KEY,"
        "  subscription TEXT REFERENCES subscriptions (name),"
        "  gateway_name TEXT,"
        "  root TEXT,"
        "  status TEXT NOT NULL,"
        "  public_key TEXT,"
        "  sync_status TEXT,"
        "  last_error TEXT,"
        "  commit_id TEXT,"
        "  revision INTEGER NOT NULL,"
        "  last_opseq INTEGER NOT NULL,"
        "  reported_at INTEGER NOT NULL,"
        "  seen_at INTEGER NOT NULL,"
        "  opseq INTEGER NOT NULL,"
        "  operation INTEGER NOT NULL,"
        "  operation_wanted INTEGER NOT NULL,"
        "  operation_deadline INTEGER NOT NULL,"
        "  failures INTEGER NOT NULL,"
        "  not_before INTEGER NOT NULL,"
        "  expected INTEGER NOT NULL,"
        "  expected_until INTEGER NOT NULL,"
        "  provision INTEGER NOT NULL,"
        "  instances TEXT,"
        "  refresh INTEGER NOT NULL,"
        "  key_refused INTEGER NOT NULL,"
        "  next_check INTEGER"
        ") WITHOUT ROWID;"
        "CREATE INDEX devices_subscription ON devices (subscription);"
        "CREATE INDEX devices_next_check ON devices (next_check) WHERE next_check IS NOT NULL;"
        "CREATE TABLE keys ("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  device TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,"
        "  type TEXT NOT NULL,"
        "  key TEXT NOT NULL UNIQUE,"
        "  added INTEGER NOT NULL"
        ");"
        "CREATE INDEX keys_device ON keys (device);"
        "CREATE TABLE operations ("
        "  device TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,"
        "  opseq INTEGER NOT NULL,"
        "  kind TEXT NOT NULL,"
        "  wanted INTEGER NOT NULL,"
        "  state TEXT NOT NULL,"
        "  created INTEGER NOT NULL,"
        "  finished INTEGER,"
        "  PRIMARY KEY (device, opseq)"
        ") WITHOUT ROWID;"
        "CREATE TABLE commands ("
        "  row INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  id TEXT NOT NULL UNIQUE,"
        "  device TEXT NOT NULL,"
        "  purpose INTEGER NOT NULL,"
        "  argument TEXT NOT NULL,"
        "  payload TEXT NOT NULL,"
        "  result TEXT,"
        "  finished INTEGER,"
        "  created INTEGER NOT NULL,"
        "  published INTEGER NOT NULL DEFAULT 0"
        ");"
        "CREATE INDEX commands_device ON commands (device) WHERE finished IS NULL;"
        "CREATE INDEX commands_waiting ON commands (row) WHERE finished IS NULL AND published = 0;"
        "CREATE TABLE inbox ("
        "  id TEXT PRIMARY KEY,"
        "  received INTEGER NOT NULL"
        ") WITHOUT ROWID;"
        "CREATE INDEX inbox_received ON inbox (received);",

        "ALTER TABLE subscriptions ADD COLUMN quota_mib INTEGER NOT NULL DEFAULT -1;"
        "ALTER TABLE subscriptions ADD COLUMN maintained_at INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE subscriptions ADD COLUMN maintained_revision INTEGER NOT NULL DEFAULT 0;"
        "CREATE TABLE tasks ("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  subscription TEXT NOT NULL REFERENCES subscriptions (name) ON DELETE CASCADE,"
        "  kind TEXT NOT NULL,"
        "  arguments TEXT NOT NULL,"
        "  state TEXT NOT NULL DEFAULT 'waiting',"
        "  result TEXT,"
        "  created INTEGER NOT NULL,"
        "  finished INTEGER"
        ");"
        "CREATE INDEX tasks_state ON tasks (state, id) WHERE state IN ('waiting', 'running');"
        "CREATE INDEX tasks_subscription ON tasks (subscription);"
        "CREATE TABLE audit ("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  time INTEGER NOT NULL,"
        "  who TEXT NOT NULL,"
        "  method TEXT NOT NULL,"
        "  path TEXT NOT NULL,"
        "  detail TEXT,"
        "  status INTEGER"
        ");"
        "CREATE TABLE tokens ("
        "  name TEXT PRIMARY KEY,"
        "  hash TEXT NOT NULL UNIQUE,"
        "  read_only INTEGER NOT NULL,"
        "  created INTEGER NOT NULL"
        ") WITHOUT ROWID;",

        "ALTER TABLE subscriptions ADD COLUMN mirrored_revision INTEGER NOT NULL DEFAULT 0;",

        "ALTER TABLE subscriptions ADD COLUMN retention TEXT;",
        NULL,
};

int store_open(const char *path, sqlite3 **ret) {
        int r = sqlite_open(path, migrations, ret);

        /* What is erased is overwritten. */
        if (r >= 0)
                (void) sqlite3_exec(*ret, "PRAGMA secure_delete = ON", NULL, NULL, NULL);
        return r;
}

Subscription *subscription_free(Subscription *s) {
        if (!s)
                return NULL;
        free(s->name);
        free(s->username);
        free(s->password);
        free(s->profile);
        free(s->variables);
        free(s->tip);
        free(s->retention);
        return mfree(s);
}

bool subscription_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > SUBSCRIPTION_NAME_MAX ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != n)
                return false;
        return !strchr("._-", name[0]) && name[n - 1] != '.' && !endswith(name, ".git");
}

int store_subscription_insert(sqlite3 *db, const Subscription *s) {
        int r;

        r = sqlite_run(db,
                       "INSERT INTO subscriptions"
                       " (name, username, password, profile, variables, retention, quota_mib, created)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       "ssssssii",
                       s->name,
                       s->username,
                       s->password,
                       s->profile,
                       s->variables,
                       s->retention,
                       s->quota_mib,
                       s->created);
        return r < 0 ? r : 0;
}

int store_subscription_load(sqlite3 *db, const char *name, Subscription **ret) {
        _cleanup_(subscription_freep) Subscription *s = calloc(1, sizeof(*s));
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        if (!s)
                return -ENOMEM;
        r =
                        sqlite_prepare(db,
                                       &q,
                                       "SELECT name, username, password, profile, variables, tip, retention, "
                                       "suspended, repository_ready, removing,"
                                       " revision, created, quota_mib FROM subscriptions WHERE name = ?",
                                       "s",
                                       name);
        if (r < 0)
                return r;
        r = sqlite_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        char **fields[] = {
                &s->name, &s->username, &s->password, &s->profile, &s->variables, &s->tip, &s->retention,
        };
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                r = sqlite_column_dup(q, (int) i, fields[i]);
                if (r < 0)
                        return r;
        }
        s->suspended = sqlite3_column_int(q, 7) != 0;
        s->repository_ready = sqlite3_column_int(q, 8) != 0;
        s->removing = sqlite3_column_int(q, 9) != 0;
        s->revision = (uint64_t) sqlite3_column_int64(q, 10);
        s->created = sqlite3_column_int64(q, 11);
        s->quota_mib = sqlite3_column_int64(q, 12);
        *ret = TAKE_PTR(s);
        return 0;
}

int store_subscription_save(sqlite3 *db, const Subscription *s) {
        int r;

        r = sqlite_run(db,
                       "UPDATE subscriptions SET username = ?, password = ?, profile = ?, variables = ?, "
                       "suspended = ?,"
                       " repository_ready = ?, removing = ?, revision = ?8, tip = ?9, quota_mib = ?, retention = ?,"
                       " mirrored_revision = CASE WHEN tip IS NOT ?9 AND revision >= ?8 THEN 0"
                       " ELSE mirrored_revision END WHERE name = ?",
                       "ssssiiiisiss",
                       s->username,
                       s->password,
                       s->profile,
                       s->variables,
                       (int64_t) s->suspended,
                       (int64_t) s->repository_ready,
                       (int64_t) s->removing,
                       (int64_t) s->revision,
                       s->tip,
                       s->quota_mib,
                       s->retention,
                       s->name);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int store_subscription_delete(sqlite3 *db, const char *name) {
        int r = sqlite_run(db, "DELETE FROM subscriptions WHERE name = ?", "s", name);

        return r < 0 ? r : 0;
}

/* Collects the first column. */
static int read_names(sqlite3_stmt *q, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        size_t n = 0, room = 0;
        int r;

        while ((r = sqlite_step(q)) > 0) {
                if (n + 2 > room) {
                        char **grown = reallocarray(names, room * 2 + 64, sizeof(char *));

                        if (!grown)
                                return -ENOMEM;
                        names = grown;
                        room = room * 2 + 64;
                }
                names[n] = strdup(strempty(sqlite_column_str(q, 0)));
                if (!names[n])
                        return -ENOMEM;
                names[++n] = NULL;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

int store_subscription_names(sqlite3 *db, bool unfinished, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r =
                        sqlite_prepare(db,
                                       &q,
                                       "SELECT name FROM subscriptions WHERE NOT ? OR removing OR NOT "
                                       "repository_ready ORDER BY name",
                                       "i",
                                       (int64_t) unfinished);
        return r < 0 ? r : read_names(q, ret);
}

int store_key_ids(sqlite3 *db, const char *subscription, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT k.id FROM keys k JOIN devices d ON d.id = k.device"
                        " JOIN subscriptions s ON s.name = d.subscription"
                        " WHERE s.name = ? AND NOT s.suspended AND NOT s.removing ORDER BY k.id",
                        "s",
                        subscription);
        return r < 0 ? r : read_names(q, ret);
}

int store_device_ids(sqlite3 *db, const char *subscription, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        if (subscription)
                r =
                                sqlite_prepare(db,
                                               &q,
                                               "SELECT id FROM devices WHERE subscription = ? ORDER BY id",
                                               "s",
                                               subscription);
        else
                r = sqlite_prepare(db, &q, "SELECT id FROM devices ORDER BY id", "");
        return r < 0 ? r : read_names(q, ret);
}

int store_device_due(sqlite3 *db, int64_t now, unsigned max, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT id FROM devices WHERE next_check <= ? ORDER BY next_check LIMIT ?",
                        "ii",
                        now,
                        (int64_t) max);
        return r < 0 ? r : read_names(q, ret);
}

int store_device_next_check(sqlite3 *db, int64_t *ret) {
        int r = sqlite_get_int(
                        db, ret, "SELECT min(next_check) FROM devices WHERE next_check IS NOT NULL", "");

        if (r == -ENOENT)
                *ret = INT64_MAX;
        return r == -ENOENT ? 0 : r;
}

int store_device_unequal(sqlite3 *db, char ***ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT d.id FROM devices d LEFT JOIN subscriptions s ON s.name = d.subscription"
                        " WHERE d.root IS NOT NULL AND CASE"
                        "  WHEN d.subscription IS NULL THEN d.status IN ('Ready', 'Subscribed')"
                        "  WHEN s.suspended THEN d.status <> 'Suspended'"
                        "  ELSE d.status <> 'Subscribed' OR d.operation <> 0 OR d.revision < s.revision"
                        "   OR d.revision = s.revision AND d.commit_id <> s.tip END",
                        "");
        return r < 0 ? r : read_names(q, ret);
}
