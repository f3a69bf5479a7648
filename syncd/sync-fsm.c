/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/sync-fsm-internal.h"

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

/* Synchronization is not allowed any more. */
static void end(SyncFsm *m, SyncWord word) {
        m->want_content = false;
        sync_fsm_end_prefetch(m, word);
        sync_fsm_fail_orders(m, word);
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
        /* There the timer is that of its slice. */
        if (m->phase == SYNC_PHASE_CONTENT || m->phase == SYNC_PHASE_PUSH)
                return;
        m->timer = m->paused = false;
        if (m->phase == SYNC_PHASE_PAUSE)
                m->phase = SYNC_PHASE_IDLE;
}

/* Every way into synchronization begins with a pull and a look at everything. */
static void begin(SyncFsm *m) {
        m->want_fetch = m->want_tree = m->want_full = m->want_local = m->announce = true;
        m->want_content = m->push_announced = m->pull_announced = false;
        m->failures = m->rounds = m->agains = m->replans = m->changes = m->poisoned = m->idle_contents = 0;
        m->push_passed_over = 0;
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
                end(m, reason_not_allowed(m));
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
                end(m, SYNC_WORD_NOT_SUBSCRIBED);
        else if (status == SYNC_STATUS_SUBSCRIBED)
                /* The ACS takes it for the beginning, or has just authorized a new key. */
                sync_fsm_ordered(m, (SyncOp) { .kind = SYNC_OP_PULL });
}

void sync_fsm_ordered(SyncFsm *m, SyncOp op) {
        if (op.opseq > 0 &&
            (op.opseq <= m->last_opseq || op.opseq <= m->waiting.opseq || op.opseq <= m->running.opseq ||
             op.opseq <= m->prefetch.opseq))
                return;
        if (!sync_fsm_is_allowed(m)) {
                if (op.opseq > 0)
                        sync_fsm_report(m, op, SYNC_OUTCOME_ERROR, reason_not_allowed(m));
                return;
        }
        if (op.kind == SYNC_OP_PREFETCH) {
                m->want_prefetch = true;
                if (op.opseq > 0) {
                        m->prefetch = op;
                        m->prefetch_done = false;
                }
                return;
        }
        if (op.kind == SYNC_OP_PULL)
                sync_fsm_end_prefetch(m, SYNC_WORD_NONE);
        /* The latest order stands for all that wait; what they want adds up. */
        if (op.opseq > 0)
                m->waiting = op;
        else
                m->announce = true;
        m->want_fetch = m->want_tree = true;
        if (op.kind == SYNC_OP_RESCAN)
                m->want_full = true;
        /* Somebody expects an answer: no more patience. */
        end_pause(m);
        sync_fsm_answer_prefetch(m);
}

void sync_fsm_dirty(SyncFsm *m, bool full) {
        m->want_tree = m->want_local = true;
        m->want_full |= full;
        m->agains = 0;
}

void sync_fsm_timer(SyncFsm *m) {
        if (m->phase == SYNC_PHASE_CONTENT || m->phase == SYNC_PHASE_PUSH) {
                m->slice_over = true;
                return;
        }
        if (m->phase != SYNC_PHASE_PAUSE && m->again)
                m->want_tree = true;
        end_pause(m);
}

void sync_fsm_rate(SyncFsm *m, uint64_t bytes_per_second) {
        m->bytes_per_second = bytes_per_second;
}

static uint64_t doubled(uint64_t minimum, uint64_t maximum, unsigned times) {
        for (; times > 0 && minimum < maximum; times--)
                minimum *= 2;
        return MIN(minimum, maximum);
}

static void pause_for(SyncFsm *m, uint64_t usec) {
        m->phase = SYNC_PHASE_PAUSE;
        m->paused = true;
        m->want_local |= m->again;
        m->pause_usec = usec;
        m->timer = false;
}

/* A conversation failed: everything begins again after a pause. */
static void step_back(SyncFsm *m, SyncWord word) {
        /* A worker of ours that died is like a connection that broke. */
        bool refused = word != SYNC_WORD_UNREACHABLE && word != SYNC_WORD_INTERNAL_ERROR;

        m->last_error = word;
        m->rounds = m->changes = m->poisoned = m->idle_contents = 0;
        m->want_fetch = m->want_tree = true;
        m->want_content = m->push_announced = m->pull_announced = false;
        pause_for(m,
                  doubled(refused ? SYNC_BACKOFF_REFUSED_USEC : SYNC_BACKOFF_MIN_USEC,
                          SYNC_BACKOFF_MAX_USEC,
                          m->failures++));
        sync_fsm_fail_orders(m, word);
        m->announce = true;
}

