/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state machine of one synchronized folder: which step comes next, and what is reported. Pure: events
 * in, one action out; no I/O and no clock.
 *
 * A cycle is fetch, tree (scan, plan, apply, commit), push. Local changes begin one at "tree" on the tip
 * that is known, so that they are on their way at once; if main has moved, the push is no fast-forward
 * and the cycle begins again at "fetch". While "tree" misses content of main, "content" fetches it and
 * "tree" goes on with what has come. A prefetch of what others are pushing runs beside all of these but "content",
 * which waits for the end of one, so that nothing comes twice. */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-op.h"
#include "syncd/transfer-result.h"

/* Rounds of fetch, tree and push that lose the race for main before the gateway steps back. */
#define SYNC_ROUNDS_MAX 12U
/* The pause after a lost race grows from this, with jitter. */
#define SYNC_RACE_PAUSE_USEC UINT64_C(50000)
/* Back-off while the server is out of reach: the pause doubles from the one to the other, so that
 * recovery takes about as long as the outage did at most, and a fleet does not arrive at once. */
#define SYNC_BACKOFF_MIN_USEC UINT64_C(1000000)
#define SYNC_BACKOFF_MAX_USEC UINT64_C(300000000)
/* A refusal does not go away by itself soon. */
#define SYNC_BACKOFF_REFUSED_USEC UINT64_C(30000000)
/* The content of a file changed while it was pushed: it is committed anew at once so many times in a row,
 * then after pauses that grow from the one to the other. */
#define SYNC_CHANGES_MAX 3U
#define SYNC_CHANGED_MIN_USEC UINT64_C(1000000)
#define SYNC_CHANGED_MAX_USEC UINT64_C(60000000)
/* Refusals of one path each before a push counts as refused as a whole: as many as can be left out. */
#define SYNC_POISONED_MAX 256U
/* What waits for "content" or a push waits so long; and no more than so many runs of "tree" go before either. */
#define SYNC_SLICE_USEC UINT64_C(5000000)
#define SYNC_PASSED_OVER_MAX 2U
/* What is expected to take longer is announced, so that others can prefetch, and the ACS is patient; a push that is one
 * step (PUSH_WHOLE_MAX) is not: there would be nothing to prefetch. */
#define SYNC_ANNOUNCE_SEC 3U
/* Before anything was measured: 10 Mbit/s in bytes per second. */
#define SYNC_RATE_ASSUMED UINT64_C(1250000)
/* When files were busy or too fresh to be trusted, the folder is looked at again; doubles to
 * SYNC_AGAIN_MAX_USEC. */
#define SYNC_AGAIN_MIN_USEC UINT64_C(1000000)
#define SYNC_AGAIN_MAX_USEC UINT64_C(60000000)
/* What changed in the moment when main's version of it was put in place is planned anew at once, so many times in a
 * row, before it is told. */
#define SYNC_REPLANS_MAX 3U

typedef enum SyncStatus {
        SYNC_STATUS_DISABLED,
        SYNC_STATUS_INITIALIZING,
        SYNC_STATUS_READY,
        SYNC_STATUS_SUBSCRIBED,
        SYNC_STATUS_SUSPENDED,
        SYNC_STATUS_REJECTED,
        SYNC_STATUS_ERROR,
        _SYNC_STATUS_MAX,
        _SYNC_STATUS_INVALID = -EINVAL,
} SyncStatus;

/* The words of LastError, a closed list in the schema (common/datamodel/sync.xml). */
typedef enum SyncWord {
        SYNC_WORD_NONE,
        SYNC_WORD_NO_FOLDER,
        SYNC_WORD_FOLDER_OFFLINE,
        SYNC_WORD_FOLDER_EMPTIED,
        SYNC_WORD_MASS_DELETE,
        SYNC_WORD_DISK_FULL,
        SYNC_WORD_QUOTA_EXCEEDED,
        SYNC_WORD_STATE_LOST,
        SYNC_WORD_BAD_ENTRY,
        SYNC_WORD_WATCH_DEGRADED,
        SYNC_WORD_BAD_REPOSITORY_URL,
        SYNC_WORD_AUTHENTICATION_FAILED,
        SYNC_WORD_HOST_KEY_MISMATCH,
        SYNC_WORD_UNREACHABLE,
        SYNC_WORD_TRANSFER_FAILED,
        SYNC_WORD_REPOSITORY_CORRUPT,
        SYNC_WORD_NOT_SUBSCRIBED,
        SYNC_WORD_INTERNAL_ERROR,
        _SYNC_WORD_MAX,
        _SYNC_WORD_INVALID = -EINVAL,
} SyncWord;

