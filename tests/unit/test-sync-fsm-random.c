/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state machine under random events: it never stalls, and answers each order once and in order. The seed
 * is the first argument; without one it is fixed. */
#include <stdio.h>

#include "common/base/parse.h"
#include "sync-transcript.h"

#define EVENTS 100000U
/* So many events, then everything succeeds until nothing is left to do. */
#define EVENTS_PER_ROUND 40U
/* Rounds of a large pull, retries with pauses and the rest end within this. */
#define STEPS_TO_SETTLE_MAX 200U

static uint64_t first_seed = 20261125;

typedef struct World {
        SyncFsm m;
        uint64_t random;
        bool timer;              /* armed */
        bool prefetch;           /* its process runs */
        uint32_t ordered;        /* the highest opseq */
        uint32_t answered;
        uint32_t pull_wanted;    /* the highest opseq of a pull */
        uint32_t pull_fetched;   /* that of a pull which a fetch has begun after */
        uint32_t pull_applied;
        uint64_t main_n;
} World;

static uint32_t draw(World *w, uint32_t below) {
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t) (w->random >> 33) % below;
}

static bool one_in(World *w, uint32_t n) {
        return draw(w, n) == 0;
}

static void take_reports(World *w) {
        for (size_t i = 0; i < w->m.n_reports; i++) {
                const SyncReport *r = &w->m.reports[i];

                if (r->outcome == SYNC_OUTCOME_STARTED || r->op.opseq == 0)
                        continue;
                assert_true(r->op.opseq > w->answered);
                assert_true(r->op.opseq <= w->ordered);
                w->answered = r->op.opseq;
                if (r->op.kind == SYNC_OP_PULL && r->outcome != SYNC_OUTCOME_ERROR)
                        assert_true(w->pull_applied >= r->op.opseq);
        }
        w->m.n_reports = 0;
        assert_int_equal(w->m.last_opseq, w->answered);
}

/* All that the state machine wants to do now. */
static void follow(World *w) {
        for (unsigned i = 0;; i++) {
                SyncAction a = sync_fsm_next(&w->m, draw(w, UINT32_MAX));

                assert_true(i < 10);
                switch (a.kind) {
                case SYNC_ACTION_NONE:
                        return;
                case SYNC_ACTION_FETCH:
                        w->pull_fetched = w->pull_wanted;
                        break;
                case SYNC_ACTION_WAIT:
                        assert_true(a.usec > 0 && a.usec <= SYNC_BACKOFF_MAX_USEC);
                        w->timer = true;
                        break;
                case SYNC_ACTION_PREFETCH:
                        assert_false(w->prefetch);
                        w->prefetch = true;
                        break;
                case SYNC_ACTION_STOP_PREFETCH:
                        assert_true(w->prefetch);
                        break;
                case SYNC_ACTION_STOP_TRANSFER:
                        assert_true(w->m.phase == SYNC_PHASE_FETCH || w->m.phase == SYNC_PHASE_CONTENT ||
                                    w->m.phase == SYNC_PHASE_PUSH);
                        break;
                case SYNC_ACTION_TREE:
                case SYNC_ACTION_CONTENT:
                case SYNC_ACTION_PUSH:
                default:
                        break;
                }
                take_reports(w);
        }
}

/* Something outside will call it again, or there is nothing to do. */
static void assert_alive(const World *w) {
        const SyncFsm *m = &w->m;

        switch (m->phase) {
        case SYNC_PHASE_FETCH:
        case SYNC_PHASE_TREE:
                break;
        case SYNC_PHASE_CONTENT:
        case SYNC_PHASE_PUSH:
                assert_true(m->slice_over || w->timer || !sync_fsm_is_allowed(m));
                break;
        case SYNC_PHASE_PAUSE:
                assert_true(w->timer || !sync_fsm_is_allowed(m));
                assert_false(m->want_local && m->revision.n > 0 && sync_fsm_is_allowed(m));
                break;
        case SYNC_PHASE_IDLE:
        default:
                if (!sync_fsm_is_allowed(m))
                        break;
                assert_false(m->want_fetch || m->want_tree || m->candidate || m->want_rest);
                assert_true(!m->again || w->timer);
                /* The end of a prefetch calls it again. */
                if (m->want_content) {
                        assert_true(w->prefetch && m->prefetch_stop_given);
                        break;
                }
                assert_true(m->running.opseq == 0 && m->waiting.opseq == 0);
        }
        if (!sync_fsm_is_allowed(m))
                assert_int_equal(w->answered, w->ordered);
        else if (m->prefetch.opseq > 0)
                assert_true(w->prefetch || m->running.opseq > 0 || m->waiting.opseq > 0 ||
                            m->phase == SYNC_PHASE_CONTENT || m->want_content);
        assert_int_equal(w->prefetch, m->prefetching);
}

static TransferResult some_result(World *w) {
        return one_in(w, 3) ? (TransferResult) draw(w, _TRANSFER_RESULT_MAX) : TRANSFER_OK;
}

