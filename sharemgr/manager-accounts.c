/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/credentials.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set-load.h"

/* The names of the records that are ours; whoever else uses /run/userdb keeps his. */
#define ACCOUNT_LIST RUNTIME_DIRECTORY "/accounts"
#define ACCOUNT_LIST_MAX (64U * 1024U)

/* What glibc takes for a line of /etc/passwd that is not absurd. */
#define PASSWD_LINE_MAX 16384U

#define LOOKUP_TIMEOUT_USEC (UINT64_C(5) * 1000000)

/* In /etc/passwd. An error counts as taken: better a refused name than somebody else's account. */
static bool is_in_passwd(const char *name) {
        _cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
        struct passwd pwd, *found = NULL;
        char buf[PASSWD_LINE_MAX];
        int r;

        if (!f)
                return errno != ENOENT;
        while ((r = fgetpwent_r(f, &pwd, buf, sizeof(buf), &found)) == 0)
                if (streq(pwd.pw_name, name))
                        return true;
        return r != ENOENT;
}

/* Has a record that is not ours where nss-systemd(8) looks for them. */
static bool has_foreign_record(const char *name) {
        static const char *const directories[] = {
                "/etc/userdb", "/run/host/userdb", "/usr/local/lib/userdb", "/usr/lib/userdb", USERDB_DIRECTORY,
        };
        _cleanup_free_ char *list = NULL;
        _cleanup_strv_free_ char **ours = NULL;

        (void) read_file(AT_FDCWD, ACCOUNT_LIST, ACCOUNT_LIST_MAX, &list, NULL);
        if (strv_split(strempty(list), "\n", &ours) < 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = strfmt("%s/%s.user", directories[i], name);

                if (!path || (access(path, F_OK) >= 0 &&
                              !(streq(directories[i], USERDB_DIRECTORY) && strv_contains(ours, name))))
                        return true;
        }
        return false;
}

/* That of a unit with DynamicUser= which runs. The service manager answers at once. */
static bool is_dynamic_user(sd_bus *bus, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(
                        bus,
                        &call,
                        "org.freedesktop.systemd1",
                        "/org/freedesktop/systemd1",
                        "org.freedesktop.systemd1.Manager",
                        "LookupDynamicUserByName");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = sd_bus_call(bus, call, LOOKUP_TIMEOUT_USEC, &error, NULL);
        return r >= 0 || !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchDynamicUser");
}

bool manager_user_name_is_taken(const char *name, void *userdata) {
        Manager *m = userdata;

        return is_in_passwd(name) || has_foreign_record(name) || is_dynamic_user(m->bus, name);
}

static const char *credentials_of(Manager *m, const ShareUser *u) {
        _cleanup_free_ char *path = strfmt(STORAGE_SERVICE "UserAccount.%" PRIu32, u->instance);

        return path ? row_store_get(m->credentials, path) : NULL;
}

void manager_drop_users_without_password(Manager *m, ShareSet *s) {
        for (size_t i = s->n_users; i > 0; i--) {
                ShareUser *u = s->users + i - 1;

                if (credentials_of(m, u))
                        continue;
                free(u->name);
                memmove(u, u + 1, (s->n_users - i) * sizeof(ShareUser));
                s->n_users--;
        }
}

int manager_write_if_changed(const char *path, const char *text, mode_t mode) {
        _cleanup_free_ char *old = NULL;
        int r;

        if (read_file(AT_FDCWD, path, ROW_STORE_FILE_MAX, &old, NULL) >= 0 && streq(old, text))
                return 0;
        r = write_file_atomic(AT_FDCWD, path, text, strlen(text), mode);
        return r < 0 ? r : 1;
}

static int write_record(Manager *m, const Account *a) {
        _cleanup_free_ char *record = NULL, *privileged = NULL;
        _cleanup_free_ char *path = strfmt(USERDB_DIRECTORY "/%s.user", a->name);
        _cleanup_free_ char *privileged_path = strfmt(USERDB_DIRECTORY "/%s.user-privileged", a->name);
        int r;

        if (!path || !privileged_path)
                return -ENOMEM;
        if ((r = render_user_record(a, m->data_uid, m->data_gid, &record)) < 0 ||
            (r = render_user_record_privileged(a, &privileged)) < 0 ||
            (r = manager_write_if_changed(privileged_path, privileged, 0600)) < 0)
                return r;
        return manager_write_if_changed(path, record, 0644);
}

/* For Samba's import alone, another record of the same name, with a number of its own. */
static int write_samba_record(Manager *m, const Account *a) {
        _cleanup_free_ char *record = NULL;
        _cleanup_free_ char *path = strfmt(SAMBA_USERDB_DIRECTORY "/%s.user", a->name);
        int r;

        if (!path)
                return -ENOMEM;
        r = render_user_record(a, SAMBA_UID_BASE + a->instance, m->data_gid, &record);
        return r < 0 ? r : manager_write_if_changed(path, record, 0644);
}

static void remove_file(char *path) {
        if (path && unlink(path) < 0 && errno != ENOENT)
                log_warning_errno(errno, "Failed to remove %s: %m", path);
        free(path);
}

static void remove_files_of(const char *name) {
        remove_file(strfmt(USERDB_DIRECTORY "/%s.user", name));
        remove_file(strfmt(USERDB_DIRECTORY "/%s.user-privileged", name));
        remove_file(strfmt(SAMBA_USERDB_DIRECTORY "/%s.user", name));
        remove_file(strfmt(VSFTPD_USERS_DIRECTORY "/%s", name));
}

static bool has_account(const Account *accounts, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(accounts[i].name, name))
                        return true;
        return false;
}

/* Removes the records of accounts that are gone. The list is written before new records
 * are, so that none is forgotten. */
