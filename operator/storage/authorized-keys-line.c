/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "operator/storage/authorized-keys-line.h"
#include "operator/storage/staging.h"

/* Blanks, quotes and backslashes have a meaning in the line. */
static bool path_is_plain(const char *path) {
        return path[0] == '/' &&
               strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-") ==
                               strlen(path);
}

int authorized_keys_line(
                sqlite3 *db,
                const char *shell,
                const char *repositories,
                const char *type,
                const char *key,
                uint32_t sessions,
                char **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        char name_space[STAGING_NAMESPACE_SIZE], *line;
        int r;

        if (!path_is_plain(shell) || !path_is_plain(repositories))
                return -EINVAL;
        r = sqlite_prepare(
                        db,
                        &q,
                        "SELECT s.name, k.id, k.type, k.key FROM keys k JOIN devices d ON d.id = k.device"
                        " JOIN subscriptions s ON s.name = d.subscription"
                        " WHERE k.key = ? AND k.type = ? AND NOT s.suspended AND NOT s.removing",
                        "ss",
                        key,
                        type);
        if (r < 0)
                return r;
        r = sqlite_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        r = staging_namespace(strempty(sqlite_column_str(q, 3)), name_space);
        if (r < 0)
                return r;
        line = strfmt("restrict,command=\"%s %s %s %lld %s %u\" %s %s",
                      shell,
                      repositories,
                      sqlite_column_str(q, 0),
                      (long long) sqlite3_column_int64(q, 1),
                      name_space,
                      sessions,
                      sqlite_column_str(q, 2),
                      sqlite_column_str(q, 3));
        if (!line)
                return -ENOMEM;
        *ret = line;
        return 0;
}
