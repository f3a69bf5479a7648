/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP around SOAP: gSOAP parses requests that are whole (chunked, gzip); responses are written here, with no more
 * headers than a CPE needs. */
#pragma once

#include "common/cwmp/cwmp-soap.h"
#include "operator/acs/transport.h"

/* Seconds. A CPE that sends nothing for this long has left (TR-069 section 3.4.1: it waits 30 s for the
 * ACS itself). */
#define HTTP_RECEIVE_TIMEOUT_SEC 30
/* From the first to the last byte of a message. */
#define HTTP_TRANSFER_TIMEOUT_SEC 60
/* What anybody may send before authentication: the largest Inform one expects, over a line of 30 kbit/s; and the
 * seconds for it, as above. */
#define HTTP_UNAUTHENTICATED_MAX (64U * 1024U)
#define HTTP_UNAUTHENTICATED_RECEIVE_SEC 10
#define HTTP_UNAUTHENTICATED_TRANSFER_SEC 20
/* Longest Authorization header. */
#define HTTP_AUTHORIZATION_SIZE 1536U
/* The session's cookie, and the other cookies that a header may carry before it. */
#define HTTP_COOKIE_SIZE 512U
/* Our cookie's name is one letter: it travels with each request. */
#define HTTP_COOKIE_NAME "s"
/* A smaller body does not get smaller by compression. */
#define HTTP_COMPRESS_MIN 256U
/* Headers that a caller of http_respond() adds. */
#define HTTP_EXTRA_SIZE 512U

typedef struct Http {
        struct soap *soap;
        Transport *transport;
        const char *data; /* of the request, what gSOAP has not read */
        size_t left;
        int (*parse_header)(struct soap *soap, const char *key, const char *value); /* gSOAP's own */
        size_t (*receive)(struct soap *soap, char *buf, size_t size);
        char authorization[HTTP_AUTHORIZATION_SIZE], cookie[HTTP_COOKIE_SIZE];
        bool accepts_gzip : 1;
        bool chunked : 1;
        bool authorization_too_long : 1;
} Http;

/* Prepares the context for one request, which is whole; trusted: the peer may send more than a stranger. soap->user
 * then is the Http; it, data and transport must live until http_done(). */
void http_init(Http *h, struct soap *soap, Transport *transport, const char *data, size_t size, bool trusted);

/* Leaves the context ready for the next http_init(). */
void http_done(Http *h);

/* Reads the head of the request. 0, -ECONNRESET if there is not all of it, or a positive HTTP status with which the
 * request is to be refused before the connection is closed. */
int http_receive(Http *h);

/* True if the request has a body. */
bool http_has_body(const Http *h);

/* Reads the body, decompressed, into the context's memory. 0, -ECONNRESET if there is not all of it, -EBADMSG
 * if it is not what its headers say, too large, or has a NUL. */
int http_read_body(Http *h, const char **ret);

/* The value of the session's cookie in a Cookie header, written to buf. False if there is none. */
bool http_get_cookie(const char *header, char *buf, size_t size);

/* Sends a response; body may be NULL. extra holds further header lines, each with its end of line, or is
 * "". 0 or -ECONNRESET, -ENOMEM. */
int http_respond(Http *h, int status, const char *extra, const char *body);

/* True if the peer wants to go on with this connection. */
bool http_keeps_alive(const Http *h);
