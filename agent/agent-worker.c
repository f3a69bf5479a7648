/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process of one session: it gets the messages to send and brings what the ACS answered. */
#include <malloc.h>

#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/base/str.h"

/* Longer than any session of an honest ACS; each step has its own time-out in the worker. */
#define SESSION_MAX_USEC (30ULL * 60U * 1000000U)
/* To close TLS and end after its socket was closed. */
#define WORKER_END_USEC (5ULL * 1000000U)

static void act(Agent *a, SessionAction action, const CwmpMessage *received);

static void send_message(Agent *a) {
        /* The frame is only read from. */
        const Frame f = {
                .type = FRAME_MESSAGE,
                .message = (CwmpMessage *) (uintptr_t) session_message(a->session),
        };

        if (channel_send(a->worker_socket, &f) < 0)
                agent_end_session(a, "The session worker is gone");
}

static void on_response(CwmpMessage *response, void *userdata) {
        Agent *a = userdata;
        act(a, session_respond(a->session, response), NULL);
}

static void perform(Agent *a, const CwmpMessage *received) {
        _cleanup_wire_writer_ WireWriter w = {};

        /* The session may outlive the frame, and the request the session: it gets a copy. */
        cwmp_message_put(&w, received);
        WireReader reader = { .data = w.data, .size = w.size };
        CwmpMessage *request = wire_finish(&w) < 0 ? NULL : cwmp_message_get(&reader);
        if (!request) {
                agent_end_session(a, "Out of memory");
                return;
        }

        log_debug("ACS calls %s", strempty(cwmp_message_type_to_string(request->type)));
        rpc_start(&a->rpc, &a->rpc_context, request, on_response, a);
}

/* The ACS answered the TransferComplete: the transfer is history. */
static void forget_told_transfer(Agent *a) {
        const CwmpMessage *answered = session_answered(a->session);

        if (!answered || answered->type != CWMP_TRANSFER_COMPLETE)
                return;
        int r = transfer_queue_remove(a->transfers, answered->transfers.items[0].number);
        if (r < 0)
                (void) log_error_errno(r, "Cannot note that a transfer was told; it will be told again: %m");
}

static void act(Agent *a, SessionAction action, const CwmpMessage *received) {
        if (session_is_informed(a->session))
                agent_informed(a);
        forget_told_transfer(a);

        switch (action) {
        case SESSION_SEND:
                send_message(a);
                break;
        case SESSION_PERFORM:
                perform(a, received);
                break;
        case SESSION_DONE:
                agent_end_session(a, NULL);
                break;
        case SESSION_FAILED: {
                const char *error = session_error(a->session);
                agent_end_session(a, error);
                break;
        }
        }
}

static void start_session(Agent *a, const char *local_address) {
        CwmpMessage *inform = NULL;

        int r = agent_make_inform(a, strempty(local_address), &inform);
        if (r >= 0)
                r = session_new(&a->session, inform);
        if (r >= 0)
                r = agent_add_requests(a);
        if (r < 0) {
                (void) log_error_errno(r, "Cannot make the Inform: %m");
                agent_end_session(a, "The Inform could not be made");
                return;
        }
        send_message(a);
}

static void on_frame(Agent *a, Frame *f) {
        switch (f->type) {
        case FRAME_CONNECTED:
                if (a->session)
                        agent_end_session(a, "The session worker spoke out of turn");
                else
                        start_session(a, f->local_address);
                break;
        case FRAME_MESSAGE:
                if (!a->session) {
                        agent_end_session(a, "The session worker spoke out of turn");
                        break;
                }
                free(a->challenge);
                a->challenge = TAKE_PTR(f->credentials.challenge);
                a->nonce_count = f->credentials.nonce_count;
                ticket_keeper_put(&a->tickets, &f->ticket);
                act(a, session_receive(a->session, f->message), f->message);
                break;
        case FRAME_FAILED:
                agent_end_session(a, strempty(f->error));
                break;
        case FRAME_OPEN:
        case FRAME_TYPE_MAX:
        default:
                agent_end_session(a, "The session worker spoke out of turn");
        }
}

