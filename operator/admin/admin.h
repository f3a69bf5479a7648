/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of ispstorage-admin. */
#pragma once

#include "operator/admin/client.h"

typedef struct Options {
        unsigned wait_sec; /* first, so that no other has the offset 0 */
        const char *socket;
        const char *user, *profile, *subscription, *name, *device, *before, *quota, *at, *path, *into, *retention;
        const char *state, *repositories, *configuration;
        bool json, password_stdin, wait, erase, read_only, dry_run, now, all;
} Options;

/* Exit codes, also in --help. */
enum {
        EXIT_REFUSED = 1, /* the frontend or the device said no; the reason is on standard error */
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 3, /* the frontend does not answer */
        EXIT_TIMEOUT = 4,     /* --wait: no result in time; the command stays ordered */
};

/* argv[0] is the verb, or of commands without one the first argument. Return an exit code. */
int verb_subscription(int argc, char *argv[], const Options *o);
int verb_device(int argc, char *argv[], const Options *o);
int verb_operation(int argc, char *argv[], const Options *o);
int verb_backup(int argc, char *argv[], const Options *o);
int verb_restore(int argc, char *argv[], const Options *o);
int verb_publish(int argc, char *argv[], const Options *o);
int verb_export(int argc, char *argv[], const Options *o);
int verb_task(int argc, char *argv[], const Options *o);
int verb_audit(int argc, char *argv[], const Options *o);
int verb_token(int argc, char *argv[], const Options *o);

/* Of a list of tasks. */
extern const char *const task_columns[];
/* Shows the task that was ordered, or with --wait how it ended. An exit code. */
int follow_task(const Options *o, const json_t *ordered);
/* Waits for all of these and shows them. The worst exit code. */
int follow_tasks(const Options *o, const json_t *ids);

/* Sends the request, says what went wrong, and gives the answer's JSON (NULL for none). An exit code. */
int request(const Options *o, const char *method, const char *path, const json_t *body, json_t **ret);
/* Prints one object or a table, or with --json the JSON. */
int show(const Options *o, const json_t *answer, const char *const columns[]);
int usage(const char *text);
