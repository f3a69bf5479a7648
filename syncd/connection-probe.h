/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at the TCP connection of an ssh process from outside: the kernel shows the state of each connection
 * to whoever asks (sock_diag(7)), as "ss -ti" does.
 *
 * Not by ProxyUseFdpass, which would give us the socket: ssh runs a ProxyCommand through the user's shell
 * (and a service's is nologin); a second descriptor keeps the connection open when ssh dies, so that the
 * server holds its session; and a process that shares a connection which another has opened has none. */
#pragma once

#include "common/base/macro.h"

typedef struct ConnectionProbe ConnectionProbe;

typedef struct ConnectionState {
        uint32_t rtt_usec;         /* of what is sent; smoothed */
        uint32_t rtt_min_usec;     /* the least of the last minutes */
        uint32_t receive_rtt_usec; /* of what is received, as the receiver estimates it; 0: unknown */
        uint32_t retransmits;      /* since it began */
        uint32_t out_of_order;     /* packets that came so; 0 where the kernel does not count them (before 5.4) */
        uint32_t silent_msec;      /* since the last acknowledgement or data came */
        uint64_t bytes_acked;      /* since it began */
        uint64_t bytes_received;
        uint32_t unsent;           /* bytes that wait in the socket */
} ConnectionState;

/* For the connections of this process' user to that port, on any address. 0; -EOPNOTSUPP or another negative
 * errno if the kernel does not show them (no CONFIG_INET_DIAG). */
int connection_probe_new(ConnectionProbe **ret, uint16_t port);
ConnectionProbe *connection_probe_free(ConnectionProbe *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(ConnectionProbe *, connection_probe_free);

/* The liveliest of the connections: what is measured is the path, which all to a server have in common. 0;
 * -ENOENT if there is none; or a negative errno. Does not block. */
int connection_probe_read(ConnectionProbe *p, ConnectionState *ret);