static void end_tree(World *w, bool good) {
        SyncTreeResult result = { .base = { .n = w->m.revision.n } };

        if (!good && one_in(w, 6))
                result.word = one_in(w, 2) ? SYNC_WORD_MASS_DELETE : SYNC_WORD_DISK_FULL;
        result.halted = result.word != SYNC_WORD_NONE;
        if (!good && !result.halted && one_in(w, 8))
                result.word = SYNC_WORD_BAD_ENTRY;
        result.missing = !good && one_in(w, 2);
        result.bytes_missing = result.missing ? draw(w, 1000) : 0;
        result.candidate = !good && one_in(w, 2);
        result.bytes_to_push = draw(w, 100) * SYNC_RATE_ASSUMED;
        result.conflict = one_in(w, 10);
        result.again = !good && one_in(w, 4);
        result.rest = !good && one_in(w, 4);
        result.replan = result.again && one_in(w, 2);
        result.unplaced = one_in(w, 4);
        if (result.word == SYNC_WORD_BAD_ENTRY && one_in(w, 2))
                result.no_push = SYNC_WORD_BAD_ENTRY;
        if (result.word == SYNC_WORD_BAD_ENTRY && result.unplaced && one_in(w, 2))
                result.no_pull = SYNC_WORD_BAD_ENTRY;
        if (!result.missing && !result.halted) {
                w->pull_applied = w->pull_fetched;
                result.base.n = w->main_n += one_in(w, 2);
        }
        sync_fsm_tree_done(&w->m, &result);
}

static void end_push(World *w, bool good) {
        TransferResult result = good ? TRANSFER_OK : some_result(w);

        if (!good && one_in(w, 8)) {
                sync_fsm_poisoned(&w->m);
                return;
        }
        if (result == TRANSFER_OK)
                w->main_n++;
        if (result == TRANSFER_OK && one_in(w, 4))
                sync_fsm_pushed_part(&w->m, &(SyncRevision) { .n = w->main_n }, w->main_n);
        else
                sync_fsm_pushed(&w->m, result, &(SyncRevision) { .n = w->main_n });
}

/* What runs ends, or the timer does. False if there is nothing. */
static bool go_on(World *w, bool good) {
        if (w->prefetch && one_in(w, 2)) {
                w->prefetch = false;
                sync_fsm_prefetched(&w->m, good ? TRANSFER_OK : some_result(w));
                return true;
        }
        if (w->timer && (w->m.phase == SYNC_PHASE_IDLE || w->m.phase == SYNC_PHASE_PAUSE || one_in(w, 4))) {
                w->timer = false;
                sync_fsm_timer(&w->m);
                return true;
        }
        switch (w->m.phase) {
        case SYNC_PHASE_FETCH:
                sync_fsm_fetched(&w->m, good ? TRANSFER_OK : some_result(w));
                return true;
        case SYNC_PHASE_TREE:
                end_tree(w, good);
                return true;
        case SYNC_PHASE_CONTENT:
                sync_fsm_content_done(&w->m, good ? TRANSFER_OK : some_result(w));
                return true;
        case SYNC_PHASE_PUSH:
                end_push(w, good);
                return true;
        case SYNC_PHASE_IDLE:
        case SYNC_PHASE_PAUSE:
        default:
                return w->prefetch;
        }
}

static void order(World *w) {
        SyncOp op = { .kind = (SyncOpKind) draw(w, _SYNC_OP_MAX) };

        /* Now and then one of its own, or one that is known already. */
        if (!one_in(w, 4))
                op.opseq = one_in(w, 5) && w->ordered > 0 ? 1 + draw(w, w->ordered) : ++w->ordered;
        if (op.kind == SYNC_OP_PULL && op.opseq == w->ordered)
                w->pull_wanted = op.opseq;
        sync_fsm_ordered(&w->m, op);
}

static void change_facts(World *w, bool good) {
        SyncFacts facts = good_facts;

        if (!good && one_in(w, 2))
                facts.enabled = false;
        if (!good && one_in(w, 2))
                facts.folder = SYNC_WORD_FOLDER_OFFLINE;
        sync_fsm_facts(&w->m, &facts);
}

static void change_status(World *w, bool good) {
        static const SyncStatus written[] = {
                SYNC_STATUS_SUBSCRIBED, SYNC_STATUS_SUSPENDED, SYNC_STATUS_REJECTED
        };

        sync_fsm_status_written(&w->m, written[good ? 0 : draw(w, ELEMENTSOF(written))]);
        w->pull_wanted = MAX(w->pull_wanted, w->m.last_opseq);
}

static void random_event(World *w) {
        uint32_t n = draw(w, 100);

        if (n < 70)
                (void) go_on(w, false);
        else if (n < 82)
                sync_fsm_dirty(&w->m, one_in(w, 10));
        else if (n < 94)
                order(w);
        else if (n < 96)
                change_facts(w, one_in(w, 2));
        else if (n < 98)
                change_status(w, one_in(w, 2));
        else
                sync_fsm_rate(&w->m, draw(w, 1000000));
}

static void after_event(World *w) {
        take_reports(w);
        follow(w);
        take_reports(w);
        assert_alive(w);
}

static void settle(World *w) {
        unsigned steps = 0;

        change_facts(w, true);
        after_event(w);
        change_status(w, true);
        after_event(w);
        while (go_on(w, true)) {
                after_event(w);
                assert_true(++steps < STEPS_TO_SETTLE_MAX);
        }
        assert_int_equal(w->m.phase, SYNC_PHASE_IDLE);
        assert_int_equal(w->answered, w->ordered);
        assert_int_equal(w->m.last_error, SYNC_WORD_NONE);
}

static void no_sequence_of_events_stalls(void **state) {
        World w = { .m = fresh(), .random = first_seed };

        print_message("seed %llu\n", (unsigned long long) first_seed);
        for (unsigned i = 0; i < EVENTS; i++) {
                random_event(&w);
                after_event(&w);
                if (i % EVENTS_PER_ROUND == 0)
                        settle(&w);
        }
        /* The events did reach what they are to test. */
        assert_true(w.answered > EVENTS / 20);
        assert_true(w.m.revision.n > EVENTS / 100);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_sequence_of_events_stalls),
        };

        if (argc > 1 && parse_uint64(argv[1], &first_seed) < 0)
                return EXIT_FAILURE;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
