/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/connection-probe.h"

/* In <netinet/tcp.h>, which does not go with <linux/tcp.h>. */
#define TCP_STATE_ESTABLISHED 1

/* A gateway has a handful of connections to a server; a dump is cut at what the kernel sends at once. */
#define DUMP_SIZE_MAX 32768U

struct ConnectionProbe {
        int fd;
        uint16_t port; /* network byte order */
        uid_t uid;
        uint32_t sequence;
};

int connection_probe_new(ConnectionProbe **ret, uint16_t port) {
        _cleanup_(connection_probe_freep) ConnectionProbe *p = calloc(1, sizeof(*p));
        ConnectionState state;
        int r;

        if (!p)
                return -ENOMEM;
        p->port = htons(port);
        p->uid = getuid();
        p->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (p->fd < 0)
                return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? -EOPNOTSUPP : -errno;
        r = connection_probe_read(p, &state);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

ConnectionProbe *connection_probe_free(ConnectionProbe *p) {
        if (!p)
                return NULL;
        safe_close(p->fd);
        free(p);
        return NULL;
}

static int request(ConnectionProbe *p, uint8_t family) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 body;
        } message = {
                .header = { .nlmsg_len = sizeof(message),
                            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                            .nlmsg_seq = ++p->sequence },
                .body = { .sdiag_family = family,
                          .sdiag_protocol = IPPROTO_TCP,
                          .idiag_ext = 1U << (INET_DIAG_INFO - 1),
                          .idiag_states = 1U << TCP_STATE_ESTABLISHED,
                          .id.idiag_dport = p->port },
        };

        return send(p->fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static void read_info(const void *data, size_t size, ConnectionState *ret) {
        struct tcp_info info = {};

        /* An older kernel's is shorter, a newer one's longer. */
        memcpy(&info, data, MIN(size, sizeof(info)));
        *ret = (ConnectionState) {
                .rtt_usec = info.tcpi_rtt,
                .rtt_min_usec = info.tcpi_min_rtt == UINT32_MAX ? 0 : info.tcpi_min_rtt,
                .receive_rtt_usec = info.tcpi_rcv_rtt,
                .retransmits = info.tcpi_total_retrans,
                .out_of_order = info.tcpi_rcv_ooopack,
                .silent_msec = MIN(info.tcpi_last_ack_recv, info.tcpi_last_data_recv),
                .bytes_acked = info.tcpi_bytes_acked,
                .bytes_received = info.tcpi_bytes_received,
                .unsent = info.tcpi_notsent_bytes,
        };
}

/* Returns 1 if it is livelier than what *best has, or there was none. */
static int take(const ConnectionProbe *p, const struct nlmsghdr *h, bool found, ConnectionState *best) {
        const struct inet_diag_msg *d = NLMSG_DATA(h);
        int rest;

        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*d)))
                return -EBADMSG;
        /* Older kernels do not filter by port. */
        if (d->id.idiag_dport != p->port || d->idiag_uid != p->uid)
                return 0;
        rest = (int) (h->nlmsg_len - NLMSG_LENGTH(sizeof(*d)));
        for (const struct rtattr *a = (const struct rtattr *) (d + 1); RTA_OK(a, rest); a = RTA_NEXT(a, rest)) {
                ConnectionState state;

                if (a->rta_type != INET_DIAG_INFO)
                        continue;
                read_info(RTA_DATA(a), RTA_PAYLOAD(a), &state);
                if (found && state.silent_msec >= best->silent_msec)
                        return 0;
                *best = state;
                return 1;
        }
        return 0;
}

/* Returns 1 at the end of the dump. */
static int read_messages(ConnectionProbe *p, bool *found, ConnectionState *best) {
        _cleanup_free_ void *buf = malloc(DUMP_SIZE_MAX);
        ssize_t size;
        unsigned n;

        if (!buf)
                return -ENOMEM;
        /* The kernel has answered when it took the request: what is not there yet does not come. */
        size = recv(p->fd, buf, DUMP_SIZE_MAX, MSG_DONTWAIT);
        if (size < 0)
                return -errno;
        n = (unsigned) size;
        for (const struct nlmsghdr *h = buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
                int r;

                if (h->nlmsg_seq != p->sequence)
                        continue;
                if (h->nlmsg_type == NLMSG_DONE)
                        return 1;
                if (h->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *e = NLMSG_DATA(h);

                        return h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EBADMSG
                               : e->error == -ENOENT                   ? -EOPNOTSUPP
                                                                       : e->error;
                }
                r = take(p, h, *found, best);
                if (r < 0)
                        return r;
                *found |= r > 0;
        }
        return 0;
}

int connection_probe_read(ConnectionProbe *p, ConnectionState *ret) {
        static const uint8_t families[] = { AF_INET, AF_INET6 };
        ConnectionState best;
        bool found = false;

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                int r = request(p, families[i]);

                while (r == 0)
                        r = read_messages(p, &found, &best);
                /* A kernel without IPv6 is none that cannot. */
                if (r < 0 && (i == 0 || !found))
                        return r == -EOPNOTSUPP && i > 0 ? -ENOENT : r;
        }
        if (!found)
                return -ENOENT;
        *ret = best;
        return 0;
}
