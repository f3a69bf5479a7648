/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/frontend/api-server.h"

#define CONNECTION_TIMEOUT_SEC 30U
#define OPTIONS_MAX 8U
/* Of the timer: a piece of an answer waits for it (0 would be a quarter of a second). */
#define ACCURACY_USEC 1U

struct ApiServer {
        struct MHD_Daemon *daemon;
        sd_event_source *io_source, *timer_source;
};

/* libmicrohttpd may have more to do without a new event: it says when. */
static void run(ApiServer *s) {
        MHD_UNSIGNED_LONG_LONG milliseconds;

        (void) MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &milliseconds) != MHD_YES) {
                (void) sd_event_source_set_enabled(s->timer_source, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(s->timer_source, milliseconds * 1000);
        (void) sd_event_source_set_enabled(s->timer_source, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        run(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        run(userdata);
        return 0;
}

void api_server_wake(ApiServer *s) {
        (void) sd_event_source_set_time_relative(s->timer_source, 0);
        (void) sd_event_source_set_enabled(s->timer_source, SD_EVENT_ONESHOT);
}

static struct MHD_Daemon *start(const ApiServerSettings *settings) {
        bool tls = settings->certificate != NULL;
        struct MHD_OptionItem options[OPTIONS_MAX] = {
                { MHD_OPTION_LISTEN_SOCKET, settings->listen_fd, NULL },
                { MHD_OPTION_CONNECTION_LIMIT, API_CONNECTIONS_MAX, NULL },
                { MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_SEC, NULL },
                { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) settings->completed, settings->userdata },
        };
        size_t n = 4;

        if (tls) {
                options[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT,
                                                        0,
                                                        (void *) settings->certificate };
                options[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY,
                                                        0,
                                                        (void *) settings->key };
        }
        options[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
        return MHD_start_daemon(
                        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0U),
                        0,
                        NULL,
                        NULL,
                        settings->handler,
                        settings->userdata,
                        MHD_OPTION_ARRAY,
                        options,
                        MHD_OPTION_END);
}

int api_server_new(ApiServer **ret, sd_event *event, const ApiServerSettings *settings) {
        _cleanup_(api_server_freep) ApiServer *s = calloc(1, sizeof(*s));
        const union MHD_DaemonInfo *info;
        int r;

        if (s)
                s->daemon = start(settings);
        if (!s || !s->daemon) {
                (void) close(settings->listen_fd);
                return log_error_errno(
                                -EIO, "Failed to start the HTTP server; are certificate and key right?");
        }
        info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return log_error_errno(-EIO, "The HTTP server has no epoll descriptor.");
        r = sd_event_add_io(event, &s->io_source, info->epoll_fd, EPOLLIN, on_io, s);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &s->timer_source, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, s);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the HTTP server: %m");
        *ret = TAKE_PTR(s);
        return 0;
}

ApiServer *api_server_free(ApiServer *s) {
        if (!s)
                return NULL;
        (void) sd_event_source_disable_unref(s->io_source);
        (void) sd_event_source_disable_unref(s->timer_source);
        if (s->daemon)
                MHD_stop_daemon(s->daemon);
        return mfree(s);
}

int api_listen(const char *address, uint16_t port) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
        _cleanup_close_ int fd = -EBADF;
        int one = 1;

        if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
                return -EINVAL;
        fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd,
                 is_v6 ? (struct sockaddr *) &v6 : (struct sockaddr *) &v4,
                 is_v6 ? sizeof(v6) : sizeof(v4)) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

bool address_is_loopback(const char *address) {
        return startswith(address, "127.") || streq(address, "::1");
}
