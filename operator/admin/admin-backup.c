/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backup, restore: everything that makes an operator's host, into a directory and back. On the host itself,
 * by root. */
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/admin/admin-record.h"
#include "operator/admin/admin.h"

#define GIT "/usr/bin/git"
#define CP "/bin/cp"
#define CHOWN "/bin/chown"
#define ALTERNATES "objects/info/alternates"

/* Where the services keep what, below the state directory, and so in a backup. */
static const char *const databases[] = { "frontend/frontend.sqlite", "acs/acs.db", "genieacs/bridge.db" };

static bool exists(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0;
}

/* Runs a program without a shell. 0 or -EIO. */
static int run(const char *const argv[]) {
        int status = 0;
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
                (void) setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
                (void) execv(argv[0], (char *const *) argv);
                _exit(127);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* A consistent copy, while the service writes. It takes the place of an older one only when it is whole. */
static int copy_database(const char *from, const char *to) {
        _cleanup_free_ char *temporary = strfmt("%s.new", to);
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        int rc;

        if (!temporary)
                return -ENOMEM;
        if (unlink(temporary) < 0 && errno != ENOENT)
                return -errno;
        rc = sqlite3_open_v2(from, &db, SQLITE_OPEN_READWRITE, NULL);
        if (rc == SQLITE_OK)
                (void) sqlite3_busy_timeout(db, 10000);
        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &statement, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_bind_text(statement, 1, temporary, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
        (void) sqlite3_finalize(statement);
        (void) sqlite3_close(db);
        if (rc != SQLITE_OK)
                return -EIO;
        return rename(temporary, to) < 0 ? -errno : 0;
}

static int make_parent(const char *path) {
        _cleanup_free_ char *parent = strdup(path);
        char *slash = parent ? strrchr(parent, '/') : NULL;

        if (!slash)
                return -ENOMEM;
        *slash = 0;
        return mkdir_parents(parent, 0700);
}

static int backup_databases(const Options *o, const char *directory) {
        for (size_t i = 0; i < ELEMENTSOF(databases); i++) {
                _cleanup_free_ char *from = strfmt("%s/%s", o->state, databases[i]);
                _cleanup_free_ char *to = strfmt("%s/state/%s", directory, databases[i]);
                int r;

                if (!from || !to)
                        return log_oom();
                if (!exists(from))
                        continue;
                r = make_parent(to);
                if (r >= 0)
                        r = copy_database(from, to);
                if (r < 0)
                        return log_error_errno(r, "Failed to copy %s: %m", from);
        }
        return 0;
}

/* Brings the copy up to date: only what is new is copied. */
static int fetch_repository(const char *from, const char *to) {
        _cleanup_free_ char *borrowed = strfmt("%s/" ALTERNATES, from), *same = strfmt("%s/" ALTERNATES, to);
        const char *const init[] = { GIT, "init", "--quiet", "--bare", "--template=", to, NULL };
        const char *const fetch[] = {
                GIT,
                "-c",
                "safe.directory=*",
                "-c",
                "gc.auto=0",
                "-c",
                "maintenance.auto=false",
                "-c",
                "fetch.unpackLimit=1",
                "-c",
                "core.bigFileThreshold=64k",
                "--git-dir",
                to,
                "fetch",
                "--quiet",
                "--prune",
                "--no-write-fetch-head",
                from,
                "+refs/*:refs/*",
                NULL,
        };
        const char *const copy[] = { CP, "--", borrowed, same, NULL };
        int r = 0;

        if (!borrowed || !same)
                return -ENOMEM;
        if (!exists(to))
                r = run(init);
        /* The same path is right in the backup: what was published is beside it there, too. */
        if (r >= 0 && exists(borrowed))
                r = make_parent(same);
        if (r >= 0 && exists(borrowed))
                r = run(copy);
        return r < 0 ? r : run(fetch);
}

static int is_repository(const struct dirent *e) {
        return endswith(e->d_name, ".git") != NULL;
}

/* In the order of their names: what was published, from which the others borrow, comes first. */
static int backup_repositories(const Options *o, const char *directory) {
        struct dirent **entries;
        int n = scandir(o->repositories, &entries, is_repository, alphasort), r = 0;

        if (n < 0)
                return log_error_errno(-errno, "Failed to read %s: %m", o->repositories);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *from = strfmt("%s/%s", o->repositories, entries[i]->d_name);
                _cleanup_free_ char *to = strfmt("%s/repositories/%s", directory, entries[i]->d_name);

                free(entries[i]);
                if (r < 0)
                        continue;
                r = from && to ? make_parent(to) : -ENOMEM;
                if (r >= 0)
                        r = fetch_repository(from, to);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to copy %s: %m", from);
        }
        free(entries);
        return r;
}

static int copy_tree(const char *from, const char *to) {
        const char *const copy[] = { CP, "-a", "--reflink=auto", "-T", "--", from, to, NULL };
        int r = run(copy);

        return r < 0 ? log_error_errno(r, "Failed to copy %s to %s: %m", from, to) : 0;
}

/* Databases first: a repository that is newer than its database is what the frontend finds after any push.
 */
static int backup(const Options *o, const char *directory, const char *configuration) {
        int r = backup_databases(o, directory);

        if (r >= 0 && exists(o->configuration))
                r = copy_tree(o->configuration, configuration);
        return r < 0 ? r : backup_repositories(o, directory);
}

int verb_backup(int argc, char *argv[], const Options *o) {
        _cleanup_free_ char *configuration = NULL, *database = NULL;
        int64_t record = 0;
        int r;

        if (argc != 1)
                return usage("backup: a DIRECTORY is needed");
        configuration = strfmt("%s/configuration", argv[0]);
        database = strfmt("%s/%s", o->state, databases[0]);
        if (!configuration || !database || mkdir_parents(argv[0], 0700) < 0 || chmod(argv[0], 0700) < 0) {
                (void) log_error_errno(-errno, "%s: %m", argv[0]);
                return EXIT_REFUSED;
        }
        /* A disk that is too full for an entry in the log is a reason for a backup, not against it. */
        if (exists(database))
                record_begin(database, "backup", argv[0], &record);
        r = backup(o, argv[0], configuration);
        if (record > 0)
                record_end(database, record, r >= 0);
        return r < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}

/* Gives what was copied to whom the directory belongs. */
static int give_to_owner(const char *path, const char *directory) {
        _cleanup_free_ char *owner = NULL;
        struct stat st;

        if (stat(directory, &st) < 0)
                return -errno;
        owner = strfmt("%u:%u", (unsigned) st.st_uid, (unsigned) st.st_gid);
        const char *const chown[] = { CHOWN, "-R", "--", owner, path, NULL };

        return owner ? run(chown) : -ENOMEM;
}

static int restore_databases(const Options *o, const char *directory) {
        for (size_t i = 0; i < ELEMENTSOF(databases); i++) {
                _cleanup_free_ char *from = strfmt("%s/state/%s", directory, databases[i]);
                _cleanup_free_ char *to = strfmt("%s/%s", o->state, databases[i]);
                _cleanup_free_ char *parent = to ? strndup(to, (size_t) (strrchr(to, '/') - to)) : NULL;
                int r;

                if (!from || !to || !parent)
                        return log_oom();
                if (!exists(from))
                        continue;
                r = mkdir_parents(parent, 0700);
                if (r >= 0)
                        r = copy_database(from, to);
                if (r >= 0)
                        r = give_to_owner(to, parent);
                if (r < 0)
                        return log_error_errno(r, "Failed to restore %s: %m", to);
        }
        return 0;
}

static int restore_repositories(const Options *o, const char *directory) {
        _cleanup_free_ char *from = strfmt("%s/repositories", directory);
        struct dirent **entries;
        int n, r = 0;

        if (!from)
                return log_oom();
        n = scandir(from, &entries, is_repository, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0 : log_error_errno(-errno, "Failed to read %s: %m", from);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *source = strfmt("%s/%s", from, entries[i]->d_name);
                _cleanup_free_ char *target = strfmt("%s/%s", o->repositories, entries[i]->d_name);
                const char *const share[] = {
                        GIT,       "-c",     "safe.directory=*", "init",
                        "--quiet", "--bare", "--shared=group",   "--template=",
                        target,    NULL,
                };

                free(entries[i]);
                if (r >= 0)
                        r = source && target ? copy_tree(source, target) : log_oom();
                if (r >= 0)
                        r = run(share);
                if (r >= 0)
                        r = give_to_owner(target, o->repositories);
        }
        free(entries);
        return r;
}

/* What must not be there: the services run, or a state that would be lost. */
static int refuse_restore(const Options *o) {
        _cleanup_free_ char *database = strfmt("%s/%s", o->state, databases[0]);
        _cleanup_json_ json_t *answer = NULL;
        long status;

        if (client_request(o->socket, "GET", "/health", NULL, &status, &answer) >= 0) {
                log_error("The storage frontend runs; stop it, its sockets and the ACS first.");
                return -EBUSY;
        }
        if (database && exists(database)) {
                log_error("%s exists; move it away if it is not needed any more.", database);
                return -EEXIST;
        }
        return 0;
}

/* In the log that came back: there was none before. */
static void record_restore(const Options *o, const char *directory) {
        _cleanup_free_ char *database = strfmt("%s/%s", o->state, databases[0]);
        int64_t record = 0;

        if (database && exists(database))
                record_begin(database, "restore", directory, &record);
        if (record > 0)
                record_end(database, record, true);
}

int verb_restore(int argc, char *argv[], const Options *o) {
        _cleanup_free_ char *configuration = NULL;
        int r;

        if (argc != 1)
                return usage("restore: a DIRECTORY is needed");
        configuration = strfmt("%s/configuration", argv[0]);
        r = configuration ? refuse_restore(o) : -ENOMEM;
        if (r >= 0 && exists(configuration))
                r = copy_tree(configuration, o->configuration);
        if (r >= 0)
                r = restore_repositories(o, argv[0]);
        if (r >= 0)
                r = restore_databases(o, argv[0]);
        if (r >= 0)
                record_restore(o, argv[0]);
        return r < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
