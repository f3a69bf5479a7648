/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/ticket-keeper.h"

void ticket_keeper_put(TicketKeeper *k, TlsTicket *ticket) {
        if (!ticket->data)
                return;
        tls_ticket_done(&k->ticket);
        k->ticket = *ticket;
        *ticket = (TlsTicket) {};
}

TlsTicket ticket_keeper_take(TicketKeeper *k, uint64_t now_usec) {
        TlsTicket t = k->ticket;

        k->ticket = (TlsTicket) {};
        if (t.data && now_usec - k->verified_usec >= TICKET_RESUMED_MAX_USEC)
                tls_ticket_done(&t);
        if (!t.data)
                k->verified_usec = now_usec;
        return t;
}
