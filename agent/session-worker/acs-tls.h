/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS of the connection to the ACS (TR-069 section 3.3): whom it trusts, and how it resumes the session before. */
#pragma once

#include "agent/session-worker/acs-connection.h"

/* Prepares gSOAP's context for TLS 1.2 and 1.3. 0, or -EIO with c->error set. */
int acs_tls_setup(AcsConnection *c);

/* What resumes the next TLS session is to be kept from now on, in c->ticket, for the server of c->url; and the first
 * connection to it resumes the one of the ticket if that is still good. It is no error if it is not. */
void acs_tls_resume(AcsConnection *c, const TlsTicket *ticket);

/* Opens a connection as gSOAP's fopen does; where a handshake that was to resume fails, by one in full. */
SOAP_SOCKET acs_tls_open(AcsConnection *c, const char *endpoint, const char *host, int port);

/* Before the connection is closed: reads that the ACS has closed TLS, if it did so along with its last word. What is
 * not read would make the close a reset, with a segment of its own. Does not wait, and does nothing where there is no
 * TLS. */
void acs_tls_read_farewell(AcsConnection *c);
