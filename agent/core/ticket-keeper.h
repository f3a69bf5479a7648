/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TLS session that the next session with the ACS resumes, between two session workers. */
#pragma once

#include "agent/core/channel.h"

/* How long TLS sessions go on from one handshake in full, which alone verifies the certificate of the ACS (RFC 8446
 * section 4.6.1 wants a limit). */
#define TICKET_RESUMED_MAX_USEC (UINT64_C(24) * 60U * 60U * 1000000U)

/* All zero has none. */
typedef struct TicketKeeper {
        TlsTicket ticket;
        uint64_t verified_usec; /* CLOCK_BOOTTIME; start of the last session that had no ticket to resume with */
} TicketKeeper;

/* Keeps a ticket instead of the one before; takes it, unless it is empty: then that stays. */
void ticket_keeper_put(TicketKeeper *k, TlsTicket *ticket);

/* Gives the ticket away, to be done with by the caller, as a session begins at now_usec: the next one comes with what
 * the ACS answers. It is empty if there was none, or if the last handshake in full is too long ago: the session that
 * begins has one. */
TlsTicket ticket_keeper_take(TicketKeeper *k, uint64_t now_usec);
