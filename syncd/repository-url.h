/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two parameters that say where the repository is and how to know the server: RepositoryURL,
 * RepositoryHostKeys. */
#pragma once

#include "common/base/macro.h"

/* A DNS name (RFC 1035: 253 characters), a user name (useradd(8): 32) and a file name (NAME_MAX). */
#define REPOSITORY_HOST_MAX 253U
#define REPOSITORY_USER_MAX 32U
#define REPOSITORY_NAME_MAX 255U
/* Several keys for a rollover; an RSA key of 16384 bits in base64 takes 2800 characters. */
#define REPOSITORY_HOST_KEYS_MAX 8U
#define REPOSITORY_HOST_KEY_SIZE_MAX 4096U

typedef struct RepositoryUrl {
        char user[REPOSITORY_USER_MAX + 1];
        char host[REPOSITORY_HOST_MAX + 1]; /* an IPv6 address is without its brackets */
        uint16_t port;
        char name[REPOSITORY_NAME_MAX + 1];
} RepositoryUrl;

/* Reads "ssh://user@host[:port]/name"; nothing else of RFC 3986 is accepted: no password, query,
 * fragment, escape or second path component. The parts hold only letters, digits, '.', '_', '-' (the host
 * also ':' if it was in brackets) and do not begin with '-', so that they are safe as arguments of ssh(1)
 * and of the remote command. The port defaults to 22. 0, or -EINVAL, then *ret is untouched. */
int repository_url_parse(const char *s, RepositoryUrl *ret);

/* Makes the content of a known_hosts file (sshd(8)) from lines, or a comma separated list, of "type
 * base64 [comment]", for a server that is called alias. *ret is the caller's, "" for an empty list. 0,
 * -EINVAL, -ENOMEM. */
int repository_host_keys_to_known_hosts(const char *keys, const char *alias, char **ret);
