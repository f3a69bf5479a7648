/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP side of one session: one kept connection to the ACS with TLS, authentication, cookies, redirects and
 * compression (TR-069 sections 3.3 and 3.4). Blocks; lives in the session worker only. */
#pragma once

#include "agent/core/channel.h"
#include "agent/session-worker/acs-url.h"
#include "agent/session-worker/cookie-jar.h"
#include "agent/session-worker/tls-ticket.h"
#include "common/cwmp/cwmp-soap.h"

/* TR-069 3.4.3 allows redirects; more in a row than these are a loop. */
#define ACS_REDIRECTS_MAX 5U
/* Seconds. TR-069 3.4.2: at least 30 before an ACS counts as gone. */
#define ACS_CONNECT_TIMEOUT 30
#define ACS_TRANSFER_TIMEOUT 60
/* For a whole message, however it dribbles: all values (3 MB) over a line of 64 kbit/s. */
#define ACS_MESSAGE_TIMEOUT 600

/* What is written at once; nearly all messages are shorter. */
#define ACS_COLLECT_MAX 4096U

typedef struct AcsConnection {
        struct soap soap;
        char *url; /* of the next request */
        HttpCredentials credentials;
        CookieJar cookies;
        bool compress;
        bool basic_without_tls, clock_is_right;
        char *trusted_certificates, *client_certificate;
        char *ticket_host; /* of the first URL: what resumes is kept for that server only; NULL for none */
        int ticket_port;
        unsigned char ticket_key[TLS_TICKET_KEY_SIZE];
        TlsTicket ticket;     /* the newest, that the agent does not have yet */
        char *basic_realm;    /* the ACS wants Basic */
        CwmpVersion version;
        bool body_is_bounded; /* of the answer being read, body_left bytes are not here yet */
        size_t body_left;
        char collected[ACS_COLLECT_MAX]; /* of the message being sent, what goes out with the next write */
        size_t n_collected;
        int (*default_send)(struct soap *soap, const char *data, size_t n);
        size_t (*default_receive)(struct soap *soap, char *data, size_t n);
        int (*default_parse)(struct soap *soap);
        int (*http_default_parse_header)(struct soap *soap, const char *key, const char *value);
        SOAP_SOCKET (*default_open)(struct soap *soap, const char *endpoint, const char *host, int port);
        char request_uri[ACS_URL_MAX];
        char cnonce[2 * 8 + 1]; /* of the connection; travels with each request */
        bool empty_request;   /* the request under way has no envelope */
        char *error;          /* a sentence, after a failure */
} AcsConnection;

/* Takes the strings over from an OPEN frame, and resumes its TLS session if that is still good. 0 or a negative errno;
 * error is set then. */
int acs_connection_init(AcsConnection *c, Frame *open);
void acs_connection_done(AcsConnection *c);

/* Sends the message and receives the answer, through challenges and redirects. *ret is the caller's. 0 or
 * -EIO, error is set then. */
int acs_connection_exchange(AcsConnection *c, const CwmpMessage *m, CwmpMessage **ret);

/* Makes error a sentence from what failed and what gSOAP says of it. -EIO. */
int acs_connection_fail(AcsConnection *c, const char *what);
