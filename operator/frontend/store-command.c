/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/random.h>

#include "common/base/parse.h"
#include "operator/frontend/store.h"

/* An administrator's result is kept this long. */
#define RESULT_KEEP_SEC 86400
/* Operations that ended stay in the list this long. */
#define OPERATION_KEEP_SEC (30 * 86400)
#define ID_BYTES 16U

static const char *const purpose_names[_COMMAND_PURPOSE_MAX] = {
        [COMMAND_REFRESH] = "refresh",
        [COMMAND_PROVISION_GET] = "provisioning get",
        [COMMAND_PROVISION_ADD] = "provisioning add",
        [COMMAND_PROVISION_SET] = "provisioning set",
        [COMMAND_STATUS] = "status",
        [COMMAND_PULL] = "pull",
        [COMMAND_PREFETCH] = "prefetch",
        [COMMAND_ADMIN] = "administrator's",
        [COMMAND_CANCEL] = "cancelled",
};

const char *command_purpose_to_string(CommandPurpose p) {
        assert(p < _COMMAND_PURPOSE_MAX);
        return purpose_names[p];
}

Command *command_free(Command *c) {
        if (!c)
                return NULL;
        free(c->id);
        free(c->device);
        free(c->argument);
        free(c->payload);
        free(c->result);
        return mfree(c);
}

int store_operation_insert(
                sqlite3 *db,
                const char *device,
                uint32_t opseq,
                const char *kind,
                uint64_t wanted,
                int64_t now) {
        int r = sqlite_run(
                        db,
                        "INSERT OR REPLACE INTO operations (device, opseq, kind, wanted, state, created)"
                        " VALUES (?, ?, ?, ?, 'ordered', ?)",
                        "sisii",
                        device,
                        (int64_t) opseq,
                        kind,
                        (int64_t) wanted,
                        now);

        return r < 0 ? r : 0;
}

int store_operation_is_outstanding(sqlite3 *db, const char *device, const char *kind, int64_t since) {
        int64_t n;
        int r = sqlite_get_int(
                        db,
                        &n,
                        "SELECT count(*) FROM operations o JOIN devices d ON d.id = o.device"
                        " WHERE o.device = ? AND o.opseq > d.last_opseq AND o.kind = ? AND o.finished IS NULL"
                        " AND o.created >= ?",
                        "ssi",
                        device,
                        kind,
                        since);

        return r < 0 ? r : n > 0;
}

int store_prefetch_finish(sqlite3 *db, const char *device, uint32_t opseq, const char *state, int64_t now) {
        int r = sqlite_run(
                        db,
                        "UPDATE operations SET state = CASE opseq WHEN ? THEN ? ELSE 'superseded' END, finished = ?"
                        " WHERE device = ? AND opseq <= ? AND kind = 'prefetch' AND finished IS NULL",
                        "isisi",
                        (int64_t) opseq,
                        state,
                        now,
                        device,
                        (int64_t) opseq);

        return r < 0 ? r : 0;
}

int store_operation_finish(sqlite3 *db, const char *device, uint32_t opseq, const char *state, int64_t now) {
        int r =
                        sqlite_run(db,
                                   "UPDATE operations SET state = ?, finished = ? WHERE device = ? AND "
                                   "opseq <= ? AND finished IS NULL",
                                   "sisi",
                                   state,
                                   now,
                                   device,
                                   (int64_t) opseq);

        return r < 0 ? r : 0;
}

int store_command_insert(
                sqlite3 *db,
                const char *device,
                CommandPurpose purpose,
                const char *argument,
                const json_t *command,
                int64_t now,
                char **ret_id) {
        json_t *whole = json_copy((json_t *) command);
        _cleanup_free_ char *payload = NULL;
        char id[2 * ID_BYTES + 1];
        uint8_t random[ID_BYTES];
        int r = -ENOMEM;

        /* Random, not counted: a database from a backup must not give out ids that the ACS has seen. */
        if (getrandom(random, sizeof(random), 0) == (ssize_t) sizeof(random) && whole &&
            json_object_set_new(whole, "id", json_string(format_hex(random, sizeof(random), id))) >= 0)
                payload = json_dumps(whole, JSON_COMPACT);
        json_decref(whole);
        if (payload)
                r = sqlite_run(db,
                               "INSERT INTO commands (id, device, purpose, argument, payload, created)"
                               " VALUES (?, ?, ?, ?, ?, ?)",
                               "ssissi",
                               id,
                               device,
                               (int64_t) purpose,
                               argument,
                               payload,
                               now);
        if (r < 0)
                return r;
        if (ret_id) {
                *ret_id = strdup(id);
                if (!*ret_id)
                        return -ENOMEM;
        }
        return 0;
}

