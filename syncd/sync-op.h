/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The grammar of the parameters SyncOp, SyncStatus and Revision. */
#pragma once

#include "common/base/macro.h"

typedef enum SyncOpKind {
        SYNC_OP_PULL,
        SYNC_OP_PREFETCH,
        SYNC_OP_PUSH,
        SYNC_OP_RESCAN,
        _SYNC_OP_MAX,
        _SYNC_OP_INVALID = -EINVAL,
} SyncOpKind;

typedef struct SyncOp {
        SyncOpKind kind;
        uint32_t opseq; /* 0: nobody ordered it */
} SyncOp;

typedef enum SyncOutcome {
        SYNC_OUTCOME_STARTED,
        SYNC_OUTCOME_OK,
        SYNC_OUTCOME_CONFLICT,
        SYNC_OUTCOME_ERROR,
        _SYNC_OUTCOME_MAX,
} SyncOutcome;

/* The commit of main that the folder holds. n is the length of main's linear history up to it, 0 if there
 * is none. */
typedef struct SyncRevision {
        uint64_t n;
        char commit[41];
} SyncRevision;

/* "push 4294967295 error:" and the longest error word, a revision, a NUL. */
#define SYNC_STATUS_SIZE 160U
#define SYNC_REVISION_SIZE 64U
/* An error word: the closed list of LastError in the schema. */
#define SYNC_WORD_MAX 32U

/* As in SyncOp. */
const char *sync_op_kind_to_string(SyncOpKind kind);

/* Reads "<kind> <opseq>": one blank, opseq a decimal number above 0 without leading zeros. 0, or -EINVAL,
 * then *ret is untouched; the ACS gets fault 9007 (TR-069 section A.5.1). */
int sync_op_parse(const char *s, SyncOp *ret);

/* Writes a SyncStatus into buf. word is the error word for SYNC_OUTCOME_ERROR, else not looked at.
 * revision may be NULL. Returns buf. */
char *sync_status_format(
                SyncOp op,
                SyncOutcome outcome,
                const char *word,
                const SyncRevision *revision,
                char buf[static SYNC_STATUS_SIZE]);

/* "<n>.<commit>", or "" for no commit. Returns buf. */
char *sync_revision_format(const SyncRevision *revision, char buf[static SYNC_REVISION_SIZE]);

/* The way back; "" gives n = 0. 0 or -EINVAL. */
int sync_revision_parse(const char *s, SyncRevision *ret);
