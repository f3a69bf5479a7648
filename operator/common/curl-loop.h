/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libcurl's transfers on the event loop. */
#pragma once

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct CurlLoop CurlLoop;

/* A transfer is over, well or not. userdata is its CURLOPT_PRIVATE. The transfer is out of the loop already;
 * the handler cleans it up or starts it again, and may start and cancel others. */
typedef void (*CurlDone)(CURL *easy, CURLcode code, void *userdata);

/* Keeps at most so many connections, those in use included, for other transfers to the same server. *ret is the
 * caller's. 0, -ENOMEM, or -EIO if libcurl does not start. */
int curl_loop_new(CurlLoop **ret, sd_event *event, unsigned connections_max, CurlDone done);

/* Frees it; all transfers have been cancelled before. NULL is allowed; returns NULL. */
CurlLoop *curl_loop_free(CurlLoop *l);
DEFINE_TRIVIAL_CLEANUP_FUNC(CurlLoop *, curl_loop_free);

/* Starts the transfer; easy stays the caller's. 0 or -EIO. */
int curl_loop_start(CurlLoop *l, CURL *easy);

/* Ends a transfer that is under way, without a call of the handler, and cleans the handle up. NULL is
 * allowed. */
void curl_loop_cancel(CurlLoop *l, CURL *easy);
