/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of synchronization with something of everything in it, to be disturbed; and what must be true afterwards. */
#pragma once

#include "tests/unit/sync-run.h"

/* Contents 6 to 9 are nowhere but in the folder; each must be in it afterwards. */
extern const char aftermath_base[], aftermath_local[], aftermath_remote[];

/* What the daemon does after a start: recover, advance the base, run again. With base_recorded, the disturbance came
 * after that. Nothing may be lost, and all must end as it would have without the disturbance. */
void aftermath_check(const Folder *f, bool base_recorded);
