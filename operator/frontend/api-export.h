/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The archive of a version of a folder, streamed from ispstorage-repository to a client of the HTTP API. */
#pragma once

#include "operator/frontend/api-server.h"
#include "operator/frontend/manager.h"

/* Archives under way at a time: each is a process that reads. */
#define EXPORTS_MAX 4U

typedef struct Export Export;

typedef struct ExportRequest {
        const char *subscription, *version, *path; /* version and path may be NULL */
} ExportRequest;

/* Starts to read, and suspends the connection until the first part is there. 0, -ENOENT if there is no such
 * subscription, -EAGAIN if too many are under way, or another negative errno. */
int export_start(
                Export **ret,
                Manager *m,
                ApiServer *server,
                struct MHD_Connection *connection,
                const ExportRequest *q);
/* The connection was resumed: queues the archive as response and returns 0 with *ret (else untouched),
 * -ENOENT if there is no such version or path, -EIO if reading failed. *e lives until the request is
 * completed. */
int export_respond(Export *e, enum MHD_Result *ret);
/* Ends it. NULL is allowed; returns NULL. */
Export *export_free(Export *e);