#define COMMAND_COLUMNS "id, device, argument, payload, result, purpose, finished IS NOT NULL"

static int read_command(sqlite3_stmt *q, Command **ret) {
        _cleanup_(command_freep) Command *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        char **texts[] = { &c->id, &c->device, &c->argument, &c->payload, &c->result };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                r = sqlite_column_dup(q, (int) i, texts[i]);
                if (r < 0)
                        return r;
        }
        c->purpose = (CommandPurpose) sqlite3_column_int(q, 5);
        c->finished = sqlite3_column_int(q, 6) != 0;
        *ret = TAKE_PTR(c);
        return 0;
}

int store_command_load(sqlite3 *db, const char *id, Command **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(db, &q, "SELECT " COMMAND_COLUMNS " FROM commands WHERE id = ?", "s", id);
        if (r < 0)
                return r;
        r = sqlite_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return read_command(q, ret);
}

int store_command_next(sqlite3 *db, Command **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        int r;

        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT " COMMAND_COLUMNS " FROM commands WHERE finished IS NULL AND published = 0"
                        " ORDER BY row LIMIT 1",
                        "");
        if (r < 0)
                return r;
        r = sqlite_step(q);
        if (r <= 0)
                return r;
        r = read_command(q, ret);
        return r < 0 ? r : 1;
}

int store_command_republish(sqlite3 *db, int64_t before) {
        int r =
                        sqlite_run(db,
                                   "UPDATE commands SET published = 0 WHERE finished IS NULL AND published "
                                   "> 0 AND published < ?",
                                   "i",
                                   before);

        return r < 0 ? r : 0;
}

int store_command_published(sqlite3 *db, const char *id, int64_t now) {
        int r = sqlite_run(db, "UPDATE commands SET published = ? WHERE id = ?", "is", now, id);

        return r < 0 ? r : 0;
}

int store_command_finish(sqlite3 *db, const Command *c, const char *result, int64_t now) {
        int r;

        if (c->purpose == COMMAND_ADMIN)
                r = sqlite_run(db,
                               "UPDATE commands SET result = ?, finished = ?, payload = '' WHERE id = ?",
                               "sis",
                               result,
                               now,
                               c->id);
        else
                r = sqlite_run(db, "DELETE FROM commands WHERE id = ?", "s", c->id);
        return r < 0 ? r : 0;
}

int store_command_cancel(sqlite3 *db, const char *device, bool all) {
        int64_t kept = all ? COMMAND_CANCEL : COMMAND_ADMIN;
        int r;

        r = sqlite_run(db,
                       "DELETE FROM commands WHERE device = ? AND (published = 0 OR finished IS NOT NULL)"
                       " AND purpose < ?",
                       "si",
                       device,
                       kept);
        if (r >= 0)
                r = sqlite_run(db,
                               "UPDATE commands SET payload = '{\"id\":\"' || id || '\",\"cancel\":true}',"
                               " argument = '', purpose = ?, published = 0 WHERE device = ? AND purpose < ?",
                               "isi",
                               (int64_t) COMMAND_CANCEL,
                               device,
                               kept);
        return r < 0 ? r : 0;
}

int store_inbox_insert(sqlite3 *db, const char *id, int64_t now) {
        return sqlite_run(db, "INSERT OR IGNORE INTO inbox (id, received) VALUES (?, ?)", "si", id, now);
}

int store_expire(sqlite3 *db, int64_t now) {
        int r;

        r = sqlite_run(db, "DELETE FROM inbox WHERE received < ?", "i", now - INBOX_KEEP_SEC);
        if (r >= 0)
                r = sqlite_run(db, "DELETE FROM commands WHERE finished < ?", "i", now - RESULT_KEEP_SEC);
        if (r >= 0)
                r = sqlite_run(db,
                               "DELETE FROM operations WHERE finished < ?",
                               "i",
                               now - OPERATION_KEEP_SEC);
        return r < 0 ? r : 0;
}
