/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP API (docs/openapi.json). On the UNIX socket who may connect may do everything; over the network a token
 * says who it is. */
#pragma once

#include "operator/frontend/manager.h"

/* Largest body of a request: a profile and what is around it. */
#define API_BODY_MAX (512U * 1024U)
/* Longest that a request may wait for the result of a command. */
#define API_WAIT_MAX_SEC 3600U

typedef struct Api Api;

/* Serves on listen_fd, a listening stream socket of the UNIX family, which is taken over (-EBADF: there is none), and
 * over the network if the manager's configuration has a port. manager must live longer. 0 or a negative errno; logs. */
int api_new(Api **ret, Manager *manager, int listen_fd);
Api *api_free(Api *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(Api *, api_free);
