/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "operator/frontend/store.h"

#define PENDING                                                                                             \
        "(SELECT count(*) FROM commands c WHERE c.device = d.id AND c.finished IS NULL AND c.purpose < 6)"
static_assert(COMMAND_PREFETCH == 6 && COMMAND_ADMIN == 7, "a device waits for the commands before these");

int store_device_load(sqlite3 *db, const char *id, Device **ret) {
        _cleanup_(device_freep) Device *d = calloc(1, sizeof(*d));
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        if (!d)
                return -ENOMEM;
        r =
                        sqlite_prepare(db,
                                       &q,
                                       "SELECT id, subscription, gateway_name, root, public_key, "
                                       "sync_status, last_error, commit_id, instances,"
                                       " status, revision, last_opseq, reported_at, seen_at, opseq, "
                                       "operation, operation_wanted,"
                                       " operation_deadline, failures, not_before, expected, "
                                       "expected_until, provision, refresh,"
                                       " key_refused, " PENDING " FROM devices d WHERE id = ?",
                                       "s",
                                       id);
        if (r < 0)
                return r;
        r = sqlite_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        char **texts[] = { &d->id,          &d->subscription, &d->gateway_name, &d->root,     &d->public_key,
                           &d->sync_status, &d->last_error,   &d->commit,       &d->instances };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                r = sqlite_column_dup(q, (int) i, texts[i]);
                if (r < 0)
                        return r;
        }
        d->status = device_status_from_string(strempty(sqlite_column_str(q, 9)));
        if (d->status < 0)
                d->status = STATUS_UNKNOWN;
        d->revision = (uint64_t) sqlite3_column_int64(q, 10);
        d->last_opseq = (uint32_t) sqlite3_column_int64(q, 11);
        d->reported_at = sqlite3_column_int64(q, 12);
        d->seen_at = sqlite3_column_int64(q, 13);
        d->opseq = (uint32_t) sqlite3_column_int64(q, 14);
        d->operation = (uint32_t) sqlite3_column_int64(q, 15);
        d->operation_wanted = (uint64_t) sqlite3_column_int64(q, 16);
        d->operation_deadline = sqlite3_column_int64(q, 17);
        d->failures = (unsigned) sqlite3_column_int64(q, 18);
        d->not_before = sqlite3_column_int64(q, 19);
        d->expected = (uint64_t) sqlite3_column_int64(q, 20);
        d->expected_until = sqlite3_column_int64(q, 21);
        d->provision = (ProvisionState) sqlite3_column_int(q, 22);
        d->refresh = sqlite3_column_int(q, 23) != 0;
        d->key_refused = sqlite3_column_int(q, 24) != 0;
        d->n_pending = (unsigned) sqlite3_column_int(q, 25);
        *ret = TAKE_PTR(d);
        return 0;
}

int store_device_save(sqlite3 *db, const Device *d, int64_t next_check) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        /* Not INSERT OR REPLACE: that deletes the row first, and the keys with it. */
        r = sqlite_prepare(
                        db,
                        &q,
                        "INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                        "?, ?, ?, ?, ?,"
                        " ?, ?, nullif(?, 9223372036854775807))"
                        " ON CONFLICT (id) DO UPDATE SET subscription = excluded.subscription,"
                        " gateway_name = excluded.gateway_name, root = excluded.root, status = "
                        "excluded.status,"
                        " public_key = excluded.public_key, sync_status = excluded.sync_status,"
                        " last_error = excluded.last_error, commit_id = excluded.commit_id, revision = "
                        "excluded.revision,"
                        " last_opseq = excluded.last_opseq, reported_at = excluded.reported_at, seen_at = "
                        "excluded.seen_at,"
                        " opseq = excluded.opseq, operation = excluded.operation,"
                        " operation_wanted = excluded.operation_wanted, operation_deadline = "
                        "excluded.operation_deadline,"
                        " failures = excluded.failures, not_before = excluded.not_before, expected = "
                        "excluded.expected,"
                        " expected_until = excluded.expected_until, provision = excluded.provision,"
                        " instances = excluded.instances, refresh = excluded.refresh,"
                        " key_refused = excluded.key_refused, next_check = excluded.next_check",
                        "sssssssssiiiiiiiiiiiiisiii",
                        d->id,
                        d->subscription,
                        d->gateway_name,
                        d->root,
                        device_status_to_string(d->status),
                        d->public_key,
                        d->sync_status,
                        d->last_error,
                        d->commit,
                        (int64_t) d->revision,
                        (int64_t) d->last_opseq,
                        d->reported_at,
                        d->seen_at,
                        (int64_t) d->opseq,
                        (int64_t) d->operation,
                        (int64_t) d->operation_wanted,
                        d->operation_deadline,
                        (int64_t) d->failures,
                        d->not_before,
                        (int64_t) d->expected,
                        d->expected_until,
                        (int64_t) d->provision,
                        d->instances,
                        (int64_t) d->refresh,
                        (int64_t) d->key_refused,
                        next_check);
        if (r < 0)
                return r;
        return sqlite_step(q);
}

int store_device_delete(sqlite3 *db, const char *id) {
        int r;

        r = store_command_cancel(db, id, true);
        if (r >= 0)
                r = sqlite_run(db, "DELETE FROM devices WHERE id = ?", "s", id);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

/* Takes "<type> <base64>[ comment]" apart. 0, -EINVAL, -ENOMEM. */
static int parse_key(const char *key, char **ret_type, char **ret_data) {
        static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        /* The start of every such blob: the length and the name of the type. */
        static const char prefix[] = "AAAAC3NzaC1lZDI1NTE5AAAAI";
        _cleanup_strv_free_ char **words = NULL;
        size_t k;
        int r;

        if (strlen(key) > PUBLIC_KEY_MAX)
                return -EINVAL;
        r = strv_split(key, " ", &words);
        if (r < 0)
                return r;
        if (r < 2 || !streq(words[0], "ssh-ed25519") || !startswith(words[1], prefix))
                return -EINVAL;
        k = strspn(words[1], base64);
        if (k != 68 || words[1][k] != 0)
                return -EINVAL;
        *ret_type = strdup(words[0]);
        *ret_data = strdup(words[1]);
        return *ret_type && *ret_data ? 0 : -ENOMEM;
}

int store_key_authorize(sqlite3 *db, const char *device, const char *key, int64_t now) {
        _cleanup_free_ char *type = NULL, *data = NULL, *owner = NULL;
        int r;

        r = parse_key(key, &type, &data);
        if (r < 0)
                return r;
        r = sqlite_get_text(db, &owner, "SELECT device FROM keys WHERE key = ?", "s", data);
        if (r >= 0)
                return streq(owner, device) ? 0 : -EEXIST;
        if (r != -ENOENT)
                return r;
        r = sqlite_run(db,
                       "DELETE FROM keys WHERE device = ?1 AND id < (SELECT max(id) FROM keys WHERE device "
                       "= ?1)",
                       "s",
                       device);
        if (r >= 0)
                r = sqlite_run(db,
                               "INSERT INTO keys (device, type, key, added) VALUES (?, ?, ?, ?)",
                               "sssi",
                               device,
                               type,
                               data,
                               now);
        return r < 0 ? r : 1;
}

int store_key_revoke(sqlite3 *db, const char *device) {
        int r = sqlite_run(db, "DELETE FROM keys WHERE device = ?", "s", device);

        return r < 0 ? r : 0;
}

int store_key_device(sqlite3 *db, int64_t key, char **ret_device) {
        return sqlite_get_text(db, ret_device, "SELECT device FROM keys WHERE id = ?", "i", key);
}
