/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/job-internal.h"

/* How our tasks are told from those of others. */
#define UNIQUE_KEY_PREFIX "ispstorage-"
#define FAULT_INTERNAL 9002

/* The command is over: takes the outcome, deletes what is left of its tasks, and answers. */
static void end_with(Job *job, OutcomeKind kind, uint32_t fault_code, const char *text) {
        outcome_done(&job->outcome);
        job->outcome = (Outcome) { .kind = kind, .fault_code = fault_code, .text = strdup(text) };
        job_go(job, job->was_sent ? STEP_SWEEP : STEP_FINISH);
}

static bool is_once_only(const Job *job) {
        return job->command->kind == COMMAND_ADD && job->stage == STAGE_EXECUTE;
}

/* It was tried often enough. */
static void give_up(Job *job, const char *why) {
        log_warning("%s: command %s: %s", job->device, job->command->id, why);
        if (is_once_only(job))
                end_with(job, OUTCOME_UNKNOWN, 0, why);
        else
                end_with(job, OUTCOME_FAULT, FAULT_INTERNAL, why);
}

static int look(Job *job, NbiHandler handler) {
        json_auto_t *query = json_pack("{s:s}", "_id", job->id);
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *projection = NULL;
        int r;

        r = plan_names(job->command, &names);
        if (r >= 0)
                r = document_projection(names, &projection);
        return r < 0 ? r
                     : nbi_query(job->jobs->nbi, "devices", query, projection, 0, handler, job, &job->request);
}

static void begin_stage(Job *job, Stage stage, const json_t *document) {
        int r;

        job->stage = stage;
        job->n_posted = 0;
        job->attempts = 0;
        job->retry_usec = JOB_RETRY_MIN_USEC;
        json_decref(job->tasks);
        job->tasks = NULL;
        job->is_reachable = document_is_reachable(document);
        r = before_take(&job->before, job->command, document);
        if (r >= 0)
                r = plan_tasks(job->command, stage, &job->tasks);
        if (r == -EOPNOTSUPP) {
                end_with(job, OUTCOME_REJECTED, 0, "GenieACS has no task for it");
                return;
        }
        if (r >= 0)
                r = store_command_mark_sent(job->jobs->store, job->device, job->command->id);
        if (r < 0) {
                (void) log_error_errno(r, "%s: failed to prepare a command: %m", job->device);
                job_retry(job, STEP_LOOK);
                return;
        }
        job->was_sent = true;
        job_go(job, STEP_POST);
}

/* The device's document; NULL if the step was taken care of. */
static const json_t *take_document(Job *job, long status, const json_t *body) {
        const json_t *document = json_array_get(body, 0);

        if (status == NBI_STATUS_TOO_LARGE) {
                end_with(job, OUTCOME_REJECTED, 0, "the device's document is too large");
                return NULL;
        }
        if (status != 200 || !json_is_array(body) || (document && !json_is_object(document))) {
                job_retry(job, job->step);
                return NULL;
        }
        if (!document) {
                end_with(job, OUTCOME_REJECTED, 0, "the device is unknown");
                return NULL;
        }
        return document;
}

static void on_look(long status, const json_t *body, void *userdata) {
        Job *job = userdata;
        const json_t *document;

        job->request = NULL;
        document = take_document(job, status, body);
        if (document)
                begin_stage(job, plan_stage(job->command, document), document);
}

static void on_post(long status, const json_t *body, void *userdata) {
        Job *job = userdata;
        bool is_last = job->n_posted + 1 == json_array_size(job->tasks);

        job->request = NULL;
        if (status == 200 || status == 202) {
                job->n_posted++;
                if (!is_last)
                        job_go(job, STEP_POST);
                else
                        job_go(job, status == 200 && job->n_posted == 1 ? STEP_READ_BACK : STEP_CHECK_TASKS);
        } else if (status == 404)
                end_with(job, OUTCOME_REJECTED, 0, "the device is unknown");
        else if (status == 400)
                give_up(job, "GenieACS does not take the task");
        else
                /* It may be there or not, or be done. */
                job_retry(job, is_once_only(job) ? STEP_CHECK_TASKS : STEP_SWEEP);
}

