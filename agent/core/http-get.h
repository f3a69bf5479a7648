/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser behind the agent's two listeners, which strangers can reach: GET only, one request, fixed buffer. */
#pragma once

#include "common/base/macro.h"

/* Request line and headers; a connection request with digest needs about 600 bytes. */
#define HTTP_GET_REQUEST_MAX 4096U

typedef struct HttpGet {
        char *path;          /* without query; points into the buffer */
        char *authorization; /* header value or NULL; points into the buffer */
} HttpGet;

typedef enum HttpGetResult {
        HTTP_GET_COMPLETE,
        HTTP_GET_INCOMPLETE,  /* more is to come */
        HTTP_GET_BAD_REQUEST, /* answer 400 */
        HTTP_GET_BAD_METHOD,  /* answer 405 */
} HttpGetResult;

/* Parses size bytes at buffer, which is written to when the request is complete and must have room for one byte more.
 * *ret is set with HTTP_GET_COMPLETE only. A buffer of HTTP_GET_REQUEST_MAX bytes is never incomplete. */
HttpGetResult http_get_parse(char *buffer, size_t size, HttpGet *ret);
