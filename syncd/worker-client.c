/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/worker-client.h"

/* Requests that wait for their answer: what people ask for on the bus, besides the one of the state
 * machine. */
#define TREE_REQUESTS_MAX 16U

typedef struct TreeRequest {
        TreeReplyHandler handler;
        void *userdata;
} TreeRequest;

struct TreeClient {
        Worker *worker;
        int fd;
        sd_event_source *source;
        TreeRequest requests[TREE_REQUESTS_MAX];
        size_t n_requests;
        TreeEndHandler ended;
        void *userdata;
};

struct TransferClient {
        sd_event *event;
        char **argv;
        Worker *worker; /* NULL: none runs */
        int fd;
        sd_event_source *source;
        sd_event_source *timer;
        char **message; /* the command that runs, NULL: none */
        bool answered;  /* by this worker, so it is not one that ended before it read the command */
        TransferProgressHandler progress;
        TransferHandler done;
        void *userdata;
};

static TreeRequest take_request(TreeClient *c) {
        TreeRequest request = c->requests[0];

        c->n_requests--;
        memmove(c->requests, c->requests + 1, c->n_requests * sizeof(*c->requests));
        return request;
}

/* The messages that are there. -EAGAIN when there is no more. */
static int tree_client_read(TreeClient *c) {
        for (;;) {
                _cleanup_strv_free_ char **message = NULL;
                TreeRequest request;
                int r;

                r = worker_message_receive(c->fd, &message);
                if (r < 0)
                        return r;
                if (c->n_requests == 0)
                        return -EBADMSG;
                request = streq_ptr(worker_message_get(message, "event"), "done") ? take_request(c)
                                                                                  : c->requests[0];
                request.handler(message, request.userdata);
        }
}

static int on_tree_message(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        TreeClient *c = userdata;
        int r = tree_client_read(c);

        /* The end shows when the process is reaped. */
        if (r < 0 && r != -EAGAIN)
                c->source = sd_event_source_disable_unref(c->source);
        return 0;
}

static void fail_requests(TreeClient *c) {
        while (c->n_requests > 0) {
                TreeRequest request = take_request(c);

                request.handler(NULL, request.userdata);
        }
}

static void on_tree_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        TreeClient *c = userdata;

        (void) tree_client_read(c);
        c->source = sd_event_source_disable_unref(c->source);
        fail_requests(c);
        /* systemd ends it as it ends us. */
        c->ended(c, si->si_code == CLD_EXITED || si->si_status == SIGTERM ? 0 : si->si_status, c->userdata);
}

int tree_client_new(
                TreeClient **ret,
                sd_event *event,
                char *const argv[],
                TreeReplyHandler opened,
                TreeEndHandler ended,
                void *userdata) {

        _cleanup_(tree_client_freep) TreeClient *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->ended = ended;
        c->userdata = userdata;
        c->requests[c->n_requests++] = (TreeRequest){ .handler = opened, .userdata = userdata };
        r = worker_spawn(&c->worker, &c->fd, event, argv, UINT64_MAX, on_tree_exit, c);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &c->source, c->fd, EPOLLIN, on_tree_message, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

TreeClient *tree_client_free(TreeClient *c) {
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->source);
        worker_free(c->worker);
        safe_close(c->fd);
        fail_requests(c);
        free(c);
        return NULL;
}

int tree_client_send(TreeClient *c, char *const *message, TreeReplyHandler handler, void *userdata) {
        int r;

        if (c->n_requests == TREE_REQUESTS_MAX)
                return -EBUSY;
        r = worker_message_send(c->fd, message);
        if (r < 0)
                return r == -EAGAIN ? -EBUSY : r;
        c->requests[c->n_requests++] = (TreeRequest){ .handler = handler, .userdata = userdata };
        return 0;
}

int tree_client_tell(TreeClient *c, char *const *message) {
        return worker_message_send(c->fd, message);
}

static void stop_transfer_worker(TransferClient *c) {
        c->source = sd_event_source_disable_unref(c->source);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->worker = worker_free(c->worker);
        c->fd = safe_close(c->fd);
}

/* The command is over. The handler may free the client. */
static void finish_transfer(TransferClient *c, const TransferAnswer *answer) {
        c->timer = sd_event_source_disable_unref(c->timer);
        c->message = strv_free(c->message);
        c->done(c, answer, c->userdata);
}

