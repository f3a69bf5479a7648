/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/helper.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/file.h"
#include "common/base/str.h"

#define CHUNK_SIZE 4096U

struct Helper {
        int fd, output_fd;
        sd_event_source *io, *timer;
        uint64_t max, size;
        char answer[HELPER_ANSWER_MAX + 1];
        HelperHandler handler;
        void *userdata;
};

Helper *helper_free(Helper *h) {
        if (!h)
                return NULL;
        sd_event_source_disable_unref(h->io);
        sd_event_source_disable_unref(h->timer);
        safe_close(h->fd);
        return mfree(h);
}

static void end(Helper *h, int error) {
        h->io = sd_event_source_disable_unref(h->io);
        h->timer = sd_event_source_disable_unref(h->timer);
        h->answer[strcspn(h->answer, "\r\n")] = 0;
        h->handler(error, h->answer, h->userdata);
}

/* 1 for more to come, 0 at the end, or a negative errno. */
static int read_some(Helper *h) {
        char chunk[CHUNK_SIZE];

        ssize_t n = recv(h->fd, chunk, sizeof(chunk), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 1;
        /* A helper that did not read its order resets the connection when it ends; its answer comes first. */
        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return 0;
        if (n < 0)
                return -errno;
        if ((uint64_t) n > h->max - h->size)
                return -EFBIG;

        if (h->output_fd < 0)
                memcpy(h->answer + h->size, chunk, (size_t) n);
        h->size += (uint64_t) n;
        int r = h->output_fd < 0 ? 0 : loop_write(h->output_fd, chunk, (size_t) n);
        return r < 0 ? r : 1;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Helper *h = userdata;

        int r = read_some(h);
        if (r <= 0)
                end(h, r);
        return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        end(userdata, -ETIMEDOUT);
        return 0;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));

        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        int keep = fd;
        fd = -EBADF;
        return keep;
}

/* An order is far smaller than a socket's buffer: it is taken whole, or something is wrong. A helper that does not care
 * for orders may have answered and gone already. */
static int send_order(int fd, const char *order) {
        size_t n = strlen(order);

        ssize_t sent = n > 0 ? send(fd, order, n, MSG_NOSIGNAL) : 0;
        if (sent < 0)
                return errno == EPIPE || errno == ECONNRESET ? 0 : -errno;
        if ((size_t) sent != n)
                return -EMSGSIZE;
        return shutdown(fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

int helper_call(
                Helper **ret,
                sd_event *event,
                const char *socket_path,
                const char *order,
                int output_fd,
                uint64_t max,
                uint64_t timeout_usec,
                HelperHandler handler,
                void *userdata) {
        _cleanup_(helper_freep) Helper *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        *h = (Helper) {
                .fd = connect_to(socket_path),
                .output_fd = output_fd,
                .max = output_fd < 0 ? HELPER_ANSWER_MAX : max,
                .handler = handler,
                .userdata = userdata,
        };
        int r = h->fd < 0 ? h->fd : send_order(h->fd, order);
        if (r >= 0)
                r = sd_event_add_io(event, &h->io, h->fd, EPOLLIN, on_io, h);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &h->timer, CLOCK_MONOTONIC, timeout_usec, 0, on_timeout, h);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(h);
        return 0;
}

bool helper_is_there(const char *socket_path) {
        return access(socket_path, W_OK) >= 0;
}
