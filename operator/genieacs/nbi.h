/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The northbound interface of GenieACS: HTTP and JSON, on the event loop.
 *
 * It is a program that stops when it is asked what it does not expect, so whatever is asked of it is made
 * here and nowhere else: tasks as plan.h makes them, and connection requests only to a device that is known
 * to be reachable (document_is_reachable()). */
#pragma once

#include <jansson.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* An answer that is larger ends the request, with this status. */
#define NBI_ANSWER_MAX (2U * 1024U * 1024U)
#define NBI_STATUS_TOO_LARGE 413
/* From connect to answer. */
#define NBI_TIMEOUT_MSEC 30000L
/* The same where it waits for a session: up to 30 s until one that runs is over, for the connection request
 * and the begin of the session, and up to 120 s for its end. */
#define NBI_SESSION_TIMEOUT_MSEC 200000L

typedef struct Nbi Nbi;
typedef struct NbiRequest NbiRequest;

typedef struct NbiSettings {
        const char *url;     /* without a slash at its end */
        const char *ca_file; /* NULL: the system's */
        unsigned requests;   /* at a time, at least 2; a quarter is for asking devices for sessions */
} NbiSettings;

/* The answer. status is the status of HTTP, 0 if there was none; body is the JSON
 * in it, NULL if there is none, and borrowed. The request is gone when this is called. */
typedef void (*NbiHandler)(long status, const json_t *body, void *userdata);

/* settings is copied. Logs when the NBI does not answer, and when it answers again. *ret is the caller's. 0,
 * -ENOMEM, or -EIO if libcurl does not start. */
int nbi_new(Nbi **ret, sd_event *event, const NbiSettings *settings);

/* All requests are over or cancelled. NULL is allowed; returns NULL. */
Nbi *nbi_free(Nbi *n);
DEFINE_TRIVIAL_CLEANUP_FUNC(Nbi *, nbi_free);

/* Each of these makes a request, *ret, which lives until its handler is called or it is cancelled; the
 * handler is never called from within. 0, -ENOMEM or -EIO. */

/* GET /<collection>/?query=<query>&projection=<projection>&limit=<limit>; projection may be NULL, limit 0 for all. */
int nbi_query(Nbi *n,
              const char *collection,
              const json_t *query,
              const char *projection,
              unsigned limit,
              NbiHandler handler,
              void *userdata,
              NbiRequest **ret);

/* POST /devices/<id>/tasks, with ?connection_request if the device shall be asked for a session; id is
 * GenieACS's. Without a task (NULL) it is asked for a session and nothing else, so then connection_request
 * must be true. */
int nbi_post_task(
                Nbi *n,
                const char *id,
                const json_t *task,
                bool connection_request,
                NbiHandler handler,
                void *userdata,
                NbiRequest **ret);

/* DELETE /<collection>/<id>: a task, and its fault with it; or a fault. */
int nbi_delete(Nbi *n,
               const char *collection,
               const char *id,
               NbiHandler handler,
               void *userdata,
               NbiRequest **ret);

/* Ends it without a call of the handler. NULL is allowed; returns NULL. */
NbiRequest *nbi_cancel(NbiRequest *r);
