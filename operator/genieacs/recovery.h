/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Informs that could not be reported. GenieACS notes a fault of the preset's channel, and runs the script
 * again only after a pause that grows from five minutes to hours. The script reports how things are and not
 * what has happened, so nothing is lost if it runs in the device's next session; for that the faults are
 * deleted, when the bridge is there again. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "operator/genieacs/nbi.h"

/* The channel of presets/ispstorage-inform.json. */
#define RECOVERY_CHANNEL "ispstorage"
/* At a time: their ids fit into an answer (NBI_ANSWER_MAX). */
#define RECOVERY_FAULTS_MAX 1000U
/* At the start, and then this often. */
#define RECOVERY_INTERVAL_USEC 60000000ULL

typedef struct Recovery Recovery;

/* nbi is borrowed. *ret is the caller's. 0 or a negative errno. */
int recovery_new(Recovery **ret, sd_event *event, Nbi *nbi);
Recovery *recovery_free(Recovery *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(Recovery *, recovery_free);
