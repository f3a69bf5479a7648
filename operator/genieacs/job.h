/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Brings the commands of each device to GenieACS, one after the other, and their results into the store.
 *
 * A command becomes tasks (plan.h). GenieACS keeps a task until a session has done it; ours are recognized
 * by their uniqueKey, so that after a restart, or an answer that was lost, they are taken back before they
 * are posted again. Tasks that are done are gone; then the device's document shows the effect. Tasks that
 * wait are looked at again, and the device is asked for a session, after 1 second, doubling up to 5 minutes,
 * and whenever the device has reported. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "operator/acs/store.h"
#include "operator/genieacs/nbi.h"

/* Waits between attempts, doubled each time, with jitter. */
#define JOB_RETRY_MIN_USEC 1000000ULL
#define JOB_RETRY_MAX_USEC 300000000ULL
/* A device that reports is in a session: its end is near. */
#define JOB_NUDGE_USEC 1000000ULL
/* The document is read so often before its tasks are posted once more, */
#define JOB_READ_BACK_ATTEMPTS 3U
/* and the tasks so often before the command has failed. */
#define JOB_ROUNDS_MAX 3U

typedef struct Jobs Jobs;

/* A result was put into the outbox. */
typedef void (*JobAnswered)(void *userdata);

/* store is the event loop's own; it and nbi are borrowed. *ret is the caller's. 0 or -ENOMEM. */
int jobs_new(Jobs **ret, sd_event *event, Store *store, Nbi *nbi, JobAnswered answered, void *userdata);
Jobs *jobs_free(Jobs *j);
DEFINE_TRIVIAL_CLEANUP_FUNC(Jobs *, jobs_free);

/* The device has commands in the store, or an earlier run may have left tasks of it. Logs what fails; then the next
 * call tries again. */
void jobs_serve(Jobs *j, const char *device);

/* The device has reported. */
void jobs_nudge(Jobs *j, const char *device);

/* The command is in the store no more: its tasks are taken back. */
void jobs_drop(Jobs *j, const char *device, const char *id);
