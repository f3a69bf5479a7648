/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"

/* testparm and lighttpd -tt need milliseconds; a slow flash chip seconds. */
#define CHECK_TIMEOUT_USEC (30U * 1000000U)

/* A configuration is at most about 200 bytes for each of 10000 folders and 256 users. */
#define CONFIGURATION_MAX (8U * 1024U * 1024U)

#define VSFTPD_MOUNTS "/run/systemd/system/ispstorage-vsftpd.service.d/50-folders.conf"

typedef struct ServerType {
        const char *unit;
        const char *path;
        const char *candidate;
        const char *check[5]; /* command line, an exit status of 0 is good; NULL if there is no check */
        const char *method;   /* how a running unit takes a new configuration */
} ServerType;

static const ServerType types[_SERVER_MAX] = {
        [SERVER_SMB] = {
                .unit = "ispstorage-smbd.service",
                .path = SMB_CONF,
                .candidate = SMB_CONF ".candidate",
                /* Naming a parameter keeps it from printing all. */
                .check = { "/usr/bin/testparm", "-s", "--parameter-name=server role", SMB_CONF ".candidate" },
                .method = "ReloadOrRestartUnit",
        },
        [SERVER_FTP] = {
                .unit = "ispstorage-vsftpd.service",
                .path = VSFTPD_CONF,
                .method = "RestartUnit",
        },
        [SERVER_HTTP] = {
                .unit = "ispstorage-httpd.service",
                .path = LIGHTTPD_CONF,
                .candidate = LIGHTTPD_CONF ".candidate",
                .check = { "/usr/sbin/lighttpd", "-tt", "-f", LIGHTTPD_CONF ".candidate" },
                .method = "ReloadOrRestartUnit",
        },
};

ServerStatus server_status(const Server *server) {
        if (!server->wanted)
                return server->active ? SERVER_ENABLED : SERVER_DISABLED;
        if (server->failed)
                return SERVER_ERROR;
        if (server->active)
                return SERVER_ENABLED;
        /* It was started and is not there; or it is on its way. */
        return server->applied && !server->busy ? SERVER_ERROR : SERVER_DISABLED;
}

const char *server_status_to_string(ServerStatus status) {
        switch (status) {
        case SERVER_DISABLED:
                return "Disabled";
        case SERVER_ENABLED:
                return "Enabled";
        case SERVER_ERROR:
                return "Error";
        }
        return NULL;
}

bool servers_are_busy(Manager *m) {
        for (size_t i = 0; i < _SERVER_MAX; i++)
                if (m->servers[i].busy)
                        return true;
        return false;
}

/* The step has ended; another may be due. */
static void server_settle(Server *server, bool failed) {
        server->busy = false;
        server->failed = failed;
        if (failed) {
                free(server->refused);
                server->refused = TAKE_PTR(server->candidate);
        }
        manager_schedule(server->manager);
}

static void on_started(const char *unit, const char *result, void *userdata) {
        Server *server = userdata;

        if (!streq(result, "done"))
                log_error("Job for %s ended with result '%s'.", unit, result);
        else {
                free(server->applied);
                server->applied = TAKE_PTR(server->candidate);
                server->refused = mfree(server->refused);
                server->active = true;
                server->restart = false;
        }
        server_settle(server, !streq(result, "done"));
}

static void on_stopped(const char *unit, const char *result, void *userdata) {
        Server *server = userdata;

        if (!streq(result, "done"))
                log_error("Stopping %s ended with result '%s'.", unit, result);
        server->applied = mfree(server->applied);
        server->busy = false;
        manager_schedule(server->manager);
}

/* The candidate is good: puts it in place and has the unit take it. */
static void server_activate(Server *server) {
        const ServerType *type = types + server->kind;
        const char *method = server->restart ? "RestartUnit" : type->method;
        Manager *m = server->manager;
        int r;

        r = type->candidate ? (rename(type->candidate, type->path) < 0 ? -errno : 0)
                            : write_file_atomic(
                                              AT_FDCWD,
                                              type->path,
                                              server->candidate,
                                              strlen(server->candidate),
                                              0644);
        if (r >= 0 && server->kind == SERVER_FTP)
                r = unit_jobs_reload_and_queue(m->jobs, method, type->unit, on_started, server);
        else if (r >= 0)
                r = unit_jobs_queue(m->jobs, method, type->unit, on_started, server);
        if (r < 0) {
                log_error_errno(r, "Failed to bring a new configuration to %s: %m", type->unit);
                server_settle(server, true);
        }
}

static void on_checked(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Server *server = userdata;

        server->checker = worker_free(server->checker);
        if (worker_succeeded(si)) {
                server_activate(server);
                return;
        }
        log_error("The new configuration of %s is not accepted, the old one stays: %s",
                  types[server->kind].unit,
                  types[server->kind].candidate);
        server_settle(server, true);
}

/* Begins to bring the configuration, which is stolen, to the server. */
static int server_configure(Server *server, char **text) {
        const ServerType *type = types + server->kind;
        int r;

        free(server->candidate);
        server->candidate = TAKE_PTR(*text);
        server->busy = true;
        if (!type->candidate) {
                server_activate(server);
                return 0;
        }
        r = write_file_atomic(AT_FDCWD, type->candidate, server->candidate, strlen(server->candidate), 0644);
        if (r >= 0)
                r =
                                worker_spawn(&server->checker,
                                             NULL,
                                             server->manager->event,
                                             (char *const *) type->check,
                                             CHECK_TIMEOUT_USEC,
                                             on_checked,
                                             server);
        if (r < 0)
                server->busy = false;
        return r;
}

