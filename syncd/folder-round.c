/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan puts off gets its turn in later ones. In a round of runs, all that is to be created and deleted is tried
 * once, one window after the other; what comes meanwhile, and what could not be done, is the next round's. So what can
 * be done waits for no more than two rounds, however much cannot. */
#include "common/base/str.h"
#include "syncd/folder-internal.h"

static void move_on(char **to, char **end) {
        /* Without one nothing was behind: it stays at the end until the round is over. */
        if (!*end)
                return;
        free(*to);
        *to = TAKE_PTR(*end);
}

void folder_round_done(FolderRound *r) {
        free(r->created_to);
        free(r->deleted_to);
        free(r->created_end);
        free(r->deleted_end);
        *r = (FolderRound) {};
}

int folder_round_note(Folder *f, const SyncPlan *plan) {
        int r;

        r = free_and_strdup(&f->round.created_end, plan->last_created);
        return r < 0 ? r : free_and_strdup(&f->round.deleted_end, plan->last_deleted);
}

void folder_round_go_on(Folder *f, const SyncPlan *plan, bool progress, FolderResult *result) {
        const SyncPlanStatistics *s = &plan->statistics;
        FolderRound *round = &f->round;

        round->progress |= progress;
        /* The next run is the one behind the content. */
        if (result->outcome.missing)
                return;
        if (s->behind > 0) {
                move_on(&round->created_to, &round->created_end);
                move_on(&round->deleted_to, &round->deleted_end);
                result->outcome.rest = true;
                return;
        }
        if (s->put_off + s->deletions_put_off > 0 && round->progress)
                result->outcome.rest = true;
        folder_round_done(round);
}