typedef enum SyncState {
        SYNC_STATE_IDLE,
        SYNC_STATE_SCANNING,
        SYNC_STATE_PUSHING,
        SYNC_STATE_PULLING,
        SYNC_STATE_HELD,
        SYNC_STATE_OFFLINE,
        SYNC_STATE_FULL,
        SYNC_STATE_DEGRADED,
        _SYNC_STATE_MAX,
} SyncState;

/* The words of the schema (common/datamodel/sync.xml); from a string: _SYNC_STATUS_INVALID and _SYNC_WORD_INVALID for
 * what is none. SYNC_WORD_NONE is "". */
const char *sync_status_to_string(SyncStatus status);
SyncStatus sync_status_from_string(const char *s);
const char *sync_word_to_string(SyncWord word);
SyncWord sync_word_from_string(const char *s);
const char *sync_state_to_string(SyncState state);
/* What to tell of a transfer. */
SyncWord sync_word_from_transfer(TransferResult result);
/* What to tell when the tree worker cannot go on, by the negative errno. */
SyncWord sync_word_from_error(int error);

/* What must hold before anything is synchronized; each is a fact from outside. */
typedef struct SyncFacts {
        bool enabled;
        bool key_ready;    /* the instance has a key */
        SyncWord repository; /* NONE: well-formed; NOT_SUBSCRIBED: not given; BAD_REPOSITORY_URL */
        SyncWord folder;     /* NONE: online; NO_FOLDER: there is none; else why it cannot be used now */
        bool opening;        /* not online yet, but on its way: no reason to complain */
} SyncFacts;

typedef enum SyncActionKind {
        SYNC_ACTION_NONE,
        SYNC_ACTION_FETCH,
        SYNC_ACTION_TREE,
        SYNC_ACTION_CONTENT,
        SYNC_ACTION_PUSH,
        /* What runs is to end soon. A content asks for nothing more, takes in what is on its way, and ends
         * with TRANSFER_OK if nothing failed. While sync_fsm_is_allowed(), a push ends with the batch that is
         * under way, and TRANSFER_STOPPED; else a fetch or push ends with any failure, which is not looked at. */
        SYNC_ACTION_STOP_TRANSFER,
        SYNC_ACTION_PREFETCH,      /* beside the others, in a process of its own */
        SYNC_ACTION_STOP_PREFETCH, /* as a content is stopped: what stalls ends by the time limits of the transfer */
        SYNC_ACTION_WAIT,          /* set the timer, in place of the one that runs */
} SyncActionKind;

typedef struct SyncAction {
        SyncActionKind kind;
        bool full;      /* TREE: scan everything */
        uint64_t usec;  /* WAIT */
} SyncAction;

/* What the tree worker found and did. */
typedef struct SyncTreeResult {
        SyncWord word;      /* why the run was halted or is incomplete; NONE: all is well */
        bool halted;        /* nothing was applied or committed */
        bool candidate;     /* there is a commit to push */
        bool conflict;      /* collisions were registered */
        bool again;         /* something is busy or too fresh: look again in a while */
        bool rest;          /* files are still to be read: go on as soon as nothing else waits */
        bool missing;       /* content of main has to be fetched before the run is complete */
        bool placed;        /* something of main was put in place */
        bool replan;        /* something was not as planned: another run, at once, may do it */
        bool unplaced;      /* something of base is not in the folder: PendingChanges counts it */
        SyncWord no_pull;   /* with unplaced: why some of that cannot be put there; NONE: it only waits for others */
        SyncWord no_push;   /* why something of the folder that could travel cannot come to main; NONE: nothing */
        uint64_t bytes_missing; /* how much; 0: not known */
        uint64_t bytes_to_push; /* of the candidate, as far as main does not have it yet */
        SyncRevision base;  /* what the folder holds */
} SyncTreeResult;

/* A report: what must be told to the ACS in one transaction. */
typedef struct SyncReport {
        SyncOp op;
        SyncOutcome outcome;
        SyncWord word; /* SYNC_OUTCOME_ERROR */
} SyncReport;

#define SYNC_REPORTS_MAX 4U

typedef enum SyncPhase {
        SYNC_PHASE_IDLE,
        SYNC_PHASE_FETCH,
        SYNC_PHASE_TREE,
        SYNC_PHASE_CONTENT,
        SYNC_PHASE_PUSH,
        SYNC_PHASE_PAUSE, /* the timer runs; the server is not asked, changes here get their commits */
} SyncPhase;

