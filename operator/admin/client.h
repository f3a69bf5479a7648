/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend's HTTP API over its UNIX socket. */
#pragma once

#include <jansson.h>

#include "common/base/macro.h"

/* A list of some ten thousand devices. */
#define RESPONSE_MAX (64U * 1024U * 1024U)

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Sends a request; body may be NULL. *ret_status is HTTP's, *ret the JSON of the answer (the caller's, NULL
 * for none). 0, -ECONNREFUSED if the frontend does not answer, -EBADMSG if the answer is not JSON, -ENOMEM.
 */
int client_request(
                const char *socket,
                const char *method,
                const char *path,
                const json_t *body,
                long *ret_status,
                json_t **ret);

/* Gets what is not JSON, and writes it to fd; the answer of an error is in *ret instead (the caller's). -ECONNREFUSED
 * if the frontend does not answer, -EPIPE if the answer was cut short or could not be written. */
int client_download(const char *socket, const char *path, int fd, long *ret_status, json_t **ret);

/* One element of a path, percent-encoded. The caller's; NULL if memory ran out. */
char *client_escape(const char *element);
