/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the state machine does next. */
#include "syncd/push-size.h"
#include "syncd/sync-fsm.h"

static uint64_t jitter(uint64_t usec, uint32_t random) {
        return usec / 2 + usec / 2 * random / UINT32_MAX;
}

static SyncAction wait_for(SyncFsm *m, uint64_t usec) {
        m->timer = true;
        return (SyncAction) { .kind = SYNC_ACTION_WAIT, .usec = usec };
}

/* An unknown size counts as a long transfer. */
static bool takes_long(const SyncFsm *m, uint64_t bytes) {
        uint64_t rate = m->bytes_per_second > 0 ? m->bytes_per_second : SYNC_RATE_ASSUMED;

        return bytes == 0 || bytes / SYNC_ANNOUNCE_SEC > rate;
}

static bool is_long_push(const SyncFsm *m) {
        return m->bytes_to_push > 0 && takes_long(m, m->bytes_to_push);
}

/* It is no answer: LastOpSeq stays. */
static void report_started(SyncFsm *m, SyncOp op) {
        if (m->n_reports == SYNC_REPORTS_MAX)
                m->n_reports--;
        m->reports[m->n_reports++] = (SyncReport) { .op = op, .outcome = SYNC_OUTCOME_STARTED };
}

static SyncAction begin_fetch(SyncFsm *m) {
        m->want_fetch = false;
        m->phase = SYNC_PHASE_FETCH;
        /* What is ordered from here on waits for the next fetch: this one may miss what it is about. */
        if (m->waiting.opseq > 0) {
                m->running = m->waiting;
                m->waiting = (SyncOp) {};
                m->pull_announced = false;
        }
        return (SyncAction) { .kind = SYNC_ACTION_FETCH };
}

static SyncAction begin_tree(SyncFsm *m) {
        SyncAction action = { .kind = SYNC_ACTION_TREE, .full = m->want_full };

        m->want_tree = m->want_full = m->want_rest = m->want_local = false;
        m->local = m->paused;
        m->phase = SYNC_PHASE_TREE;
        return action;
}

static SyncAction begin_content(SyncFsm *m) {
        m->phase = SYNC_PHASE_CONTENT;
        m->want_content = m->push_stopped = m->timer = m->slice_over = false;
        m->passed_over = 0;
        if (!m->pull_announced && m->running.opseq > 0 && m->running.kind == SYNC_OP_PULL &&
            takes_long(m, m->bytes_missing)) {
                report_started(m, m->running);
                m->pull_announced = true;
        }
        return (SyncAction) { .kind = SYNC_ACTION_CONTENT };
}

static SyncAction begin_push(SyncFsm *m) {
        m->phase = SYNC_PHASE_PUSH;
        m->push_stopped = m->timer = m->slice_over = false;
        m->push_passed_over = 0;
        if (!m->push_announced && is_long_push(m) && m->bytes_to_push > PUSH_WHOLE_MAX) {
                report_started(m, (SyncOp) { .kind = SYNC_OP_PUSH });
                m->push_announced = true;
        }
        return (SyncAction) { .kind = SYNC_ACTION_PUSH };
}

/* What a prefetch has asked for comes in any case: content waits for that rather than asking for it again. */
static bool may_begin_content(const SyncFsm *m) {
        return m->want_content && !m->prefetching;
}

/* What the transfer that runs keeps from going on. */
static bool others_wait(const SyncFsm *m) {
        return m->want_fetch || m->want_tree || m->want_rest ||
               (m->phase == SYNC_PHASE_PUSH ? may_begin_content(m) : m->candidate);
}

static SyncAction stop_transfer(SyncFsm *m) {
        m->stop_given = true;
        return (SyncAction) { .kind = SYNC_ACTION_STOP_TRANSFER };
}

/* While a transfer runs. */
static SyncAction next_of_transfer(SyncFsm *m) {
        if (!sync_fsm_is_allowed(m)) {
                /* A push that was to end with its batch is now to end at once. */
                bool told = m->cut_short || (m->stop_given && m->phase == SYNC_PHASE_CONTENT);

                m->cut_short = true;
                return told ? (SyncAction) {} : stop_transfer(m);
        }
        if (m->phase == SYNC_PHASE_FETCH)
                return (SyncAction) {};
        if (m->slice_over && others_wait(m))
                return m->stop_given ? (SyncAction) {} : stop_transfer(m);
        return m->timer || m->slice_over ? (SyncAction) {} : wait_for(m, SYNC_SLICE_USEC);
}