/* A fetch, content or push ended. False if it is of no interest any more: its orders were answered when
 * synchronization was ended, and the next beginning fetches anew. */
static bool transfer_ended(SyncFsm *m) {
        bool cut_short = m->cut_short && m->phase != SYNC_PHASE_CONTENT;

        m->phase = SYNC_PHASE_IDLE;
        m->timer = m->stop_given = m->cut_short = m->slice_over = false;
        return sync_fsm_is_allowed(m) && !cut_short;
}

void sync_fsm_fetched(SyncFsm *m, TransferResult result) {
        assert(m->phase == SYNC_PHASE_FETCH);
        if (!transfer_ended(m))
                return;
        if (result != TRANSFER_OK) {
                step_back(m, sync_word_from_transfer(result));
                return;
        }
        m->failures = m->idle_contents = 0;
        m->fetched = m->want_tree = true;
}

void sync_fsm_content_done(SyncFsm *m, TransferResult result) {
        assert(m->phase == SYNC_PHASE_CONTENT);
        if (!transfer_ended(m))
                return;
        if (result != TRANSFER_OK) {
                step_back(m, sync_word_from_transfer(result));
                return;
        }
        m->failures = 0;
        m->want_tree = true;
        m->idle_contents++;
}

/* Content is to be fetched, unless that brings nothing: a server that does not have it, or a disk that does
 * not keep it. */
static void want_content(SyncFsm *m, const SyncTreeResult *result) {
        if (result->placed || result->bytes_missing == 0 || result->bytes_missing < m->bytes_missing)
                m->idle_contents = 0;
        m->bytes_missing = result->bytes_missing;
        m->passed_over++;
        m->want_content = true;
        if (m->idle_contents > SYNC_ROUNDS_MAX)
                step_back(m, SYNC_WORD_TRANSFER_FAILED);
        else if (m->idle_contents > 1)
                pause_for(m, doubled(SYNC_CHANGED_MIN_USEC, SYNC_CHANGED_MAX_USEC, m->idle_contents - 2));
}

/* A run that was begun in a pause. What is to be told of it and done about it is by the one that follows the next
 * fetch, or by those of the next pause. */
static void local_run_done(SyncFsm *m, const SyncTreeResult *result) {
        m->phase = m->paused ? SYNC_PHASE_PAUSE : SYNC_PHASE_IDLE;
        m->want_full |= result->halted;
        m->want_rest = result->rest && !result->halted;
        m->again = result->again;
        m->candidate = result->candidate;
        m->conflict |= result->conflict;
        m->bytes_to_push = result->bytes_to_push;
        if (!result->halted)
                m->revision = result->base;
        if (result->word != SYNC_WORD_NONE)
                m->last_error = result->word;
}

void sync_fsm_tree_done(SyncFsm *m, const SyncTreeResult *result) {
        bool moved = result->base.n != m->revision.n;

        assert(m->phase == SYNC_PHASE_TREE);
        if (m->local) {
                local_run_done(m, result);
                return;
        }
        m->phase = SYNC_PHASE_IDLE;
        m->last_error = result->word;
        m->timer = m->want_content = false;
        m->want_rest = result->rest && !result->halted;
        m->candidate = result->candidate;
        m->bytes_to_push = result->bytes_to_push;
        m->again = result->again;
        m->push_passed_over = result->candidate ? m->push_passed_over + 1 : 0;
        m->push_stopped &= result->candidate;
        if (!result->again)
                m->agains = 0;
        if (result->halted) {
                /* What it was to look at it may not have looked at. */
                m->want_full = true;
                sync_fsm_fail_orders(m, result->word);
                m->fetched = false;
                return;
        }
        m->revision = result->base;
        m->conflict |= result->conflict;
        m->announce |= moved;
        /* What is prefetched is now fetched. */
        if (m->prefetching && (moved || result->missing))
                sync_fsm_end_prefetch(m, SYNC_WORD_NONE);
        if (result->missing) {
                want_content(m, result);
                sync_fsm_answer_prefetch(m);
                return;
        }
        m->passed_over = m->idle_contents = 0;
        m->bytes_missing = 0;
        if (result->replan && m->replans++ < SYNC_REPLANS_MAX) {
                m->want_tree = true;
                sync_fsm_answer_prefetch(m);
                return;
        }
        m->replans = 0;
        sync_fsm_answer_run(m, result, moved);
}