/* The answer's strings belong to the message. */
static TransferAnswer parse_answer(char *const *message) {
        TransferResult result = transfer_result_from_string(strempty(worker_message_get(message, "result")));

        return (TransferAnswer){
                .result = result >= 0 ? result : TRANSFER_LOCAL_ERROR,
                .text = strempty(worker_message_get(message, "text")),
                .commit = strempty(worker_message_get(message, "commit")),
                .changed = worker_message_get(message, "changed"),
                .poison = worker_message_get(message, "poison"),
                .version = worker_message_get(message, "version"),
                .next_key = streq_ptr(worker_message_get(message, "key"), "next"),
                .sent = worker_message_get_number(message, "sent"),
                .received = worker_message_get_number(message, "received"),
        };
}

/* The messages that are there. 1 if the command ended (c may be gone), or a negative errno, -EAGAIN when
 * there is no more. */
static int read_transfer(TransferClient *c) {
        for (;;) {
                _cleanup_strv_free_ char **message = NULL;
                int r;

                r = worker_message_receive(c->fd, &message);
                if (r < 0)
                        return r;
                if (!c->message)
                        return -EBADMSG;
                c->answered = true;
                if (streq_ptr(worker_message_get(message, "event"), "done")) {
                        TransferAnswer answer = parse_answer(message);

                        finish_transfer(c, &answer);
                        return 1;
                }
                if (c->progress)
                        c->progress(worker_message_get_number(message, "done"),
                                    worker_message_get_number(message, "total"),
                                    worker_message_get_number(message, "yielding") > 0,
                                    c->userdata);
        }
}

static int on_transfer_message(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        TransferClient *c = userdata;
        int r = read_transfer(c);

        /* The end shows when the process is reaped. */
        if (r < 0 && r != -EAGAIN)
                c->source = sd_event_source_disable_unref(c->source);
        return 0;
}

static int start_transfer_worker(TransferClient *c);

static int send_transfer(TransferClient *c) {
        int r = c->worker ? 0 : start_transfer_worker(c);

        return r < 0 ? r : worker_message_send(c->fd, c->message);
}

static void on_transfer_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        TransferAnswer answer = { .result = TRANSFER_LOCAL_ERROR,
                                  .text = "the transfer worker failed",
                                  .commit = "" };
        TransferClient *c = userdata;
        bool idle = worker_succeeded(si);

        if (c->message && read_transfer(c) > 0)
                return;
        idle = idle && !c->answered;
        stop_transfer_worker(c);
        if (!c->message)
                return;
        /* It was idle for too long just when the command came. */
        if (idle && send_transfer(c) >= 0)
                return;
        finish_transfer(c, &answer);
}

static int start_transfer_worker(TransferClient *c) {
        int r;

        r = worker_spawn(&c->worker, &c->fd, c->event, c->argv, UINT64_MAX, on_transfer_exit, c);
        if (r < 0)
                return r;
        r = sd_event_add_io(c->event, &c->source, c->fd, EPOLLIN, on_transfer_message, c);
        if (r < 0)
                stop_transfer_worker(c);
        c->answered = false;
        return r;
}

static int on_transfer_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        TransferAnswer answer = { .result = TRANSFER_UNREACHABLE,
                                  .text = "the transfer took too long",
                                  .commit = "" };
        TransferClient *c = userdata;

        stop_transfer_worker(c);
        finish_transfer(c, &answer);
        return 0;
}

int transfer_client_new(TransferClient **ret, sd_event *event, char *const argv[]) {
        _cleanup_(transfer_client_freep) TransferClient *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->event = sd_event_ref(event);
        r = strv_copy(argv, &c->argv);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

TransferClient *transfer_client_free(TransferClient *c) {
        if (!c)
                return NULL;
        stop_transfer_worker(c);
        strv_free(c->message);
        strv_free(c->argv);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

int transfer_client_send(
                TransferClient *c,
                char *const *message,
                TransferProgressHandler progress,
                TransferHandler done,
                void *userdata) {

        int r;

        if (c->message)
                return -EBUSY;
        r = strv_copy(message, &c->message);
        if (r < 0)
                return r;
        c->progress = progress;
        c->done = done;
        c->userdata = userdata;
        c->answered = false;
        r = send_transfer(c);
        if (r == -EPIPE) {
                /* It is just ending. */
                stop_transfer_worker(c);
                r = send_transfer(c);
        }
        if (r >= 0)
                r = sd_event_add_time_relative(
                                c->event,
                                &c->timer,
                                CLOCK_MONOTONIC,
                                TRANSFER_TIMEOUT_USEC,
                                0,
                                on_transfer_timeout,
                                c);
        if (r < 0) {
                stop_transfer_worker(c);
                c->message = strv_free(c->message);
        }
        return r;
}

int transfer_client_tell(TransferClient *c, char *const *message) {
        return c->worker ? worker_message_send(c->fd, message) : -ENOTCONN;
}
