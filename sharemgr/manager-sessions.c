/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions on the bus, and the end of those that have lost their rights. */
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/session.h"
#include "sharemgr/share-paths.h"

#define SAMBA_WORKER LIBEXECDIR "/sharemgr-samba-worker"
#define SAMBA_TIMEOUT_USEC (20U * 1000000U)
#define FTP_UNIT_PREFIX "ispstorage-vsftpd@"

/* One question of a caller on the bus. */
struct SessionQuery {
        Manager *manager;
        sd_bus_message *call;
        sd_bus_slot *processes;
        Worker *worker;
        int fd;
        Sessions sessions;
};

SessionQuery *session_query_free(SessionQuery *q) {
        if (!q)
                return NULL;
        sd_bus_message_unref(q->call);
        sd_bus_slot_unref(q->processes);
        worker_free(q->worker);
        safe_close(q->fd);
        sessions_done(&q->sessions);
        return mfree(q);
}

static int append_session(sd_bus_message *reply, const Session *s) {
        int r;

        if ((r = sd_bus_message_open_container(reply, 'r', "ssssasas")) < 0 ||
            (r = sd_bus_message_append(reply, "ssss", s->id, s->protocol, s->user, s->address)) < 0 ||
            (r = sd_bus_message_append_strv(reply, s->shares)) < 0 ||
            (r = sd_bus_message_append_strv(reply, s->files)) < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int reply_sessions(const SessionQuery *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if ((r = sd_bus_message_new_method_return(q->call, &reply)) < 0 ||
            (r = sd_bus_message_open_container(reply, 'a', "(ssssasas)")) < 0)
                return r;
        for (size_t i = 0; i < q->sessions.n; i++) {
                r = append_session(reply, q->sessions.items + i);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Answers the caller, with the error if r is one, and ends the question. */
static void query_end(SessionQuery *q, int r) {
        Manager *m = q->manager;

        if (r >= 0)
                r = reply_sessions(q);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(
                                q->call, r, "The servers do not say what sessions they have");
        m->query = session_query_free(q);
}

static int take_sessions(SessionQuery *q) {
        _cleanup_free_ char *text = malloc(SESSION_TEXT_MAX);
        ssize_t n;
        int r = text ? 0 : -ENOMEM;

        while (r >= 0 && (n = recv(q->fd, text, SESSION_TEXT_MAX - 1, MSG_DONTWAIT)) > 0) {
                Session s = {};

                text[n] = 0;
                r = session_from_text(text, &s);
                if (r >= 0)
                        r = sessions_append(&q->sessions, &s);
                session_done(&s);
        }
        return r;
}

static int on_query_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        SessionQuery *q = userdata;

        if (take_sessions(q) < 0 || (revents & EPOLLHUP))
                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static void on_listed(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        SessionQuery *q = userdata;
        int r = take_sessions(q);

        query_end(q, r < 0 ? r : worker_succeeded(si) ? 0 : -EIO);
}

static int ask_samba(SessionQuery *q) {
        const char *argv[] = { SAMBA_WORKER, "list", NULL };
        Manager *m = q->manager;
        int r;

        r =
                        worker_spawn(&q->worker,
                                     &q->fd,
                                     m->event,
                                     (char *const *) argv,
                                     SAMBA_TIMEOUT_USEC,
                                     on_listed,
                                     q);
        /* The source lives as long as the descriptor. */
        return r < 0 ? r : sd_event_add_io(m->event, NULL, q->fd, EPOLLIN, on_query_input, q);
}

/* Calls the handler with each process of the FTP sessions: 1 as session_from_ftp_process(). */
static int foreach_ftp_process(
                sd_bus_message *reply,
                int (*handler)(const char *unit, Session *s, void *userdata),
                void *userdata) {
        const char *cgroup, *command_line;
        uint32_t pid;
        int r;

        if (sd_bus_message_is_method_error(reply, NULL)) /* there is none */
                return 0;
        r = sd_bus_message_enter_container(reply, 'a', "(sus)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sus)", &cgroup, &pid, &command_line)) > 0) {
                const char *unit = strrchr(cgroup, '/');
                Session s = {};

                if (!unit || !startswith(unit + 1, FTP_UNIT_PREFIX))
                        continue;
                r = session_from_ftp_process(cgroup, command_line, &s);
                if (r >= 0)
                        r = handler(unit + 1, r > 0 ? &s : NULL, userdata);
                session_done(&s);
        }
        return r;
}

static int ask_ftp(Manager *m, sd_bus_slot **slot, sd_bus_message_handler_t handler, void *userdata) {
        return sd_bus_call_method_async(
                        m->bus,
                        slot,
                        "org.freedesktop.systemd1",
                        "/org/freedesktop/systemd1",
                        "org.freedesktop.systemd1.Manager",
                        "GetUnitProcesses",
                        handler,
                        userdata,
                        "s",
                        SERVER_FTP_SESSIONS);
}

static int add_ftp_session(const char *unit, Session *s, void *userdata) {
        SessionQuery *q = userdata;

        return s ? sessions_append(&q->sessions, s) : 0;
}

static int on_ftp_processes(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        SessionQuery *q = userdata;
        int r;

        r = foreach_ftp_process(reply, add_ftp_session, q);
        if (r >= 0 && q->manager->servers[SERVER_SMB].active) {
                r = ask_samba(q);
                if (r >= 0)
                        return 0;
        }
        query_end(q, r);
        return 0;
}

int manager_list_sessions(Manager *m, sd_bus_message *call) {
        SessionQuery *q;
        int r;

        if (m->query)
                return -EBUSY;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (SessionQuery){ .manager = m, .call = sd_bus_message_ref(call), .fd = -EBADF };
        r = ask_ftp(m, &q->processes, on_ftp_processes, q);
        if (r < 0)
                session_query_free(q);
        else
                m->query = q;
        return r;
}

/* --- Ending one --- */

static void on_samba_ended(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Manager *m = userdata;

        if (worker_succeeded(si))
                (void) sd_bus_reply_method_return(m->ending_call, NULL);
        else
                (void) sd_bus_reply_method_errnof(m->ending_call, EIO, "Samba does not end this session");
        m->ending_call = sd_bus_message_unref(m->ending_call);
        m->ending = worker_free(m->ending);
}

static void on_ftp_ended(const char *unit, const char *result, void *userdata) {
        sd_bus_message *call = userdata;

        if (streq(result, "done"))
                (void) sd_bus_reply_method_return(call, NULL);
        else
                (void) sd_bus_reply_method_errnof(call, EIO, "The job for %s ended with %s", unit, result);
        sd_bus_message_unref(call);
}

static bool is_ftp_unit(const char *name) {
        return startswith(name, FTP_UNIT_PREFIX) && endswith(name, ".service") && !strchr(name, '/');
}

int manager_end_session(Manager *m, const char *id, sd_bus_message *call) {
        const char *unit = startswith(id, "ftp:"), *process = startswith(id, "smb:");
        const char *argv[] = { SAMBA_WORKER, "end", process, NULL };
        int r;

        if (unit && is_ftp_unit(unit)) {
                r = unit_jobs_queue(m->jobs, "StopUnit", unit, on_ftp_ended, sd_bus_message_ref(call));
                if (r < 0)
                        sd_bus_message_unref(call);
                return r;
        }
        if (session_smb_process(id) == 0)
                return -EINVAL;
        if (m->ending)
                return -EBUSY;
        r =
                        worker_spawn(&m->ending,
                                     NULL,
                                     m->event,
                                     (char *const *) argv,
                                     SAMBA_TIMEOUT_USEC,
                                     on_samba_ended,
                                     m);
        if (r >= 0)
                m->ending_call = sd_bus_message_ref(call);
        return r;
}

/* --- Ending those without rights --- */

int manager_close_shares(
                Manager *m,
                Worker **ret,
                char *const *gone,
                char *const *users,
                WorkerExitHandler handler,
                void *userdata) {
        _cleanup_strv_free_ char **argv = NULL;

        if (strv_extend(&argv, SAMBA_WORKER) < 0 || strv_extend(&argv, "close") < 0)
                return -ENOMEM;
        STRV_FOREACH (share, gone)
                if (strv_consume(&argv, strfmt("share:%s", *share)) < 0)
                        return -ENOMEM;
        STRV_FOREACH (user, users)
                if (strv_consume(&argv, strfmt("user:%s", *user)) < 0)
                        return -ENOMEM;
        return worker_spawn(ret, NULL, m->event, argv, SAMBA_TIMEOUT_USEC, handler, userdata);
}

/* units: all, and those of them where somebody is logged in who may stay. */
typedef struct Eviction {
        char **units, **staying;
        char *const *users;
} Eviction;

static bool is_evicted(const Eviction *e, const char *user) {
        STRV_FOREACH (name, e->users) {
                const char *rest = startswith(user, *name);

                /* Of an anonymous user vsftpd tells the password as well, which is a mail address. */
                if (rest && (*rest == 0 || *rest == '/'))
                        return true;
        }
        return false;
}

static int sort_ftp_session(const char *unit, Session *s, void *userdata) {
        Eviction *e = userdata;
        int r = strv_contains(e->units, unit) ? 0 : strv_extend(&e->units, unit);

        return r < 0 || !s || is_evicted(e, s->user) ? r : strv_extend(&e->staying, unit);
}

static void on_evicted(const char *unit, const char *result, void *userdata) {
        if (!streq(result, "done"))
                log_warning("The FTP session %s, which lost its rights, did not end: %s.", unit, result);
}

static int on_eviction_processes(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        Eviction e = { .users = m->evicted };
        int r;

        r = foreach_ftp_process(reply, sort_ftp_session, &e);
        STRV_FOREACH (unit, e.units)
                if (r >= 0 && !strv_contains(e.staying, *unit))
                        r = unit_jobs_queue(m->jobs, "StopUnit", *unit, on_evicted, m);
        if (r < 0)
                log_error_errno(r, "Failed to end FTP sessions that lost their rights: %m");
        else
                (void) unlink(VSFTPD_EVICTION_MARK);
        strv_free(e.units);
        strv_free(e.staying);
        m->evicted = strv_free(m->evicted);
        m->eviction = sd_bus_slot_unref(m->eviction);
        return 0;
}

int manager_evict_ftp_users(Manager *m, const ShareSet *before, const ShareSet *now) {
        size_t n = strv_length(m->evicted);
        int r;

        r = share_set_list_lowered(before, now, SHARE_FTP, &m->evicted);
        if (r < 0)
                return r;
        if (strv_length(m->evicted) == n) {
                if (n == 0)
                        (void) unlink(VSFTPD_EVICTION_MARK);
                return 0;
        }
        m->eviction = sd_bus_slot_unref(m->eviction);
        return ask_ftp(m, &m->eviction, on_eviction_processes, m);
}