/* Main has moved to a commit of ours; bytes are those of the next one. */
static void moved_main(SyncFsm *m, const SyncRevision *revision, bool more, uint64_t bytes) {
        m->failures = m->changes = m->poisoned = m->rounds = 0;
        m->candidate = more;
        m->push_announced = false;
        m->bytes_to_push = bytes;
        m->revision = *revision;
}

static void push_landed(SyncFsm *m, const SyncRevision *revision) {
        moved_main(m, revision, false, 0);
        if (m->running.opseq > 0 && m->running.kind == SYNC_OP_PUSH && !m->want_rest)
                sync_fsm_answer(m, SYNC_OUTCOME_OK);
        else
                sync_fsm_report(m, (SyncOp) { .kind = SYNC_OP_PUSH }, SYNC_OUTCOME_OK, SYNC_WORD_NONE);
        /* The rest of main, or of what is in the folder, is still on its way, or may be. */
        if (!m->want_content && !m->want_rest && !m->want_tree)
                sync_fsm_finish(m);
        sync_fsm_answer_prefetch(m);
}

void sync_fsm_pushed_part(SyncFsm *m, const SyncRevision *revision, uint64_t bytes_to_push) {
        assert(m->phase == SYNC_PHASE_PUSH);
        (void) transfer_ended(m);
        moved_main(m, revision, true, bytes_to_push);
        /* No order is done yet. */
        sync_fsm_report(m, (SyncOp) { .kind = SYNC_OP_PUSH }, SYNC_OUTCOME_OK, SYNC_WORD_NONE);
        sync_fsm_answer_prefetch(m);
}

static void push_again_at_once_or_later(SyncFsm *m) {
        m->candidate = false;
        m->want_tree = true;
        if (++m->changes > SYNC_ROUNDS_MAX)
                step_back(m, SYNC_WORD_TRANSFER_FAILED);
        else if (m->changes > SYNC_CHANGES_MAX)
                pause_for(m,
                          doubled(SYNC_CHANGED_MIN_USEC,
                                  SYNC_CHANGED_MAX_USEC,
                                  m->changes - SYNC_CHANGES_MAX - 1));
}

void sync_fsm_poisoned(SyncFsm *m) {
        assert(m->phase == SYNC_PHASE_PUSH);
        if (!transfer_ended(m))
                return;
        m->candidate = false;
        m->want_tree = true;
        if (++m->poisoned > SYNC_POISONED_MAX)
                step_back(m, SYNC_WORD_TRANSFER_FAILED);
}

void sync_fsm_prefetched(SyncFsm *m, TransferResult result) {
        assert(m->prefetching);
        m->prefetching = m->stop_prefetch = m->prefetch_stop_given = false;
        /* A later order begins it anew. */
        if (m->prefetch.opseq > 0 && !m->want_prefetch && !m->prefetch_done) {
                m->prefetch_done = true;
                m->prefetch_word = sync_word_from_transfer(result);
        }
        sync_fsm_answer_prefetch(m);
}

void sync_fsm_pushed(SyncFsm *m, TransferResult result, const SyncRevision *revision) {
        assert(m->phase == SYNC_PHASE_PUSH);
        if (!transfer_ended(m) && result != TRANSFER_OK)
                return;
        switch (result) {
        case TRANSFER_OK:
                push_landed(m, revision);
                return;
        case TRANSFER_NON_FAST_FORWARD:
                m->want_fetch = m->want_tree = true;
                if (++m->rounds > SYNC_ROUNDS_MAX)
                        step_back(m, SYNC_WORD_TRANSFER_FAILED);
                else if (m->rounds > 1)
                        pause_for(m, doubled(SYNC_RACE_PAUSE_USEC, SYNC_BACKOFF_MAX_USEC, m->rounds));
                return;
        case TRANSFER_CHANGED:
                push_again_at_once_or_later(m);
                return;
        case TRANSFER_STOPPED:
                /* A batch has landed. */
                m->failures = m->rounds = 0;
                m->push_stopped = true;
                return;
        case TRANSFER_AUTHENTICATION_FAILED:
        case TRANSFER_HOST_KEY_MISMATCH:
        case TRANSFER_UNREACHABLE:
        case TRANSFER_REFUSED:
        case TRANSFER_QUOTA_EXCEEDED:
        case TRANSFER_PROTOCOL_ERROR:
        case TRANSFER_HISTORY_REWRITTEN:
        case TRANSFER_DISK_FULL:
        case TRANSFER_LOCAL_ERROR:
        case _TRANSFER_RESULT_MAX:
        case _TRANSFER_RESULT_INVALID:
        default:
                step_back(m, sync_word_from_transfer(result));
        }
}
