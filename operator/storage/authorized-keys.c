/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-authorized-keys USER TYPE KEY: sshd's AuthorizedKeysCommand, run as the frontend's user. */
#include <stdio.h>

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/storage/authorized-keys-line.h"
#include "operator/storage/session-limit.h"

#define CONFIG_FILE "/etc/ispstorage-operator/frontend.conf"

static const char *arg_config = CONFIG_FILE;

static int open_database(const char *path, sqlite3 **ret) {
        _cleanup_sqlite_close_ sqlite3 *db = NULL;

        /* Readers of a write-ahead log write its index; the rows they must not. */
        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
                return -EIO;
        (void) sqlite3_busy_timeout(db, SQLITE_BUSY_TIMEOUT_MSEC);
        if (sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL) != SQLITE_OK)
                return -EIO;
        *ret = TAKE_PTR(db);
        return 0;
}

static int run(const char *user, const char *type, const char *key) {
        _cleanup_free_ char *database = strdup("/var/lib/ispstorage-operator/frontend/frontend.sqlite");
        _cleanup_free_ char *repositories = strdup("/srv/ispstorage-repositories");
        _cleanup_free_ char *ssh_user = strdup("ispstorage-git"),
                            *shell = strdup(LIBEXECDIR "/ispstorage-git-shell");
        _cleanup_free_ char *line = NULL;
        uint32_t sessions = SESSIONS_PER_KEY_DEFAULT;
        _cleanup_sqlite_close_ sqlite3 *db = NULL;
        const ConfigItem items[] = {
                { "Database", "Path", config_parse_string, &database },
                { "Storage", "Repositories", config_parse_string, &repositories },
                { "Storage", "SSHUser", config_parse_string, &ssh_user },
                { "Storage", "GitShell", config_parse_string, &shell },
                { "Storage", "SessionsPerKey", config_parse_uint32, &sessions },
                {},
        };
        int level = log_get_max_level(), r;

        /* The frontend's other settings are not unknown, only not ours. */
        log_set_max_level(LOG_ERR);
        r = config_read(arg_config, items);
        log_set_max_level(level);
        if (r < 0)
                return r;
        if (!database || !repositories || !ssh_user || !shell)
                return log_oom();
        if (!streq(user, ssh_user))
                return 0;
        r = open_database(database, &db);
        if (r >= 0)
                r = authorized_keys_line(db, shell, repositories, type, key, sessions, &line);
        if (r == -ENOENT)
                return 0; /* no line: sshd refuses */
        if (r < 0)
                return log_error_errno(r, "Failed to look up a key: %m");
        puts(line);
        return 0;
}

int main(int argc, char *argv[]) {
        log_open();
        if (argc == 6 && streq(argv[1], "-c")) {
                arg_config = argv[2];
                argv += 2;
        } else if (argc != 4) {
                (void) fprintf(stderr,
                               "Usage: %s [-c CONFIG] USER TYPE KEY\n",
                               program_invocation_short_name);
                return EXIT_FAILURE;
        }
        return run(argv[1], argv[2], argv[3]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
