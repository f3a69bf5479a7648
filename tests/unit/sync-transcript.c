/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/str.h"
#include "sync-transcript.h"

const SyncFacts good_facts = { .enabled = true, .key_ready = true };

SyncFsm fresh(void) {
        SyncFsm m;

        sync_fsm_init(&m, SYNC_STATUS_DISABLED, false, &(SyncRevision) {}, 0);
        return m;
}

void assert_next(SyncFsm *m, SyncActionKind kind) {
        assert_int_equal(sync_fsm_next(m, UINT32_MAX).kind, kind);
}

void assert_reports(SyncFsm *m, const char *expected) {
        static const char *const outcomes[] = { "started", "ok", "conflict", "error" };
        char text[256] = "";

        for (size_t i = 0; i < m->n_reports; i++) {
                const SyncReport *r = &m->reports[i];
                char opseq[16] = "-", *p = text + strlen(text);

                if (r->op.opseq > 0)
                        (void) snprintf(opseq, sizeof(opseq), "%u", r->op.opseq);
                p += sprintf(p, "%s%s %s %s", i > 0 ? ", " : "", sync_op_kind_to_string(r->op.kind), opseq,
                             outcomes[r->outcome]);
                if (r->outcome == SYNC_OUTCOME_ERROR)
                        (void) sprintf(p, ":%s", sync_word_to_string(r->word));
        }
        assert_string_equal(text, expected);
        m->n_reports = 0;
}

void tree_done(SyncFsm *m, uint64_t n, bool candidate) {
        sync_fsm_tree_done(m, &(SyncTreeResult) { .base.n = n, .candidate = candidate });
}

SyncFsm subscribed(void) {
        SyncFsm m = fresh();

        sync_fsm_facts(&m, &good_facts);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_true(sync_fsm_next(&m, 0).full);
        tree_done(&m, 5, false);
        assert_next(&m, SYNC_ACTION_NONE);
        m.n_reports = 0;
        return m;
}
