/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The URLs of an ACS. */
#pragma once

#include <stdbool.h>

/* ManagementServer.URL has 256 characters; a redirect may be longer. */
#define ACS_URL_MAX 1024U

/* True for "http://..." and "https://..." without anything that has no place in a request line. The functions below
 * want a URL for which this is true. */
bool acs_url_is_usable(const char *url);
bool acs_url_is_https(const char *url);

/* What a Location header says (RFC 9110 section 10.2.2) to a request of url: a whole URL, or a reference from there
 * (RFC 3986 section 5.3; ".." is left to the server). A new string, which need not be usable. NULL if memory ran
 * out. */
char *acs_url_resolve(const char *url, const char *location);

/* Finds the own address towards the server, without sending anything but name resolution. *ret is the caller's. 0,
 * -EHOSTUNREACH, -EINVAL if host or port are none, or -ENOMEM. */
int acs_url_local_address(const char *url, char **ret);
