/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One device's command on its way: job.c keeps them, job-step.c takes the steps. */
#pragma once

#include "operator/genieacs/job.h"
#include "operator/genieacs/plan.h"

typedef enum Step {
        STEP_LOOK,         /* read the document as it is before */
        STEP_POST,         /* post the next task */
        STEP_CHECK_TASKS,  /* are they still there? */
        STEP_CHECK_FAULTS, /* because they failed? */
        STEP_ASK,          /* ask for a session */
        STEP_READ_BACK,    /* read the document as it is after */
        STEP_SWEEP,        /* find the tasks that must not be executed any more */
        STEP_DELETE,       /* delete the next of them */
        STEP_FINISH,       /* store the result */
} Step;

typedef struct Job {
        Jobs *jobs;
        char *device; /* the identifier */
        char *id;     /* GenieACS's */
        Command *command; /* NULL: there is none, and the device is swept */
        Stage stage;
        Before before;
        json_t *tasks;
        size_t n_posted;
        json_t *pending; /* ids of our tasks that GenieACS has */
        Outcome outcome; /* if its kind is set, the command ends once the tasks are deleted */
        Step step;
        NbiRequest *request;
        sd_event_source *timer; /* waits to take the step */
        uint64_t retry_usec;
        unsigned attempts, rounds;
        bool is_reachable, was_sent, is_dropped;
        bool is_swept; /* what an earlier run of the service had left is gone */
} Job;

struct Jobs {
        sd_event *event;
        Store *store;
        Nbi *nbi;
        JobAnswered answered;
        void *userdata;
        void *jobs; /* tsearch(3), by device */
};

/* Takes the step now; when it failed for want of memory, later. */
void job_go(Job *job, Step step);

/* Takes it after a while, each time a longer one. */
void job_retry(Job *job, Step step);

/* Begins with the device's next command, or, before the first one, with what an earlier run had left; frees the job
 * if there is neither. */
void job_next(Job *job);
