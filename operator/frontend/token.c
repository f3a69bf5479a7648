/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gcrypt.h>
#include <sys/random.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/token.h"

#define TOKEN_BYTES 32U
#define HASH_BYTES 32U

static void hash_token(const char *token, char ret[static 2 * HASH_BYTES + 1]) {
        uint8_t hash[HASH_BYTES];

        (void) gcry_check_version(NULL);
        gcry_md_hash_buffer(GCRY_MD_SHA256, hash, token, strlen(token));
        (void) format_hex(hash, sizeof(hash), ret);
}

int token_create(sqlite3 *db, const char *name, bool read_only, int64_t now, char ret[static TOKEN_SIZE]) {
        char hash[2 * HASH_BYTES + 1], token[TOKEN_SIZE];
        uint8_t random[TOKEN_BYTES];
        int r;

        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -EIO;
        (void) format_hex(random, sizeof(random), token);
        hash_token(token, hash);
        r = sqlite_run(db,
                       "INSERT INTO tokens (name, hash, read_only, created) VALUES (?, ?, ?, ?)",
                       "ssii",
                       name,
                       hash,
                       (int64_t) read_only,
                       now);
        if (r >= 0)
                memcpy(ret, token, sizeof(token));
        return r < 0 ? r : 0;
}

int token_remove(sqlite3 *db, const char *name) {
        int r = sqlite_run(db, "DELETE FROM tokens WHERE name = ?", "s", name);

        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int token_describe(sqlite3 *db, json_t **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        _cleanup_json_ json_t *all = json_array();
        char created[DATETIME_SIZE];
        int r;

        r = sqlite_prepare(db, &q, "SELECT name, read_only, created FROM tokens ORDER BY name", "");
        if (r < 0)
                return r;
        while ((r = sqlite_step(q)) > 0) {
                json_t *j =
                                json_pack("{s:s, s:b, s:s}",
                                          "name",
                                          sqlite_column_str(q, 0),
                                          "read_only",
                                          sqlite3_column_int(q, 1),
                                          "created",
                                          format_datetime(sqlite3_column_int64(q, 2), created));

                if (!j || json_array_append_new(all, j) < 0)
                        return -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(all);
        return 0;
}

int token_check(sqlite3 *db, const char *token, char **ret_name, bool *ret_read_only) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        char hash[2 * HASH_BYTES + 1];
        int r;

        /* The hash is looked up, so the time tells nothing about the token. */
        hash_token(token, hash);
        r = sqlite_prepare(db, &q, "SELECT name, read_only FROM tokens WHERE hash = ?", "s", hash);
        if (r >= 0)
                r = sqlite_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        *ret_read_only = sqlite3_column_int(q, 1) != 0;
        return sqlite_column_dup(q, 0, ret_name);
}
