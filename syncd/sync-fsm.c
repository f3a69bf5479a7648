/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/sync-fsm.h"

void sync_fsm_init(
                SyncFsm *m,
                SyncStatus status,
                bool subscribed_before,
                const SyncRevision *revision,
                uint32_t last_opseq) {

        *m = (SyncFsm) {
                .status = status,
                .subscribed_before = subscribed_before,
                .revision = *revision,
                .last_opseq = last_opseq,
                .facts = { .folder = SYNC_WORD_FOLDER_OFFLINE,
                           .opening = true,
                           .repository = SYNC_WORD_NOT_SUBSCRIBED },
        };
        /* A device that starts again reports its readiness again; a refusal stays. */
        if (status != SYNC_STATUS_SUSPENDED && status != SYNC_STATUS_REJECTED)
                m->status = SYNC_STATUS_DISABLED;
}

bool sync_fsm_is_allowed(const SyncFsm *m) {
        if (!m->facts.enabled || !m->facts.key_ready || m->facts.repository != SYNC_WORD_NONE ||
            m->facts.folder != SYNC_WORD_NONE)
                return false;
        return m->status == SYNC_STATUS_SUBSCRIBED ||
               (m->status == SYNC_STATUS_READY && m->subscribed_before);
}

static void report(SyncFsm *m, SyncOp op, SyncOutcome outcome, SyncWord word) {
        if (op.opseq > m->last_opseq)
                m->last_opseq = op.opseq;
        /* A later report of a burst says all that the ACS needs. */
        if (m->n_reports == SYNC_REPORTS_MAX)
                m->n_reports--;
        m->reports[m->n_reports++] = (SyncReport) { .op = op, .outcome = outcome, .word = word };
}

/* Answers the order that is being done, and the waiting one if it cannot be done either. */
static void fail_orders(SyncFsm *m, SyncWord word) {
        if (m->running.opseq > 0)
                report(m, m->running, SYNC_OUTCOME_ERROR, word);
        if (m->waiting.opseq > 0)
                report(m, m->waiting, SYNC_OUTCOME_ERROR, word);
        m->running = m->waiting = (SyncOp) {};
}

/* Why an order cannot be done at all. */
static SyncWord reason_not_allowed(const SyncFsm *m) {
        if (m->facts.enabled && m->facts.folder != SYNC_WORD_NONE)
                return m->facts.folder;
        if (m->facts.enabled && m->facts.repository != SYNC_WORD_NONE)
                return m->facts.repository;
        return SYNC_WORD_NOT_SUBSCRIBED;
}

static void end_pause(SyncFsm *m) {
        m->timer = false;
        if (m->phase == SYNC_PHASE_PAUSE)
                m->phase = SYNC_PHASE_IDLE;
}

/* Every way into synchronization begins with a pull and a look at everything. */
static void begin(SyncFsm *m) {
        m->want_fetch = m->want_tree = m->want_full = m->announce = true;
        m->failures = m->rounds = m->agains = 0;
        end_pause(m);
}

static void update_status(SyncFsm *m) {
        const SyncFacts *f = &m->facts;
        bool ready = f->folder == SYNC_WORD_NONE && f->key_ready;

        if (!f->enabled)
                m->status = SYNC_STATUS_DISABLED;
        else if (f->folder == SYNC_WORD_NO_FOLDER)
                m->status = SYNC_STATUS_ERROR;
        else if (m->status == SYNC_STATUS_DISABLED || m->status == SYNC_STATUS_ERROR ||
                 m->status == SYNC_STATUS_INITIALIZING)
                m->status = ready ? SYNC_STATUS_READY : SYNC_STATUS_INITIALIZING;
}

void sync_fsm_facts(SyncFsm *m, const SyncFacts *facts) {
        bool was_allowed = sync_fsm_is_allowed(m);
        bool mended = m->facts.folder != facts->folder || m->facts.repository != facts->repository;

        m->facts = *facts;
        update_status(m);
        if (!facts->enabled || facts->opening)
                m->last_error = SYNC_WORD_NONE;
        else if (facts->folder != SYNC_WORD_NONE)
                m->last_error = facts->folder;
        else if (facts->repository == SYNC_WORD_BAD_REPOSITORY_URL)
                m->last_error = facts->repository;
        else if (mended)
                m->last_error = SYNC_WORD_NONE;
        if (!was_allowed && sync_fsm_is_allowed(m))
                begin(m);
        else if (was_allowed && !sync_fsm_is_allowed(m))
                fail_orders(m, reason_not_allowed(m));
}

void sync_fsm_status_written(SyncFsm *m, SyncStatus status) {
        bool was_allowed = sync_fsm_is_allowed(m);

        /* Written too early it would be overtaken by Ready, which the ACS answers anew. */
        if (m->status == SYNC_STATUS_DISABLED || m->status == SYNC_STATUS_INITIALIZING ||
            m->status == SYNC_STATUS_ERROR)
                return;
        m->status = status;
        m->subscribed_before = status == SYNC_STATUS_SUBSCRIBED;
        if (!was_allowed && sync_fsm_is_allowed(m))
                begin(m);
        else if (was_allowed && !sync_fsm_is_allowed(m))
                fail_orders(m, SYNC_WORD_NOT_SUBSCRIBED);
        else if (status == SYNC_STATUS_SUBSCRIBED)
                /* The ACS takes it for the beginning, or has just authorized a new key. */
                sync_fsm_ordered(m, (SyncOp) { .kind = SYNC_OP_PULL });
}