/* All fields are for reading only. */
typedef struct SyncFsm {
        SyncFacts facts;
        SyncStatus status;
        bool subscribed_before; /* and nobody said otherwise since */
        SyncPhase phase;
        SyncWord last_error;
        SyncRevision revision; /* what the folder holds */
        uint32_t last_opseq;

        bool want_fetch;
        bool want_tree;
        bool want_full;
        bool want_local;       /* a look at the folder, even if main cannot be asked */
        bool want_content;
        bool want_rest;        /* "tree" has more to read, once what waits was done */
        bool candidate;        /* a commit waits to be pushed */
        bool again;            /* look again after SYNC_AGAIN_* */
        bool timer;            /* a WAIT was given out */
        bool paused;           /* SYNC_PHASE_PAUSE, or a run of "tree" in it */
        bool local;            /* the run of "tree" was begun in a pause */
        uint64_t pause_usec;   /* of SYNC_PHASE_PAUSE, before jitter */

        SyncOp waiting;        /* opseq 0: none. The latest order that has not begun */
        SyncOp running;        /* opseq 0: none of the ACS is being done */
        bool fetched;          /* in this cycle */
        bool announce;         /* this cycle's outcome is reported though no order is behind it */
        bool conflict;         /* in this cycle */
        unsigned rounds;
        unsigned failures;
        unsigned agains;
        unsigned replans;
        unsigned changes;      /* pushes in a row whose content changed */
        unsigned poisoned;     /* pushes in a row that one path spoiled */

        uint64_t bytes_to_push;
        uint64_t bytes_missing;
        uint64_t bytes_per_second; /* 0: not measured yet */
        bool push_announced;
        bool pull_announced;
        unsigned passed_over;  /* runs of "tree" that found content missing since some was fetched */
        unsigned push_passed_over; /* runs of "tree" that left a commit to be pushed since the last push */
        unsigned idle_contents; /* fetches of content in a row that brought nothing */
        bool push_stopped;     /* the last push made room for others */
        bool slice_over;       /* "content" or a push has had its time */
        bool stop_given;       /* to the transfer that runs */
        bool cut_short;        /* as synchronization ended: how it ends is of no interest */

        SyncOp prefetch;       /* opseq 0: no order for one is to be answered */
        bool want_prefetch;
        bool prefetching;      /* the process runs */
        bool stop_prefetch;
        bool prefetch_stop_given;
        bool prefetch_done;    /* the answer waits for those of lower orders */
        SyncWord prefetch_word;

        SyncReport reports[SYNC_REPORTS_MAX];
        size_t n_reports;
} SyncFsm;

/* The arguments are as they were kept over a restart. */
void sync_fsm_init(
                SyncFsm *m,
                SyncStatus status,
                bool subscribed_before,
                const SyncRevision *revision,
                uint32_t last_opseq);

/* The events. random is a number from 0 to UINT32_MAX for the jitter. After each, sync_fsm_next() says
 * what to do; reports that were made are in m->reports, to be taken (and n_reports set to 0) before the
 * next event. */
void sync_fsm_facts(SyncFsm *m, const SyncFacts *facts);
/* The ACS wrote Status: SUBSCRIBED, SUSPENDED or REJECTED. */
void sync_fsm_status_written(SyncFsm *m, SyncStatus status);
/* The ACS wrote SyncOp, or (opseq 0) somebody on the bus asked. An opseq that is answered already is
 * ignored. */
void sync_fsm_ordered(SyncFsm *m, SyncOp op);
/* Paths are dirty; full: it is not known which. */
void sync_fsm_dirty(SyncFsm *m, bool full);
void sync_fsm_timer(SyncFsm *m);
void sync_fsm_fetched(SyncFsm *m, TransferResult result);
void sync_fsm_tree_done(SyncFsm *m, const SyncTreeResult *result);
/* TRANSFER_OK also if only a part of what is missing came: "tree" sees what there is. */
void sync_fsm_content_done(SyncFsm *m, TransferResult result);
/* revision: the pushed commit's, for TRANSFER_OK. */
void sync_fsm_pushed(SyncFsm *m, TransferResult result, const SyncRevision *revision);
/* In place of sync_fsm_pushed(): the commit is main's tip now, and there is another one, of so many bytes (0: not
 * known), to be pushed. */
void sync_fsm_pushed_part(SyncFsm *m, const SyncRevision *revision, uint64_t bytes_to_push);
/* In place of sync_fsm_pushed(): the server refused the push because of one path, which the following run
 * of "tree" will leave out (sync-poison.h). */
void sync_fsm_poisoned(SyncFsm *m);
/* The process of the prefetch ended, by itself or because it was to stop. */
void sync_fsm_prefetched(SyncFsm *m, TransferResult result);
/* What the last transfers achieved, or what a limit leaves of that. */
void sync_fsm_rate(SyncFsm *m, uint64_t bytes_per_second);

/* The next step; call it again after each event until it says NONE. The step counts as begun. */
SyncAction sync_fsm_next(SyncFsm *m, uint32_t random);

/* What the parameter State shows. */
SyncState sync_fsm_state(const SyncFsm *m);
/* True if steps may be made: everything is there, and the ACS or the past allows it. */
bool sync_fsm_is_allowed(const SyncFsm *m);
