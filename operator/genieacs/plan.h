/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a command of the frontend is done with the tasks of GenieACS, and how one sees that it was done.
 * GenieACS works towards a wanted state and leaves out, without a word, what it does not know or what cannot
 * be written; so the device's document is read before and after, and only what can be seen in it is
 * reported.
 *
 * Pure: no time, no input, no output. */
#pragma once

#include <jansson.h>

#include "common/base/macro.h"
#include "operator/acs/command.h"
#include "operator/acs/message.h"

typedef enum Stage {
        STAGE_DISCOVER, /* what the command names is not known yet: GenieACS reads it from the device */
        STAGE_EXECUTE,
} Stage;

/* What is remembered of the document as it was before the tasks. */
typedef struct Before {
        int64_t last_inform; /* milliseconds */
        json_t *instances;   /* add: object, with a key for each instance of the table; else NULL */
} Before;

/* Releases the members and sets them to nothing. */
void before_done(Before *b);

/* 0 or -ENOMEM. */
int before_take(Before *ret, const Command *c, const json_t *document);

typedef enum OutcomeKind {
        OUTCOME_NONE,
        OUTCOME_DISCOVERED, /* go on with STAGE_EXECUTE */
        OUTCOME_OK,
        OUTCOME_FAULT,    /* the device refused, or would have refused */
        OUTCOME_STALE,    /* the effect is not to be seen (yet) */
        OUTCOME_REJECTED, /* GenieACS has no way to do it */
        OUTCOME_UNKNOWN,  /* add: may have been executed */
} OutcomeKind;

typedef struct Outcome {
        OutcomeKind kind;
        json_t *values; /* get: name -> text */
        json_t *names;  /* names: name -> boolean */
        uint32_t instance;
        uint32_t fault_code;
        char *text;     /* the fault's string, or why it is rejected or unknown */
        json_t *faults; /* objects of "name", "code", "string" */
} Outcome;

void outcome_done(Outcome *o);
#define _cleanup_outcome_ _cleanup_(outcome_done)

/* Names whose nodes must be in the document. *ret is the caller's. 0 or -ENOMEM. */
int plan_names(const Command *c, char ***ret);

/* Must something be discovered first? */
Stage plan_stage(const Command *c, const json_t *document);

/* The tasks of a stage, in their order: *ret is an array, the caller's. Their names are among those that
 * GenieACS documents. 0, -ENOMEM, or -EOPNOTSUPP if there is no task for such a command. */
int plan_tasks(const Command *c, Stage stage, json_t **ret);

/* All tasks are gone, without a fault: what became of the command? 0 or -ENOMEM. */
int plan_judge(const Command *c, Stage stage, const Before *before, const json_t *document, Outcome *ret);

/* Reads a document of the collection "faults". 1 if the device refused, with *ret filled; 0 if the session
 * failed for another reason (GenieACS's own codes: "timeout", "session_terminated" and others); -ENOMEM. */
int plan_read_fault(const json_t *fault, Outcome *ret);

/* The message about it. kind is none of NONE, DISCOVERED, STALE. 0 or the errors of message_result(). */
int outcome_message(const Outcome *o, const Command *c, const char *device, int64_t now, Message *ret);
