/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-agent-session: carries one CWMP session's messages between the agent (on WORKER_SOCKET_FD) and the ACS. It
 * knows no rule of CWMP and no parameter; what it gets wrong costs this session only. */
#include <sys/resource.h>

#include "agent/session-worker/acs-connection.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer's shadow memory would count. */
#define MEMORY_MAX RLIM_INFINITY
#else
/* A GetParameterValues of everything, once as message and once as gSOAP's structures. */
#define MEMORY_MAX (256UL * 1024U * 1024U)
#endif
#define OPEN_FILES_MAX 32U

static int send_failed(int fd, const char *error) {
        const Frame f = { .type = FRAME_FAILED, .error = (char *) (uintptr_t) error };
        return channel_send(fd, &f);
}

static int send_connected(int fd, AcsConnection *c) {
        _cleanup_frame_ Frame f = { .type = FRAME_CONNECTED };

        int r = acs_url_local_address(c->url, &f.local_address);
        return r < 0 ? r : channel_send(fd, &f);
}

static int forward(int fd, AcsConnection *c, const CwmpMessage *m) {
        _cleanup_(cwmp_message_freep) CwmpMessage *answer = NULL;

        if (acs_connection_exchange(c, m, &answer) < 0)
                return -EIO;

        const Frame f = {
                .type = FRAME_MESSAGE,
                .credentials = { .challenge = c->credentials.challenge, .nonce_count = c->credentials.nonce_count },
                .ticket = c->ticket,
                .message = answer,
        };
        int r = channel_send(fd, &f);
        tls_ticket_done(&c->ticket);
        return r;
}

static int serve(int fd, AcsConnection *c) {
        for (;;) {
                _cleanup_frame_ Frame f = {};

                int r = channel_receive(fd, &f);
                if (r <= 0)
                        return r;
                if (f.type != FRAME_MESSAGE)
                        return -EBADMSG;
                r = forward(fd, c, f.message);
                if (r < 0)
                        return r;
        }
}

static int run(AcsConnection *c) {
        _cleanup_frame_ Frame open = {};
        const int fd = WORKER_SOCKET_FD;

        int r = channel_receive(fd, &open);
        if (r < 0 || (r > 0 && open.type != FRAME_OPEN))
                return log_error_errno(r < 0 ? r : -EBADMSG, "No order from the agent: %m");
        if (r == 0)
                return 0;

        r = acs_connection_init(c, &open);
        if (r >= 0) {
                r = send_connected(fd, c);
                if (r < 0)
                        return send_failed(fd, "The ACS's name does not resolve, or no route leads there");
                r = serve(fd, c);
        }
        /* The agent writes the line; if it has gone, nobody wants it. */
        return r < 0 ? send_failed(fd, c->error ?: "The session worker failed") : r;
}

int main(int argc, char *argv[]) {
        const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX }, files = { OPEN_FILES_MAX, OPEN_FILES_MAX };
        _cleanup_free_ AcsConnection *c = calloc(1, sizeof(*c));

        log_open();
        if (!c)
                return EXIT_FAILURE;
        if (setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0) {
                (void) log_error_errno(errno, "Cannot limit the session worker: %m");
                return EXIT_FAILURE;
        }

        int r = run(c);
        acs_connection_done(c);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
