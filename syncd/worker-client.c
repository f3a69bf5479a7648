/* SPDX-License-Identifier: GPL-2.0-or-later */
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
        Worker *worker;
        int fd;
        TransferHandler handler;
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
        c->ended(c, c->userdata);
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
        c->requests[c->n_requests++] = (TreeRequest) { .handler = opened, .userdata = userdata };
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
        c->requests[c->n_requests++] = (TreeRequest) { .handler = handler, .userdata = userdata };
        return 0;
}

static uint64_t get_number(char *const *message, const char *key) {
        const char *value = worker_message_get(message, key);
        uint64_t n;

        return value && parse_uint64(value, &n) >= 0 ? n : 0;
}

static void on_transfer_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        _cleanup_strv_free_ char **message = NULL;
        TransferAnswer answer = { .result = TRANSFER_LOCAL_ERROR, .text = "the transfer worker failed" };
        TransferClient *c = userdata;

        if (timed_out)
                answer = (TransferAnswer){ .result = TRANSFER_UNREACHABLE,
                                           .text = "the transfer took too long" };
        else if (worker_message_receive(c->fd, &message) >= 0) {
                TransferResult result =
                                transfer_result_from_string(strempty(worker_message_get(message, "result")));

                answer.text = strempty(worker_message_get(message, "text"));
                answer.next_key = streq_ptr(worker_message_get(message, "key"), "next");
                answer.sent = get_number(message, "sent");
                answer.received = get_number(message, "received");
                if (result >= 0)
                        answer.result = result;
        }
        c->handler(c, &answer, c->userdata);
}

int transfer_client_new(
                TransferClient **ret,
                sd_event *event,
                char *const argv[],
                TransferHandler handler,
                void *userdata) {

        _cleanup_(transfer_client_freep) TransferClient *c = NULL;
        int r;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->handler = handler;
        c->userdata = userdata;
        r = worker_spawn(&c->worker, &c->fd, event, argv, TRANSFER_TIMEOUT_USEC, on_transfer_exit, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int transfer_client_tell(TransferClient *c, char *const *message) {
        return worker_message_send(c->fd, message);
}

TransferClient *transfer_client_free(TransferClient *c) {
        if (!c)
                return NULL;
        worker_free(c->worker);
        safe_close(c->fd);
        free(c);
        return NULL;
}
