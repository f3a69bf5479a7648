/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast the transfer worker may go, and whether it is to end: what syncd says on the command socket
 * before and during a transfer, and what the path says in the background mode.
 *
 * A command may carry the fields upload and download (bytes per second, 0: no limit) and background (0 or 1),
 * which hold from then on. While it runs, a message without "command" sets them as well; stop=1 in it asks for
 * an end of what runs. */
#pragma once

#include "syncd/background-rate.h"
#include "syncd/connection-probe.h"
#include "syncd/rate-limit.h"

typedef struct TransferPace {
        RateLimit up;   /* for PktStream */
        RateLimit down;
        bool stop;      /* syncd wants an end */

        /* of this module */
        int fd;
        uint16_t port;
        bool running;
        bool deaf;  /* nothing more is to be taken from the socket */
        bool background;
        bool blind; /* the kernel does not show connections */
        uint64_t up_limit; /* bytes per second, 0: none */
        uint64_t down_limit;
        BackgroundRate up_rate;
        BackgroundRate down_rate;
        ConnectionProbe *probe;
        ConnectionState last;
        bool has_last;
        uint64_t sampled;
} TransferPace;

/* fd is the command socket, not owned; port is the server's. */
void transfer_pace_init(TransferPace *p, int fd, uint16_t port);
void transfer_pace_clear(TransferPace *p);

/* A transfer begins, with the fields of its command. 0; -EBADMSG for a field that is no number. */
int transfer_pace_begin(TransferPace *p, char *const *command);
/* It has ended: the socket is the worker's again. */
void transfer_pace_end(TransferPace *p);

/* To be called between packets; a limit that waits does it by itself. Takes in what came from syncd, measures
 * the path if it is time to. Never blocks. */
void transfer_pace_poll(TransferPace *p);

/* Waits for so long, or until it is time to do that; then does it. */
void transfer_pace_wait(TransferPace *p, uint64_t usec);

/* Whether it gives way to others now: a field "yielding" of progress messages. */
bool transfer_pace_is_yielding(const TransferPace *p);
