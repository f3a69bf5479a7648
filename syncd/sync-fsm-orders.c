/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders of the ACS and their answers. */
#include "syncd/sync-fsm-internal.h"

void sync_fsm_report(SyncFsm *m, SyncOp op, SyncOutcome outcome, SyncWord word) {
        if (op.opseq > m->last_opseq && outcome != SYNC_OUTCOME_STARTED)
                m->last_opseq = op.opseq;
        /* A later report of a burst says all that the ACS needs. */
        if (m->n_reports == SYNC_REPORTS_MAX)
                m->n_reports--;
        m->reports[m->n_reports++] = (SyncReport) { .op = op, .outcome = outcome, .word = word };
}

void sync_fsm_answer_prefetch(SyncFsm *m) {
        if (m->prefetch.opseq == 0)
                return;
        if (m->prefetch.opseq <= m->last_opseq)
                m->want_prefetch = false;
        else if (!m->prefetch_done || m->running.opseq > 0 || m->waiting.opseq > 0)
                return;
        else
                sync_fsm_report(m,
                                m->prefetch,
                                m->prefetch_word == SYNC_WORD_NONE ? SYNC_OUTCOME_OK : SYNC_OUTCOME_ERROR,
                                m->prefetch_word);
        m->prefetch = (SyncOp) {};
        m->prefetch_done = false;
}

void sync_fsm_end_prefetch(SyncFsm *m, SyncWord word) {
        m->stop_prefetch = m->prefetching && !m->prefetch_stop_given;
        m->want_prefetch = false;
        if (m->prefetch.opseq == 0 || m->prefetch_done)
                return;
        m->prefetch_done = true;
        m->prefetch_word = word;
}

static void fail_running(SyncFsm *m, SyncWord word) {
        if (m->running.opseq > 0)
                sync_fsm_report(m, m->running, SYNC_OUTCOME_ERROR, word);
        m->running = (SyncOp) {};
}

void sync_fsm_fail_orders(SyncFsm *m, SyncWord word) {
        fail_running(m, word);
        if (m->waiting.opseq > 0)
                sync_fsm_report(m, m->waiting, SYNC_OUTCOME_ERROR, word);
        m->waiting = (SyncOp) {};
        sync_fsm_answer_prefetch(m);
}

void sync_fsm_answer(SyncFsm *m, SyncOutcome outcome) {
        sync_fsm_report(m, m->running, outcome, SYNC_WORD_NONE);
        m->running = (SyncOp) {};
}

void sync_fsm_finish(SyncFsm *m) {
        m->rounds = 0;
        m->announce = m->conflict = m->fetched = false;
        if (m->running.opseq > 0)
                sync_fsm_answer(m, SYNC_OUTCOME_OK);
}

static void report_pull(SyncFsm *m) {
        SyncOutcome outcome = m->conflict ? SYNC_OUTCOME_CONFLICT : SYNC_OUTCOME_OK;

        if (m->running.opseq > 0 && m->running.kind == SYNC_OP_PULL)
                sync_fsm_answer(m, outcome);
        else if (m->announce)
                sync_fsm_report(m, (SyncOp) { .kind = SYNC_OP_PULL }, outcome, SYNC_WORD_NONE);
        m->announce = m->conflict = m->pull_announced = false;
}

/* Why main cannot be put into the folder, if that is so and all was read; else NONE. */
static SyncWord why_no_pull(const SyncFsm *m, const SyncTreeResult *result) {
        return result->unplaced && !m->want_rest ? result->no_pull : SYNC_WORD_NONE;
}

/* An order fails only if something that it is about cannot be done: a pull brings main to the folder, a push the folder
 * to main, and a rescan both (docs/sync-decisions.md, "Orders"). All else is LastError's matter alone. */
static SyncWord why_order_fails(const SyncFsm *m, const SyncTreeResult *result) {
        SyncWord no_pull = why_no_pull(m, result);

        if (!m->fetched || m->running.opseq == 0)
                return SYNC_WORD_NONE;
        switch (m->running.kind) {
        case SYNC_OP_PULL:
                return no_pull;
        case SYNC_OP_PUSH:
                return result->no_push;
        case SYNC_OP_RESCAN:
        default:
                return no_pull != SYNC_WORD_NONE ? no_pull : result->no_push;
        }
}

void sync_fsm_answer_run(SyncFsm *m, const SyncTreeResult *result, bool moved) {
        SyncWord failure = why_order_fails(m, result);

        if ((m->fetched || moved) && !(result->unplaced && m->want_rest) &&
            why_no_pull(m, result) == SYNC_WORD_NONE)
                report_pull(m);
        if (failure != SYNC_WORD_NONE)
                fail_running(m, failure);
        if (!m->candidate && !m->want_rest)
                sync_fsm_finish(m);
        sync_fsm_answer_prefetch(m);
}
