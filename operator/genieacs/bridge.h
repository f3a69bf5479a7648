/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service: what connects the frontend's queue, the jobs at GenieACS, and the Informs that its extension
 * reports. */
#pragma once

#include <systemd/sd-event.h>

#include "operator/genieacs/bridge-config.h"

typedef struct Bridge Bridge;

/* config is borrowed; fd is the socket for Informs, and is taken over. Logs what fails. *ret is the
 * caller's. 0 or a negative errno. */
int bridge_new(Bridge **ret, sd_event *event, const BridgeConfig *config, int fd);
Bridge *bridge_free(Bridge *b);
DEFINE_TRIVIAL_CLEANUP_FUNC(Bridge *, bridge_free);
