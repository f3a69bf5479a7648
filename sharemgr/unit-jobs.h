/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs of the service manager: started over its bus API, awaited by its JobRemoved signal, never blocking.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "common/base/macro.h"

typedef struct UnitJobs UnitJobs;

/* The job of this unit has ended. result is systemd's word: "done", "failed", "timeout", "canceled",
 * "dependency", "skipped"; or "error" if the job could not even be queued (which is logged). */
typedef void (*UnitJobHandler)(const char *unit, const char *result, void *userdata);

/* active_state is systemd's word: "active", "inactive", "failed", "activating", "deactivating", "reloading".
 */
typedef void (*UnitStateHandler)(const char *unit, const char *active_state, void *userdata);

/* bus must outlive *ret, which is the caller's. 0 or a negative errno. */
int unit_jobs_new(UnitJobs **ret, sd_bus *bus);

/* Forgets all jobs without calling their handlers. NULL is allowed; returns NULL. */
UnitJobs *unit_jobs_free(UnitJobs *j);
DEFINE_TRIVIAL_CLEANUP_FUNC(UnitJobs *, unit_jobs_free);

/* Queues a job; method is "StartUnit", "StopUnit", "RestartUnit" or "ReloadOrRestartUnit". The handler is
 * called exactly once, from the event loop. 0 or a negative errno, then it is not called. */
int unit_jobs_queue(
                UnitJobs *j, const char *method, const char *unit, UnitJobHandler handler, void *userdata);

/* Mounts what at where with a transient mount unit. unit is where's name as unit_name_of_path() writes it.
 * As unit_jobs_queue(). */
int unit_jobs_mount(
                UnitJobs *j,
                const char *unit,
                const char *what,
                const char *type,
                const char *options,
                UnitJobHandler handler,
                void *userdata);

/* Makes systemd read unit files and drop-ins again, then queues the job. As unit_jobs_queue(). */
int unit_jobs_reload_and_queue(
                UnitJobs *j, const char *method, const char *unit, UnitJobHandler handler, void *userdata);

/* Calls the handler with the present state, and again whenever it changes, as long as j lives. 0 or a
 * negative errno. */
int unit_jobs_watch(UnitJobs *j, const char *unit, UnitStateHandler handler, void *userdata);
