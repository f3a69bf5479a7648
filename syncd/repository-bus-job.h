/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A method call that asks for main's history: the tree worker is asked, what it lacks is fetched by a transfer worker
 * of its own, and it is asked again, until the answer is complete. The methods: repository-bus-history.h. */
#pragma once

#include "syncd/sync-manager.h"

typedef enum JobKind {
        JOB_VERSIONS,
        JOB_COMMITS,
        JOB_FIND,
        JOB_RESTORE,
} JobKind;

struct BusJob {
        BusJob *next;
        ManagerEntry *entry;
        JobKind kind;
        sd_bus_message *request;
        sd_bus_message *reply;  /* of a list, being filled */
        sd_bus_track *caller;
        char **question;        /* for the tree worker, without what changes from time to time */
        bool tells_more;        /* the reply ends with whether there are older ones */
        bool asked;             /* the tree worker is to answer */
        bool final;             /* nothing more can be fetched */
        bool canceled;
        TransferClient *fetcher;
        unsigned n_fetches;
        char *text;             /* why a fetch failed */

        /* JOB_RESTORE */
        char *path, *to, *after;
        bool dirty;        /* something may have been put in place */
        uint64_t total;
        uint64_t done;     /* bytes in place */
        uint64_t fetched;  /* of those that are not, by the fetches before ... */
        uint64_t fetching; /* ... and by the one that runs */
        uint64_t n_restored;
        uint64_t n_failed;
        int failed_error;
        char *failed_path;
};

/* A job for the call, with the command of its question. 0, -EBUSY (too many, or another restoration runs), or another
 * negative errno. */
int bus_job_new(BusJob **ret, ManagerEntry *e, JobKind kind, sd_bus_message *request, const char *command);
BusJob *bus_job_free(BusJob *j);
DEFINE_TRIVIAL_CLEANUP_FUNC(BusJob *, bus_job_free);

/* Asks the tree worker. From here on the job lives until it has replied. */
void bus_job_ask(BusJob *j);
/* Replies that it was canceled, at once or when the tree worker has ended its part. */
void bus_job_cancel(BusJob *j);
/* For people. */
const char *bus_job_error_text(int error);