void sync_fsm_ordered(SyncFsm *m, SyncOp op) {
        if (op.opseq > 0 &&
            (op.opseq <= m->last_opseq || op.opseq <= m->waiting.opseq || op.opseq <= m->running.opseq))
                return;
        if (!sync_fsm_is_allowed(m)) {
                if (op.opseq > 0)
                        report(m, op, SYNC_OUTCOME_ERROR, reason_not_allowed(m));
                return;
        }
        /* The latest order stands for all that wait; what they want adds up. */
        if (op.opseq > 0)
                m->waiting = op;
        else
                m->announce = true;
        m->want_fetch = true;
        if (op.kind != SYNC_OP_PREFETCH)
                m->want_tree = true;
        if (op.kind == SYNC_OP_RESCAN)
                m->want_full = true;
        /* Somebody expects an answer: no more patience. */
        end_pause(m);
}

void sync_fsm_dirty(SyncFsm *m, bool full) {
        m->want_tree = true;
        m->want_full |= full;
        m->agains = 0;
}

void sync_fsm_timer(SyncFsm *m) {
        if (m->phase != SYNC_PHASE_PAUSE && m->again)
                m->want_tree = true;
        end_pause(m);
}

static uint64_t jitter(uint64_t usec, uint32_t random) {
        return usec / 2 + usec / 2 * random / UINT32_MAX;
}

static uint64_t doubled(uint64_t minimum, uint64_t maximum, unsigned times) {
        for (; times > 0 && minimum < maximum; times--)
                minimum *= 2;
        return MIN(minimum, maximum);
}

/* A conversation failed: everything begins again after a pause. */
static void step_back(SyncFsm *m, SyncWord word) {
        m->last_error = word;
        m->failures++;
        m->rounds = 0;
        m->want_fetch = m->want_tree = true;
        m->phase = SYNC_PHASE_PAUSE;
        m->timer = false;
        fail_orders(m, word);
        m->announce = true;
}

void sync_fsm_fetched(SyncFsm *m, TransferResult result) {
        assert(m->phase == SYNC_PHASE_FETCH);
        m->phase = SYNC_PHASE_IDLE;
        /* Its orders were answered when it was stopped; the next beginning fetches anew. */
        if (!sync_fsm_is_allowed(m))
                return;
        if (result != TRANSFER_OK) {
                step_back(m, sync_word_from_transfer(result));
                return;
        }
        m->failures = 0;
        m->fetched = true;
        if (m->running.opseq > 0 && m->running.kind == SYNC_OP_PREFETCH && !m->want_tree) {
                report(m, m->running, SYNC_OUTCOME_OK, SYNC_WORD_NONE);
                m->running = (SyncOp) {};
                return;
        }
        m->want_tree = true;
}

/* The folder and main are equal, as far as this gateway knows. */
static void finish(SyncFsm *m) {
        m->rounds = 0;
        m->announce = m->conflict = m->fetched = false;
        if (m->running.opseq > 0) {
                report(m, m->running, SYNC_OUTCOME_OK, SYNC_WORD_NONE);
                m->running = (SyncOp) {};
        }
}

static void report_pull(SyncFsm *m) {
        SyncOutcome outcome = m->conflict ? SYNC_OUTCOME_CONFLICT : SYNC_OUTCOME_OK;

        if (m->running.opseq > 0 && m->running.kind == SYNC_OP_PULL) {
                report(m, m->running, outcome, SYNC_WORD_NONE);
                m->running = (SyncOp) {};
        } else if (m->announce)
                report(m, (SyncOp) { .kind = SYNC_OP_PULL }, outcome, SYNC_WORD_NONE);
        m->announce = m->conflict = false;
}

void sync_fsm_tree_done(SyncFsm *m, const SyncTreeResult *result) {
        bool moved = result->base.n != m->revision.n;

        assert(m->phase == SYNC_PHASE_TREE);
        m->phase = SYNC_PHASE_IDLE;
        m->last_error = result->word;
        m->timer = false;
        m->candidate = result->candidate;
        m->again = result->again;
        if (!result->again)
                m->agains = 0;
        if (result->halted) {
                fail_orders(m, result->word);
                m->fetched = false;
                return;
        }
        m->revision = result->base;
        m->conflict |= result->conflict;
        /* What could not be applied leaves the folder where it was: no success. */
        if (result->word != SYNC_WORD_NONE && m->fetched)
                fail_orders(m, result->word);
        else if (m->fetched || moved) {
                m->announce |= moved;
                report_pull(m);
        }
        if (!m->candidate)
                finish(m);
}

