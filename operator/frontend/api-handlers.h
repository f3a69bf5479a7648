/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resources of the HTTP API, without HTTP. */
#pragma once

#include <jansson.h>

#include "operator/frontend/manager.h"

typedef struct ApiRequest {
        const char *method;
        const char *path;   /* decoded */
        const char *who;    /* for the audit log */
        bool read_only;     /* may not order anything */
        const char *device, *subscription, *before, *erase; /* query parameters, or NULL */
        const json_t *body; /* an object, or NULL */
} ApiRequest;

typedef struct ApiResponse {
        unsigned status; /* HTTP */
        json_t *body;    /* the caller's; NULL for none */
        char *text;    /* instead of body: for Prometheus; the caller's */
        char *awaited; /* the end of this command or task may be waited for; the caller's; NULL for none */
} ApiResponse;

/* Always gives an answer. */
void api_handle(Manager *m, const ApiRequest *request, ApiResponse *ret);
