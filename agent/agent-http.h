/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's two listeners: connection requests, and the Device Type documents. */
#pragma once

#include "agent/agent-manager.h"
#include "agent/listener.h"

/* Makes the path of ConnectionRequestURL, kept in the state directory. 0 or a negative errno. This function logs. */
int agent_http_setup(Agent *a);

/* Listens. 0 or a negative errno. This function logs. */
int agent_http_listen(Agent *a);