void sync_fsm_pushed(SyncFsm *m, TransferResult result, const SyncRevision *revision) {
        assert(m->phase == SYNC_PHASE_PUSH);
        m->phase = SYNC_PHASE_IDLE;
        if (!sync_fsm_is_allowed(m) && result != TRANSFER_OK)
                return;
        switch (result) {
        case TRANSFER_OK:
                m->failures = 0;
                m->candidate = false;
                m->revision = *revision;
                if (m->running.opseq == 0 || m->running.kind != SYNC_OP_PUSH)
                        report(m, (SyncOp) { .kind = SYNC_OP_PUSH }, SYNC_OUTCOME_OK, SYNC_WORD_NONE);
                finish(m);
                return;
        case TRANSFER_NON_FAST_FORWARD:
                m->want_fetch = m->want_tree = true;
                if (++m->rounds > SYNC_ROUNDS_MAX)
                        step_back(m, SYNC_WORD_TRANSFER_FAILED);
                else if (m->rounds > 1) {
                        m->phase = SYNC_PHASE_PAUSE;
                        m->timer = false;
                }
                return;
        case TRANSFER_AUTHENTICATION_FAILED:
        case TRANSFER_HOST_KEY_MISMATCH:
        case TRANSFER_UNREACHABLE:
        case TRANSFER_REFUSED:
        case TRANSFER_QUOTA_EXCEEDED:
        case TRANSFER_PROTOCOL_ERROR:
        case TRANSFER_HISTORY_REWRITTEN:
        case TRANSFER_LOCAL_ERROR:
        case _TRANSFER_RESULT_MAX:
        case _TRANSFER_RESULT_INVALID:
        default:
                step_back(m, sync_word_from_transfer(result));
        }
}

static uint64_t pause_length(const SyncFsm *m) {
        /* A worker of ours that died is like a connection that broke. */
        bool refused = m->last_error != SYNC_WORD_UNREACHABLE && m->last_error != SYNC_WORD_INTERNAL_ERROR;

        if (m->rounds > 0)
                return doubled(SYNC_RACE_PAUSE_USEC, SYNC_BACKOFF_MAX_USEC, m->rounds);
        return doubled(refused ? SYNC_BACKOFF_REFUSED_USEC : SYNC_BACKOFF_MIN_USEC,
                       SYNC_BACKOFF_MAX_USEC,
                       m->failures > 0 ? m->failures - 1 : 0);
}

static SyncAction wait_for(SyncFsm *m, uint64_t usec) {
        m->timer = true;
        return (SyncAction) { .kind = SYNC_ACTION_WAIT, .usec = usec };
}

static SyncAction begin_phase(SyncFsm *m, SyncPhase phase, SyncAction action) {
        m->phase = phase;
        return action;
}

SyncAction sync_fsm_next(SyncFsm *m, uint32_t random) {
        if (!sync_fsm_is_allowed(m))
                return (SyncAction) {};
        if (m->phase == SYNC_PHASE_PAUSE)
                return m->timer ? (SyncAction) {} : wait_for(m, jitter(pause_length(m), random));
        if (m->phase != SYNC_PHASE_IDLE)
                return (SyncAction) {};

        if (m->want_fetch) {
                m->want_fetch = false;
                /* What is ordered from here on waits for the next fetch: this one may miss what it is
                 * about. */
                if (m->waiting.opseq > 0) {
                        m->running = m->waiting;
                        m->waiting = (SyncOp) {};
                }
                return begin_phase(m, SYNC_PHASE_FETCH, (SyncAction) { .kind = SYNC_ACTION_FETCH });
        }
        if (m->want_tree) {
                SyncAction action = { .kind = SYNC_ACTION_TREE, .full = m->want_full };

                m->want_tree = m->want_full = false;
                return begin_phase(m, SYNC_PHASE_TREE, action);
        }
        if (m->candidate)
                return begin_phase(m, SYNC_PHASE_PUSH, (SyncAction) { .kind = SYNC_ACTION_PUSH });
        if (m->again && !m->timer)
                return wait_for(m, doubled(SYNC_AGAIN_MIN_USEC, SYNC_AGAIN_MAX_USEC, m->agains++));
        return (SyncAction) {};
}

SyncState sync_fsm_state(const SyncFsm *m) {
        switch (m->last_error) {
        case SYNC_WORD_MASS_DELETE:
        case SYNC_WORD_FOLDER_EMPTIED:
                return SYNC_STATE_HELD;
        case SYNC_WORD_DISK_FULL:
        case SYNC_WORD_QUOTA_EXCEEDED:
                return SYNC_STATE_FULL;
        case SYNC_WORD_WATCH_DEGRADED:
        case SYNC_WORD_BAD_ENTRY:
                return SYNC_STATE_DEGRADED;
        case SYNC_WORD_NONE:
                break;
        default:
                return SYNC_STATE_OFFLINE;
        }
        switch (m->phase) {
        case SYNC_PHASE_FETCH:
                return SYNC_STATE_PULLING;
        case SYNC_PHASE_TREE:
                return SYNC_STATE_SCANNING;
        case SYNC_PHASE_PUSH:
                return SYNC_STATE_PUSHING;
        case SYNC_PHASE_IDLE:
        case SYNC_PHASE_PAUSE:
        default:
                return SYNC_STATE_IDLE;
        }
}