static int replace_account_list(const Account *accounts, size_t n) {
        _cleanup_free_ char *old = NULL, *text = NULL;
        _cleanup_strv_free_ char **names = NULL, **present = NULL;
        int r;

        r = read_file(AT_FDCWD, ACCOUNT_LIST, ACCOUNT_LIST_MAX, &old, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        r = strv_split(strempty(old), "\n", &names);
        if (r < 0)
                return r;
        STRV_FOREACH (name, names)
                if (!has_account(accounts, n, *name) && !strchr(*name, '/'))
                        remove_files_of(*name);
        for (size_t i = 0; i < n; i++) {
                r = strv_extend(&present, accounts[i].name);
                if (r < 0)
                        return r;
        }
        text = strv_join(present, "\n");
        return text ? manager_write_if_changed(ACCOUNT_LIST, text, 0600) : -ENOMEM;
}

static int write_vsftpd_files(const ShareSet *s) {
        _cleanup_free_ char *list = NULL;
        int r;

        for (const ShareUser *u = s->users; u && u < s->users + s->n_users; u++) {
                _cleanup_free_ char *path = strfmt(VSFTPD_USERS_DIRECTORY "/%s", u->name), *text = NULL;

                if (!path)
                        return -ENOMEM;
                if ((r = render_vsftpd_user(s, u, &text)) < 0 ||
                    (r = manager_write_if_changed(path, text, 0644)) < 0)
                        return r;
        }
        r = render_vsftpd_user_list(s, &list);
        return r < 0 ? r : manager_write_if_changed(VSFTPD_DIRECTORY "/userlist", list, 0644);
}

static int import_smbpasswd(Manager *m);

static int on_import_again(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r = import_smbpasswd(m);

        if (r < 0)
                (void) log_error_errno(r, "Failed to give Samba the accounts once more: %m");
        return 0;
}

/* smbd counts a failed login in the account's record, which it reads, changes and writes back whole: one that was
 * under way during the import brings the old password back. So it is imported again, when such logins are over. */
static void on_imported(const char *unit, const char *result, void *userdata) {
        static const uint64_t pauses_usec[] = { 1000000, 5000000 };
        Manager *m = userdata;
        int r;

        if (!streq(result, "done")) {
                log_error("Samba does not know the accounts: job for %s ended with result '%s'.", unit, result);
                return;
        }
        m->import_again = sd_event_source_disable_unref(m->import_again);
        if (m->n_imports >= ELEMENTSOF(pauses_usec))
                return;
        r = sd_event_add_time_relative(
                        m->event,
                        &m->import_again,
                        CLOCK_MONOTONIC,
                        pauses_usec[m->n_imports++],
                        0,
                        on_import_again,
                        m);
        if (r < 0)
                (void) log_error_errno(r, "Failed to plan another import of the accounts: %m");
}

/* Has Samba read its table. Before there is a configuration that is not possible, and smbd's unit does it then. */
static int import_smbpasswd(Manager *m) {
        if (access(SMB_CONF, F_OK) < 0)
                return 0;
        return unit_jobs_queue(m->jobs, "RestartUnit", "ispstorage-passdb.service", on_imported, m);
}

static int write_tables(Manager *m, const Account *accounts, size_t n) {
        _cleanup_free_ char *smbpasswd = NULL, *htpasswd = NULL;
        int r;

        if ((r = render_smbpasswd(accounts, n, &smbpasswd)) < 0 ||
            (r = manager_write_if_changed(SMBPASSWD, smbpasswd, 0600)) < 0)
                return r;
        /* The first time in any case: a predecessor may have been killed after the file was written. */
        if (r > 0 || !m->set) {
                m->n_imports = 0;
                r = import_smbpasswd(m);
                if (r < 0)
                        return r;
        }
        if ((r = render_htpasswd(accounts, n, &htpasswd)) < 0 ||
            (r = manager_write_if_changed(HTPASSWD, htpasswd, 0640)) < 0)
                return r;
        /* lighttpd reads it as the data user. */
        return chown(HTPASSWD, 0, m->data_gid) < 0 ? -errno : 0;
}

static int apply_accounts(Manager *m, const ShareSet *s, Account *accounts, char **credentials) {
        size_t n = 0;
        int r;

        for (size_t i = 0; i < s->n_users; i++) {
                const char *stored = credentials_of(m, s->users + i);
                Account *a = accounts + n;

                credentials[n] = strdup(strempty(stored));
                if (!credentials[n])
                        return -ENOMEM;
                a->name = s->users[i].name;
                a->instance = s->users[i].instance;
                r = credentials_split(credentials[n], &a->crypt_hash, &a->nt_hash);
                n++;
                if (r < 0) {
                        log_warning("Account %s has damaged credentials and cannot log in.", a->name);
                        a->crypt_hash = "*";
                        a->nt_hash = "NO PASSWORDXXXXXXXXXXXXXXXXXXXXX";
                }
        }
        r = replace_account_list(accounts, n);
        for (size_t i = 0; i < n && r >= 0; i++)
                if ((r = write_record(m, accounts + i)) >= 0)
                        r = write_samba_record(m, accounts + i);
        if (r >= 0)
                r = write_tables(m, accounts, n);
        return r < 0 ? r : write_vsftpd_files(s);
}

int manager_apply_accounts(Manager *m, const ShareSet *s) {
        Account *accounts = calloc(s->n_users + 1, sizeof(Account));
        char **credentials = calloc(s->n_users + 1, sizeof(char *));
        int r = accounts && credentials ? apply_accounts(m, s, accounts, credentials) : -ENOMEM;

        STRV_FOREACH (c, credentials)
                explicit_bzero(*c, strlen(*c));
        strv_free(credentials);
        free(accounts);
        return r;
}
