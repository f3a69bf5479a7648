/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cookies of one session (TR-069 section 3.4.3, RFC 6265), each kept byte by byte: gSOAP's own decodes and encodes
 * them anew, and an ACS, or what balances the load before it, does not know "a%3D%3D" for its "a==". No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* TR-069 3.4.3: more than one, and 512 bytes at least; RFC 6265 section 6.1 has 4096 for each. */
#define COOKIES_MAX 16U
#define COOKIE_SIZE_MAX 4096U

typedef struct Cookie {
        char *pair;         /* "name=value" as it came */
        char *host, *path;  /* where it is sent to */
        bool secure;        /* only over TLS */
} Cookie;

/* {} is an empty one. */
typedef struct CookieJar {
        Cookie cookies[COOKIES_MAX];
        size_t n;
} CookieJar;

void cookie_jar_done(CookieJar *j);

/* Takes the value of a Set-Cookie header that answered a request to host and target (the path and query of the request
 * line). A cookie is for that host alone, whatever Domain says. What is no cookie, or does not fit, is passed over, as
 * section 5.2 of the RFC has it; dates are not read, as a session is over before they matter, but Max-Age=0 removes.
 * 0 or -ENOMEM. */
int cookie_jar_take(CookieJar *j, const char *host, const char *target, const char *set_cookie);

/* The value of the Cookie header for a request, in a new string. *ret is NULL if there is none to send. 0 or
 * -ENOMEM. */
int cookie_jar_header(const CookieJar *j, const char *host, const char *target, bool tls, char **ret);
