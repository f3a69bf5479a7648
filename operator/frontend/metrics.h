/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of the service for Prometheus (text exposition format 0.0.4). */
#pragma once

#include "operator/frontend/manager.h"

/* *ret is the caller's. 0, -ENOMEM, or an error of SQLite. */
int metrics_describe(Manager *m, char **ret);

/* True if the frontend can do its work now: the database answers and the broker is connected. */
bool frontend_is_healthy(Manager *m);