static int post(Job *job) {
        json_t *task = json_array_get(job->tasks, job->n_posted);
        bool is_last = job->n_posted + 1 == json_array_size(job->tasks);
        _cleanup_free_ char *key = strfmt(UNIQUE_KEY_PREFIX "%s-%zu", job->command->id, job->n_posted);

        if (!key || json_object_set_new(task, "uniqueKey", json_string(key)) < 0)
                return -ENOMEM;
        return nbi_post_task(
                        job->jobs->nbi,
                        job->id,
                        task,
                        is_last && job->is_reachable,
                        on_post,
                        job,
                        &job->request);
}

static int query_tasks(Job *job, NbiHandler handler) {
        json_auto_t *query = json_pack("{s:s}", "device", job->id);

        return nbi_query(job->jobs->nbi, "tasks", query, "_id,uniqueKey", 0, handler, job, &job->request);
}

/* Fills pending with our tasks. */
static int take_tasks(Job *job, const json_t *body) {
        const json_t *task;
        size_t i;

        json_decref(job->pending);
        job->pending = json_array();
        if (!job->pending)
                return -ENOMEM;
        json_array_foreach(body, i, task) {
                const char *key = json_string_value(json_object_get(task, "uniqueKey"));
                json_t *id = json_object_get(task, "_id");

                if (key && startswith(key, UNIQUE_KEY_PREFIX) && json_is_string(id) &&
                    json_array_append(job->pending, id) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void on_tasks(long status, const json_t *body, void *userdata) {
        Job *job = userdata;

        job->request = NULL;
        if (status != 200 || !json_is_array(body) || take_tasks(job, body) < 0)
                job_retry(job, job->step);
        else if (job->step == STEP_SWEEP)
                job_go(job, STEP_DELETE);
        else
                job_go(job, json_array_size(job->pending) > 0 ? STEP_CHECK_FAULTS : STEP_READ_BACK);
}

/* They were not executed: the session failed, or there was none. */
static void wait_for_session(Job *job) {
        job_retry(job, job->is_reachable ? STEP_ASK : STEP_CHECK_TASKS);
}

static bool is_of_pending(const Job *job, const json_t *fault) {
        const char *channel = json_string_value(json_object_get(fault, "channel"));
        const char *id = channel ? startswith(channel, "task_") : NULL;
        const json_t *task;
        size_t i;

        json_array_foreach(job->pending, i, task)
                if (id && streq(id, json_string_value(task)))
                        return true;
        return false;
}

static void on_faults(long status, const json_t *body, void *userdata) {
        Job *job = userdata;
        const json_t *fault;
        Outcome outcome = {};
        size_t i, n_found = 0;
        int r = 0;

        job->request = NULL;
        if (status != 200 || !json_is_array(body)) {
                job_retry(job, job->step);
                return;
        }
        json_array_foreach(body, i, fault) {
                if (!is_of_pending(job, fault))
                        continue;
                n_found++;
                r = plan_read_fault(fault, &outcome);
                if (r != 0)
                        break;
        }
        if (r > 0) {
                outcome_done(&job->outcome);
                job->outcome = outcome;
                job_go(job, STEP_DELETE);
        } else if (r < 0)
                job_retry(job, job->step);
        else if (n_found == 0)
                wait_for_session(job);
        else if (++job->rounds >= JOB_ROUNDS_MAX || is_once_only(job))
                give_up(job, "the session of GenieACS with the device fails");
        else
                /* GenieACS would wait for five minutes and more before it tries them again. */
                job_go(job, STEP_DELETE);
}

static int query_faults(Job *job) {
        json_auto_t *query = json_pack("{s:s}", "device", job->id);

        return nbi_query(job->jobs->nbi, "faults", query, NULL, 0, on_faults, job, &job->request);
}

static void on_asked(long status, const json_t *body, void *userdata) {
        Job *job = userdata;

        job->request = NULL;
        /* The device answers at once, or does not; its session takes a moment. */
        job_retry(job, STEP_CHECK_TASKS);
}

static void on_read_back(long status, const json_t *body, void *userdata) {
        Job *job = userdata;
        const json_t *document;
        Outcome outcome = {};

        job->request = NULL;
        document = take_document(job, status, body);
        if (!document)
                return;
        if (plan_judge(job->command, job->stage, &job->before, document, &outcome) < 0) {
                job_retry(job, job->step);
                return;
        }
        if (outcome.kind == OUTCOME_DISCOVERED)
                begin_stage(job, STAGE_EXECUTE, document);
        else if (outcome.kind != OUTCOME_STALE) {
                outcome_done(&job->outcome);
                job->outcome = outcome;
                job_go(job, STEP_FINISH);
                return;
        } else if (++job->attempts < JOB_READ_BACK_ATTEMPTS)
                job_retry(job, STEP_READ_BACK);
        else if (++job->rounds < JOB_ROUNDS_MAX)
                /* No task, no fault, no effect: also an add can be tried again. */
                job_retry(job, STEP_LOOK);
        else
                give_up(job, "GenieACS did it, and it has no effect");
        outcome_done(&outcome);
}

static void on_deleted(long status, const json_t *body, void *userdata) {
        Job *job = userdata;

        job->request = NULL;
        if (status != 200 && status != 404) {
                job_retry(job, STEP_DELETE);
                return;
        }
        (void) json_array_remove(job->pending, 0);
        job_go(job, STEP_DELETE);
}

/* None of our tasks is there any more. */
static void on_swept(Job *job) {
        job->is_swept = true;
        if (job->is_dropped || !job->command)
                job_next(job);
        else if (job->outcome.kind != OUTCOME_NONE)
                job_go(job, STEP_FINISH);
        else
                job_go(job, STEP_LOOK);
}

static int delete_task(Job *job) {
        const char *id = json_string_value(json_array_get(job->pending, 0));

        if (!id) {
                on_swept(job);
                return 0;
        }
        return nbi_delete(job->jobs->nbi, "tasks", id, on_deleted, job, &job->request);
}

static int answer(Job *job) {
        _cleanup_message_ Message m = {};
        int64_t now = (int64_t) time(NULL);
        int r;

        r = outcome_message(&job->outcome, job->command, job->device, now, &m);
        if (r == -EMSGSIZE) {
                outcome_done(&job->outcome);
                job->outcome = (Outcome) { .kind = OUTCOME_REJECTED,
                                          .text = strdup("the answer is too large") };
                r = outcome_message(&job->outcome, job->command, job->device, now, &m);
        }
        if (r >= 0)
                r = store_command_finish(job->jobs->store, job->device, job->command->id, now, &m);
        return r == -ENOENT ? 0 : r; /* it has expired in this moment */
}

static int finish(Job *job) {
        int r;

        r = answer(job);
        if (r < 0)
                return log_error_errno(r, "%s: failed to store a result: %m", job->device);
        job->jobs->answered(job->jobs->userdata);
        job_next(job);
        return 0;
}

static int take_step(Job *job) {
        switch (job->step) {
        case STEP_LOOK:
                return look(job, on_look);
        case STEP_POST:
                return post(job);
        case STEP_CHECK_TASKS:
        case STEP_SWEEP:
                return query_tasks(job, on_tasks);
        case STEP_CHECK_FAULTS:
                return query_faults(job);
        case STEP_ASK:
                return nbi_post_task(job->jobs->nbi, job->id, NULL, true, on_asked, job, &job->request);
        case STEP_READ_BACK:
                return look(job, on_read_back);
        case STEP_DELETE:
                return delete_task(job);
        case STEP_FINISH:
                return finish(job);
        }
        return -EINVAL;
}

void job_go(Job *job, Step step) {
        job->step = step;
        if (take_step(job) < 0)
                job_retry(job, step);
}
