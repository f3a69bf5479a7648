/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer to sshd's AuthorizedKeysCommand (sshd_config(5)). */
#pragma once

#include "operator/common/sqlite.h"

/* Looks the key up in the frontend's database and makes its line for sshd:
 * restrict,command="<shell> <repositories> <subscription> <key id> <staging namespace> <sessions>" <type> <key>, where
 * sessions is how many of them the key may have at a time.
 * Nothing of it is taken from the question. *ret is the caller's. 0, -ENOENT if the key is not authorized now,
 * -EINVAL if a path could be misread in the line or the key is not base64, or an error of SQLite. */
int authorized_keys_line(
                sqlite3 *db,
                const char *shell,
                const char *repositories,
                const char *type,
                const char *key,
                uint32_t sessions,
                char **ret);
