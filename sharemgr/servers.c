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

/* A unit that has lived with a configuration for so long can live with it. */
#define CONFIRM_USEC (3U * 1000000U)

typedef struct ServerType {
        const char *unit;
        const char *path;
        const char *candidate;
        const char *check[5]; /* command line, an exit status of 0 is good; NULL if there is no check */
        const char *method;   /* how a running unit takes a new configuration */
        bool drop_in;         /* path is read by the service manager itself */
        bool tells;           /* the end of the job says whether the unit works with it */
} ServerType;

static const ServerType types[_SERVER_MAX] = {
        [SERVER_SMB] = {
                .unit = "ispstorage-smbd.service",
                .path = SMB_CONF,
                .candidate = SMB_CONF ".candidate",
                /* Naming a parameter keeps it from printing all. */
                .check = { "/usr/bin/testparm", "-s", "--parameter-name=server role", SMB_CONF ".candidate" },
                .method = "ReloadOrRestartUnit",
                .tells = true,
        },
        [SERVER_FTP] = {
                .unit = "ispstorage-vsftpd.socket",
                .path = "/run/systemd/system/ispstorage-vsftpd.socket.d/50-listen.conf",
                /* Sessions are units of their own and go on. */
                .method = "RestartUnit",
                .drop_in = true,
                .tells = true,
        },
        [SERVER_HTTP] = {
                .unit = "ispstorage-httpd.service",
                .path = LIGHTTPD_CONF,
                .candidate = LIGHTTPD_CONF ".candidate",
                .check = { "/usr/sbin/lighttpd", "-tt", "-f", LIGHTTPD_CONF ".candidate" },
                .method = "ReloadOrRestartUnit",
        },
        [SERVER_HTTPS] = {
                .unit = "ispstorage-httpsd.service",
                .path = LIGHTTPD_TLS_CONF,
                .candidate = LIGHTTPD_TLS_CONF ".candidate",
                .check = { "/usr/sbin/lighttpd", "-tt", "-f", LIGHTTPD_TLS_CONF ".candidate" },
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

/* Exists from before a configuration is put in place until the unit has taken it: where this process was killed in
 * between, the file that is there says nothing about the unit. */
static char *pending_mark(const Server *server) {
        return strfmt(RUNTIME_DIRECTORY "/pending-%s", types[server->kind].unit);
}

static int set_pending(const Server *server) {
        _cleanup_free_ char *path = pending_mark(server);

        return path ? write_file_atomic(AT_FDCWD, path, "", 0, 0600) : -ENOMEM;
}

static void clear_pending(const Server *server) {
        _cleanup_free_ char *path = pending_mark(server);

        if (path && unlink(path) < 0 && errno != ENOENT)
                log_warning_errno(errno, "Failed to remove %s: %m", path);
}

static uint64_t now_usec(const Manager *m) {
        uint64_t now = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        return now;
}

static void server_roll_back(Server *server);

/* The step has ended; another may be due. */
static void server_settle(Server *server, bool failed) {
        server->busy = false;
        if (failed && !server->rolling_back) {
                server->failed = true;
                free(server->refused);
                server->refused = TAKE_PTR(server->candidate);
        } else {
                server->failed = failed || server->rolling_back;
                server->rolling_back = false;
        }
        manager_schedule(server->manager);
}

static void on_closed(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Server *server = userdata;

        server->closer = worker_free(server->closer);
        if (!worker_succeeded(si))
                log_error("SMB sessions that lost their rights may not have ended.");
        clear_pending(server);
        server_settle(server, false);
}

/* True if before has it and now has not. */
static bool is_gone(const char *section, size_t n, const char *now) {
        for (const char *s = now; (s = memmem(s, strlen(s), section, n)); s++)
                if (s[-1] == '\n')
                        return false;
        return true;
}

/* The names of the sections of smb.conf that went away. */
static int list_gone_shares(const char *before, const char *now, char ***ret) {
        for (const char *s = strempty(before); (s = strstr(s, "\n[")); s++) {
                size_t n = strcspn(s + 1, "]\n") + 1;

                if (is_gone(s + 1, n, now) && strv_consume(ret, strndup(s + 2, n - 2)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Samba has taken "candidate": what is connected without a right has to go. The step ends with that. */
static bool server_close_sessions(Server *server) {
        _cleanup_strv_free_ char **gone = NULL;
        int r;

        if (server->kind != SERVER_SMB || server->restart)
                return false;
        r = list_gone_shares(server->applied, server->candidate, &gone);
        if (r >= 0)
                r = manager_close_shares(
                                server->manager, &server->closer, gone, server->lowered, on_closed, server);
        server->lowered = strv_free(server->lowered);
        if (r < 0)
                log_error_errno(r, "Failed to end SMB sessions that lost their rights: %m");
        return r >= 0;
}

static void on_started(const char *unit, const char *result, void *userdata) {
        Server *server = userdata;
        bool closing = false;

        if (!streq(result, "done"))
                log_error("Job for %s ended with result '%s'.", unit, result);
        else {
                closing = server_close_sessions(server);
                free(server->applied);
                server->applied = TAKE_PTR(server->candidate);
                if (!server->rolling_back)
                        server->refused = mfree(server->refused);
                server->active = true;
                server->restart = false;
                server->since_usec = now_usec(server->manager);
                if (types[server->kind].tells)
                        (void) free_and_strdup(&server->good, server->applied);
        }
        if (closing)
                return;
        clear_pending(server);
        server_settle(server, !streq(result, "done"));
        if (!streq(result, "done"))
                server_roll_back(server);
}

static void on_stopped(const char *unit, const char *result, void *userdata) {
        Server *server = userdata;

        if (!streq(result, "done"))
                log_error("Stopping %s ended with result '%s'.", unit, result);
        server->applied = mfree(server->applied);
        server->good = mfree(server->good);
        server->busy = false;
        manager_schedule(server->manager);
}

static void on_sessions_ended(const char *unit, const char *result, void *userdata) {
        Server *server = userdata;

        /* A session that began meanwhile cancels the job, and sees the new folders only. */
        (void) unlink(VSFTPD_EVICTION_MARK);
        server->busy = false;
        manager_schedule(server->manager);
}

/* The candidate is good: puts it in place and has the unit take it. */
static void server_activate(Server *server) {
        const ServerType *type = types + server->kind;
        const char *method = server->restart ? "RestartUnit" : type->method;
        Manager *m = server->manager;
        int r;

        r = set_pending(server);
        if (r >= 0)
                r = type->candidate ? (rename(type->candidate, type->path) < 0 ? -errno : 0)
                                    : write_file_atomic(
                                                      AT_FDCWD,
                                                      type->path,
                                                      server->candidate,
                                                      strlen(server->candidate),
                                                      0644);
        if (r >= 0 && type->drop_in)
                r = unit_jobs_reload_and_queue(m->jobs, method, type->unit, on_started, server);
        else if (r >= 0)
                r = unit_jobs_queue(m->jobs, method, type->unit, on_started, server);
        if (r < 0) {
                log_error_errno(r, "Failed to bring a new configuration to %s: %m", type->unit);
                server_settle(server, true);
        }
}

/* "refused" is what is there: puts the last configuration back that the unit lived with, if it is another one. */
static void server_roll_back(Server *server) {
        const ServerType *type = types + server->kind;
        int r = 0;

        if (!server->good || streq_ptr(server->good, server->refused) || !server->wanted)
                return;
        log_notice("%s goes back to its last good configuration.", type->unit);
        r = free_and_strdup(&server->candidate, server->good);
        if (r >= 0 && type->candidate)
                r = write_file_atomic(
                                AT_FDCWD, type->candidate, server->candidate, strlen(server->candidate), 0644);
        if (r < 0) {
                log_error_errno(r, "Failed to bring the last good configuration back to %s: %m", type->unit);
                return;
        }
        server->busy = server->rolling_back = server->restart = true;
        server_activate(server);
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

/* The line that begins so, with what follows; "" if there is none. */
static const char *line_of(const char *text, const char *beginning, size_t *ret_length) {
        const char *line = strstr(strempty(text), beginning) ?: "";

        *ret_length = *line ? 1 + strcspn(line + 1, "\n") : 0;
        return line;
}

static bool has_other_lines(const char *before, const char *now, const char *beginning) {
        size_t n, m;

        do {
                before = line_of(before, beginning, &n);
                now = line_of(now, beginning, &m);
                if (n != m || memcmp(before, now, n) != 0)
                        return true;
                before += n;
                now += m;
        } while (n > 0);
        return false;
}

/* What needs a new process. smbd opens its sockets once, and takes a new name when it reloads the first time
 * only. lighttpd opens new sockets when it reloads, and keeps the old ones. */
static bool needs_restart(const Server *server) {
        static const char *const smb[] = { "\ninterfaces = ", "\nnetbios name = ", NULL };
        static const char *const http[] = { "\nserver.port = ", "\nserver.bind = ", "\n$SERVER[\"socket\"] ", NULL };
        const char *const *beginnings = server->kind == SERVER_SMB ? smb : http;

        if (!server->applied || server->kind == SERVER_FTP)
                return false;
        for (; *beginnings; beginnings++)
                if (has_other_lines(server->applied, server->candidate, *beginnings))
                        return true;
        return false;
}

/* Begins to bring the configuration, which is stolen, to the server. */
static int server_configure(Server *server, char **text) {
        const ServerType *type = types + server->kind;
        int r;

        free(server->candidate);
        server->candidate = TAKE_PTR(*text);
        if (server->kind == SERVER_SMB) {
                strv_free(server->lowered);
                server->lowered = TAKE_PTR(server->manager->lowered);
        }
        server->restart = server->restart || needs_restart(server);
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

/* A server that runs since before this process began need not be touched if its file is as it should be. */
static void recognize_applied(Server *server) {
        _cleanup_free_ char *mark = pending_mark(server);

        if (!server->active || server->applied || !mark)
                return;
        if (access(mark, F_OK) >= 0) {
                /* What it runs with, and what its sessions see, is not known. */
                server->restart = true;
                server->end_sessions = server->kind == SERVER_FTP;
                return;
        }
        (void) read_file(AT_FDCWD, types[server->kind].path, CONFIGURATION_MAX, &server->applied, NULL);
        (void) free_and_strdup(&server->good, server->applied);
}

/* Sessions that see what they must not see any more, after the files are in place that later ones read. */
static int end_ftp_sessions(Server *server) {
        int r;

        server->end_sessions = false;
        r = unit_jobs_queue(server->manager->jobs, "StopUnit", SERVER_FTP_SESSIONS, on_sessions_ended, server);
        server->busy = r >= 0;
        return r;
}

static int server_apply(Server *server, const ShareSet *s) {
        _cleanup_free_ char *text = NULL;
        int r;

        server->wanted = server_is_wanted(server->manager, s, server->kind);
        if (server->busy || !server->known)
                return 0; /* the end of the step, or the first news of the unit, schedules a pass */
        if (!server->wanted) {
                server->end_sessions = server->end_sessions || (server->kind == SERVER_FTP && server->active);
                if (server->active || server->failed)
                        return server_stop(server);
                return server->end_sessions ? end_ftp_sessions(server) : 0;
        }
        r = server_render(server->manager, s, server->kind, &text);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;
        if (server->end_sessions)
                return end_ftp_sessions(server);
        recognize_applied(server);
        /* What was refused is not tried again until it changes; a unit that died is systemd's to restart. */
        if (streq_ptr(text, server->refused))
                return 0;
        if (streq_ptr(text, server->applied) && !server->restart && (server->active || server->failed)) {
                server->refused = mfree(server->refused);
                server->failed = !server->active;
                return 0;
        }
        return server_configure(server, &text);
}

int servers_apply(Manager *m, const ShareSet *s, bool folder_left) {
        int r = 0;

        for (size_t i = 0; i < _SERVER_MAX && r >= 0; i++) {
                Server *server = m->servers + i;

                if (server->kind == SERVER_FTP)
                        /* Killed before it was done: who lost what is not known any more. */
                        server->end_sessions = server->end_sessions || folder_left ||
                                               (!m->set && access(VSFTPD_EVICTION_MARK, F_OK) >= 0);
                else if (server->kind != SERVER_SMB)
                        server->restart = server->restart || (folder_left && server->active);
                r = server_apply(server, s);
        }
        return r;
}

void servers_confirm(Manager *m) {
        for (Server *server = m->servers; server < m->servers + _SERVER_MAX; server++)
                if (server->active && !server->busy && server->applied &&
                    now_usec(m) >= server->since_usec + CONFIRM_USEC)
                        (void) free_and_strdup(&server->good, server->applied);
}

/* The unit is gone though nobody stopped it. */
static void server_died(Server *server) {
        log_error("%s has failed.", types[server->kind].unit);
        server->failed = true;
        if (free_and_strdup(&server->refused, server->applied) >= 0)
                server_roll_back(server);
}

static void on_state(const char *unit, const char *active_state, void *userdata) {
        Server *server = userdata;
        bool active = streq(active_state, "active") || streq(active_state, "reloading");

        if (active == server->active && server->known && !streq(active_state, "failed"))
                return;
        server->known = true;
        if (active && !server->active)
                server->since_usec = now_usec(server->manager);
        server->active = active;
        if (streq(active_state, "failed") && !server->busy && server->wanted && !server->failed)
                server_died(server);
        else if (active && !server->busy && !server->refused)
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
                worker_free(m->servers[i].closer);
                strv_free(m->servers[i].lowered);
                free(m->servers[i].applied);
                free(m->servers[i].candidate);
                free(m->servers[i].good);
                free(m->servers[i].refused);
        }
}
