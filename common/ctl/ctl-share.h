/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "ispstoragectl share": what the share manager serves, to whom, and who uses it now. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base/macro.h"

/* arguments: what follows "share", until NULL: nothing or "shares", "users", "volumes", "media", "sessions", or
 * "end-session NAME", or "wipe NAME", which asks for the name of the medium again. 0 or
 * a negative errno, which is logged. */
int ctl_share(sd_bus *bus, bool json, char *arguments[]);