/* What changes while the server is out of reach becomes a version too, once main has been seen. */
static SyncAction next_of_pause(SyncFsm *m, uint32_t random) {
        if (!m->timer)
                return wait_for(m, jitter(m->pause_usec, random));
        return (m->want_local || m->want_rest) && m->revision.n > 0 ? begin_tree(m) : (SyncAction) {};
}

static SyncAction next_of_idle(SyncFsm *m) {
        bool content = may_begin_content(m);

        if (content && m->passed_over > SYNC_PASSED_OVER_MAX)
                return begin_content(m);
        if (m->candidate && m->push_passed_over > SYNC_PASSED_OVER_MAX)
                return begin_push(m);
        if (m->want_fetch)
                return begin_fetch(m);
        if (m->want_tree)
                return begin_tree(m);
        /* A large push takes turns with content, and one that was stopped with what is to be read. */
        if (m->candidate && !(m->push_stopped && (m->want_rest || (content && is_long_push(m)))))
                return begin_push(m);
        if (content)
                return begin_content(m);
        if (m->want_rest) {
                m->push_stopped = false;
                return begin_tree(m);
        }
        if (m->again && !m->timer) {
                uint64_t usec = SYNC_AGAIN_MIN_USEC;

                for (unsigned i = m->agains++; i > 0 && usec < SYNC_AGAIN_MAX_USEC; i--)
                        usec *= 2;
                return wait_for(m, MIN(usec, SYNC_AGAIN_MAX_USEC));
        }
        return (SyncAction) {};
}

/* Not while a pull is to be answered: it may bring the same. */
static bool may_prefetch(const SyncFsm *m) {
        return m->want_prefetch && !m->prefetching && !m->want_content && m->phase != SYNC_PHASE_CONTENT &&
               (m->running.opseq == 0 || m->running.kind != SYNC_OP_PULL) &&
               (m->waiting.opseq == 0 || m->waiting.kind != SYNC_OP_PULL);
}

SyncAction sync_fsm_next(SyncFsm *m, uint32_t random) {
        if (m->stop_prefetch) {
                m->stop_prefetch = false;
                m->prefetch_stop_given = true;
                return (SyncAction) { .kind = SYNC_ACTION_STOP_PREFETCH };
        }
        switch (m->phase) {
        case SYNC_PHASE_FETCH:
        case SYNC_PHASE_CONTENT:
        case SYNC_PHASE_PUSH: {
                SyncAction action = next_of_transfer(m);

                if (action.kind != SYNC_ACTION_NONE)
                        return action;
                break;
        }
        case SYNC_PHASE_PAUSE:
                if (sync_fsm_is_allowed(m)) {
                        SyncAction action = next_of_pause(m, random);

                        if (action.kind != SYNC_ACTION_NONE)
                                return action;
                }
                break;
        case SYNC_PHASE_IDLE:
        case SYNC_PHASE_TREE:
        default:
                break;
        }
        if (!sync_fsm_is_allowed(m))
                return (SyncAction) {};
        if (may_prefetch(m)) {
                m->want_prefetch = false;
                m->prefetching = true;
                return (SyncAction) { .kind = SYNC_ACTION_PREFETCH };
        }
        return m->phase == SYNC_PHASE_IDLE ? next_of_idle(m) : (SyncAction) {};
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
        case SYNC_WORD_STATE_LOST:
                break;
        default:
                return SYNC_STATE_OFFLINE;
        }
        switch (m->phase) {
        case SYNC_PHASE_FETCH:
        case SYNC_PHASE_CONTENT:
                return SYNC_STATE_PULLING;
        case SYNC_PHASE_TREE:
                return SYNC_STATE_SCANNING;
        case SYNC_PHASE_PUSH:
                return SYNC_STATE_PUSHING;
        case SYNC_PHASE_IDLE:
                return m->want_content ? SYNC_STATE_PULLING : SYNC_STATE_IDLE;
        case SYNC_PHASE_PAUSE:
        default:
                return SYNC_STATE_IDLE;
        }
}