static int server_stop(Server *server) {
        const char *unit = types[server->kind].unit;
        int r;

        server->failed = false;
        server->restart = false;
        server->refused = mfree(server->refused);
        r = unit_jobs_queue(server->manager->jobs, "StopUnit", unit, on_stopped, server);
        server->busy = r >= 0;
        return r;
}

/* vsftpd's other files: the lists of users and roots, and the mounts of its unit. All of them go into *text,
 * whose change restarts the server; the session that logs in reads the rest anew. */
static int write_ftp_files(const ShareSet *s, char **text) {
        _cleanup_free_ char *mounts = NULL, *old = NULL;
        _cleanup_strv_free_ char **directories = NULL;
        char *joined;
        int r;

        if ((r = render_vsftpd_mounts(s, &mounts)) < 0 || (r = list_vsftpd_directories(s, &directories)) < 0)
                return r;
        STRV_FOREACH (d, directories) {
                r = mkdir_parents(*d, 0755);
                if (r < 0)
                        return r;
        }
        /* A file that is newer than what the service manager has read needs a reload, also if it is the same. */
        if (read_file(AT_FDCWD, VSFTPD_MOUNTS, CONFIGURATION_MAX, &old, NULL) < 0 || !streq(old, mounts)) {
                r = write_file_atomic(AT_FDCWD, VSFTPD_MOUNTS, mounts, strlen(mounts), 0644);
                if (r < 0)
                        return r;
        }
        /* As a comment, so that vsftpd.conf differs when the mounts do. */
        for (char *p = mounts; *p; p++)
                if (*p == '\n' && p[1])
                        *p = ' ';
        joined = strfmt("%s# %s", *text, mounts);
        if (!joined)
                return -ENOMEM;
        free(*text);
        *text = joined;
        return 0;
}

static int render(const Manager *m, const ShareSet *s, ServerKind kind, char **ret) {
        int r;

        switch (kind) {
        case SERVER_SMB:
                return render_smb_conf(s, &m->network, ret);
        case SERVER_FTP:
                r = render_vsftpd_conf(s, &m->network, ret);
                return r < 0 ? r : write_ftp_files(s, ret);
        case SERVER_HTTP:
                return render_lighttpd_conf(s, &m->network, m->config->http_writing, ret);
        case _SERVER_MAX:
                break;
        }
        return -EINVAL;
}

static bool is_wanted(const Manager *m, const ShareSet *s, ServerKind kind) {
        const bool enabled[_SERVER_MAX] = {
                [SERVER_SMB] = s->smb_enabled,
                [SERVER_FTP] = s->ftp.enabled,
                [SERVER_HTTP] = s->http.enabled,
        };

        return s->enabled && enabled[kind] && strv_length(m->network.addresses) > 0;
}

/* A server that runs since before this process began need not be touched if its file is as it should be. */
static void recognize_applied(Server *server) {
        if (server->active && !server->applied)
                (void) read_file(
                                AT_FDCWD,
                                types[server->kind].path,
                                CONFIGURATION_MAX,
                                &server->applied,
                                NULL);
}

static int server_apply(Server *server, const ShareSet *s) {
        _cleanup_free_ char *text = NULL;
        int r;

        server->wanted = is_wanted(server->manager, s, server->kind);
        if (server->busy || !server->known)
                return 0; /* the end of the step, or the first news of the unit, schedules a pass */
        if (!server->wanted)
                return server->active || server->failed ? server_stop(server) : 0;
        r = render(server->manager, s, server->kind, &text);
        if (r < 0)
                return r;
        recognize_applied(server);
        /* What was refused is not tried again until it changes; a unit that died is systemd's to restart. */
        if (streq_ptr(text, server->refused) ||
            (streq_ptr(text, server->applied) && (server->active || server->failed)))
                return 0;
        return server_configure(server, &text);
}

/* HTTP shows the folders as directories of an empty root. */
static int make_http_root(const ShareSet *s) {
        int r;

        SHARE_SET_FOREACH_ONLINE(f, s) {
                _cleanup_free_ char *path = strfmt(LIGHTTPD_ROOT_DIRECTORY "/%s", f->share);

                r = path ? mkdir_parents(path, 0755) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

int servers_apply(Manager *m, const ShareSet *s, bool restart) {
        int r;

        r = make_http_root(s);
        if (restart)
                for (size_t i = 0; i < _SERVER_MAX; i++)
                        m->servers[i].restart = true;
        for (size_t i = 0; i < _SERVER_MAX && r >= 0; i++)
                r = server_apply(m->servers + i, s);
        return r;
}

static void on_state(const char *unit, const char *active_state, void *userdata) {
        Server *server = userdata;
        bool active = streq(active_state, "active") || streq(active_state, "reloading");

        if (active == server->active && server->known)
                return;
        server->known = true;
        server->active = active;
        if (!active && !server->busy && streq(active_state, "failed") && server->wanted) {
                log_error("%s has failed.", unit);
                server->failed = true;
        } else if (active && !server->busy)
                server->failed = false;
        manager_schedule(server->manager);
}

int servers_start(Manager *m) {
        int r;

        for (ServerKind kind = 0; kind < _SERVER_MAX; kind++) {
                Server *server = m->servers + kind;

                *server = (Server){ .manager = m, .kind = kind };
                r = unit_jobs_watch(m->jobs, types[kind].unit, on_state, server);
                if (r < 0)
                        return r;
        }
        return 0;
}

void servers_done(Manager *m) {
        for (size_t i = 0; i < _SERVER_MAX; i++) {
                worker_free(m->servers[i].checker);
                free(m->servers[i].applied);
                free(m->servers[i].candidate);
                free(m->servers[i].refused);
        }
}
