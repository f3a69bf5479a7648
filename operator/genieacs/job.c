/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <search.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/job-internal.h"

#define ACCURACY_USEC 1000ULL

/* Leaves the device without a command. */
static void reset(Job *job) {
        job->request = nbi_cancel(job->request);
        job->timer = sd_event_source_disable_unref(job->timer);
        job->command = command_free(job->command);
        before_done(&job->before);
        outcome_done(&job->outcome);
        json_decref(job->tasks);
        json_decref(job->pending);
        job->tasks = job->pending = NULL;
        job->retry_usec = JOB_RETRY_MIN_USEC;
        job->attempts = job->rounds = 0;
        job->was_sent = job->is_dropped = false;
}

static Job *job_free(Job *job) {
        if (!job)
                return NULL;
        reset(job);
        free(job->device);
        free(job->id);
        free(job);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Job *, job_free);

static int compare_jobs(const void *a, const void *b) {
        return strcmp(((const Job *) a)->device, ((const Job *) b)->device);
}

static void forget(Job *job) {
        (void) tdelete(job, &job->jobs->jobs, compare_jobs);
        (void) job_free(job);
}

static Job *find(Jobs *j, const char *device) {
        Job **found = tfind(&(Job) { .device = (char *) device }, &j->jobs, compare_jobs);

        return found ? *found : NULL;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Job *job = userdata;

        job->timer = sd_event_source_disable_unref(job->timer);
        job_go(job, job->step);
        return 0;
}

static void wait_for(Job *job, Step step, uint64_t usec) {
        job->step = step;
        job->timer = sd_event_source_disable_unref(job->timer);
        if (sd_event_add_time_relative(
                            job->jobs->event,
                            &job->timer,
                            CLOCK_MONOTONIC,
                            usec,
                            ACCURACY_USEC,
                            on_timer,
                            job) < 0)
                /* The frontend asks for the command again, and it is taken up where the store has it. */
                forget(job);
}

/* Half of the time for sure, the other half by chance: what failed together does not come back together. */
void job_retry(Job *job, Step step) {
        uint64_t random = 0, usec = job->retry_usec;

        (void) getrandom(&random, sizeof(random), GRND_NONBLOCK);
        job->retry_usec = MIN(usec * 2, JOB_RETRY_MAX_USEC);
        wait_for(job, step, usec / 2 + random % (usec / 2 + 1));
}

static int load_command(Job *job) {
        _cleanup_(stored_command_freep) StoredCommand *stored = NULL;
        _cleanup_free_ char *id = NULL;
        const char *error;
        int r;

        r = store_command_next(job->jobs->store, job->device, &stored);
        if (r <= 0)
                return r;
        r = command_parse(stored->payload, strlen(stored->payload), &job->command, &id, &error);
        if (r < 0)
                return r;
        job->was_sent = stored->was_sent;
        return 1;
}

/* The tasks of an earlier run may be there, or done, also those of a command that has expired since, with no other
 * behind it. The effect of a set, a get or a delete is the same when it is done once more; that of an add is not. */
static void resume(Job *job) {
        if (job->was_sent && job->command->kind == COMMAND_ADD) {
                job->outcome.kind = OUTCOME_UNKNOWN;
                job->outcome.text = strdup("the bridge was interrupted");
        }
        job_go(job, STEP_SWEEP);
}

void job_next(Job *job) {
        int r;

        reset(job);
        r = load_command(job);
        if (r < 0)
                (void) log_error_errno(r, "%s: failed to read the next command: %m", job->device);
        if (r < 0 || (r == 0 && job->is_swept))
                forget(job);
        else if (!job->is_swept)
                resume(job);
        else
                job_go(job, STEP_LOOK);
}

void jobs_serve(Jobs *j, const char *device) {
        _cleanup_(job_freep) Job *job = NULL;

        if (find(j, device))
                return; /* it will come to it */
        job = calloc(1, sizeof(*job));
        if (job)
                job->device = strdup(device);
        if (!job || !job->device || genieacs_device_id(device, &job->id) < 0) {
                (void) log_oom();
                return;
        }
        job->jobs = j;
        if (!tsearch(job, &j->jobs, compare_jobs)) {
                (void) log_oom();
                return;
        }
        job_next(TAKE_PTR(job));
}

void jobs_nudge(Jobs *j, const char *device) {
        Job *job = find(j, device);

        if (!job || !job->timer || (job->step != STEP_ASK && job->step != STEP_CHECK_TASKS))
                return;
        job->retry_usec = JOB_RETRY_MIN_USEC;
        wait_for(job, STEP_CHECK_TASKS, JOB_NUDGE_USEC);
}

void jobs_drop(Jobs *j, const char *device, const char *id) {
        Job *job = find(j, device);

        if (!job || !job->command || !streq(job->command->id, id) || job->is_dropped)
                return;
        job->request = nbi_cancel(job->request);
        job->timer = sd_event_source_disable_unref(job->timer);
        job->is_dropped = true;
        job->retry_usec = JOB_RETRY_MIN_USEC;
        if (job->was_sent)
                job_go(job, STEP_SWEEP);
        else
                job_next(job);
}

int jobs_new(Jobs **ret, sd_event *event, Store *store, Nbi *nbi, JobAnswered answered, void *userdata) {
        Jobs *j = calloc(1, sizeof(*j));

        if (!j)
                return -ENOMEM;
        *j = (Jobs) {
                .event = sd_event_ref(event),
                .store = store,
                .nbi = nbi,
                .answered = answered,
                .userdata = userdata,
        };
        *ret = j;
        return 0;
}

Jobs *jobs_free(Jobs *j) {
        if (!j)
                return NULL;
        while (j->jobs)
                forget(*(Job **) j->jobs);
        (void) sd_event_unref(j->event);
        free(j);
        return NULL;
}