static int on_worker_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_frame_ Frame f = {};
        Agent *a = userdata;

        int r = channel_receive(fd, &f);
        if (r == -EAGAIN)
                return 0;
        if (r <= 0)
                agent_end_session(
                                a,
                                r < 0 ? "The session worker sent something unreadable"
                                      : "The session worker ended");
        else
                on_frame(a, &f);
        return 0;
}

static void forget_worker(Agent *a) {
        a->worker_deadline = sd_event_source_disable_unref(a->worker_deadline);
        a->worker = worker_free(a->worker);
        /* What a session needed, the device has other use for until the next one. */
        (void) malloc_trim(0);
        if (!agent_restart(a)) {
                agent_consider_transfers(a);
                agent_consider_session(a);
        }
        agent_bus_changed(a);
}

static void on_worker_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Agent *a = userdata;

        /* What it said last may still wait there. */
        if (a->worker_io && !timed_out)
                (void) on_worker_io(a->worker_io, a->worker_socket, EPOLLIN, a);
        if (a->worker_io)
                agent_end_session(a, timed_out ? "The session took too long" : "The session worker ended");
        forget_worker(a);
}

static int on_worker_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        forget_worker(userdata);
        return 0;
}

static TlsTicket take_ticket(Agent *a) {
        uint64_t now = 0;

        (void) sd_event_now(a->event, CLOCK_BOOTTIME, &now);
        return ticket_keeper_take(&a->tickets, now);
}

static int send_open(Agent *a) {
        _cleanup_frame_ Frame f = {
                .type = FRAME_OPEN,
                .url = agent_model_string(a, "ManagementServer.URL"),
                .credentials.username = agent_model_string(a, "ManagementServer.Username"),
                .credentials.password = agent_model_string(a, "ManagementServer.Password"),
                .credentials.nonce_count = a->nonce_count,
                .ticket = take_ticket(a),
        };
        _cleanup_free_ char *compression = agent_model_string(a, "ManagementServer.HTTPCompression");

        if (!f.url || !f.credentials.username || !f.credentials.password || !compression ||
            free_and_strdup(&f.trusted_certificates, a->config.trusted_certificates) < 0 ||
            free_and_strdup(&f.credentials.challenge, a->challenge) < 0)
                return -ENOMEM;
        if (a->config.client_certificate &&
            free_and_strdup(&f.client_certificate, a->config.client_certificate) < 0)
                return -ENOMEM;
        f.compress = streq(compression, "GZIP");
        f.basic_without_tls = a->config.basic_without_tls;
        f.clock_is_right = access(a->config.clock_file, F_OK) >= 0;
        return channel_send(a->worker_socket, &f);
}

int agent_worker_start(Agent *a) {
        char *const argv[] = { a->config.session_worker, NULL };

        int r = worker_spawn(&a->worker, &a->worker_socket, a->event, argv, SESSION_MAX_USEC, on_worker_exit, a);
        if (r >= 0)
                r = sd_event_add_io(a->event, &a->worker_io, a->worker_socket, EPOLLIN, on_worker_io, a);
        if (r >= 0)
                r = send_open(a);
        if (r >= 0)
                agent_bus_changed(a);
        return r;
}

void agent_worker_stop(Agent *a) {
        a->worker_io = sd_event_source_disable_unref(a->worker_io);
        a->worker_socket = safe_close(a->worker_socket);
        if (!a->worker)
                return;

        int r = sd_event_add_time_relative(a->event, &a->worker_deadline, CLOCK_MONOTONIC, WORKER_END_USEC, 0,
                                           on_worker_deadline, a);
        if (r < 0)
                a->worker = worker_free(a->worker);
}
