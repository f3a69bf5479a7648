/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan deletes: now, or later, or only under one name. */
#include <string.h>

#include "common/base/array.h"
#include "syncd/sync-plan-internal.h"

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static bool is_deleted_here(const SyncStep *s) {
        return s->decision == DECIDE_TAKE_REMOTE && s->local && !s->remote;
}

static bool is_deleted_on_main(const SyncStep *s) {
        return s->decision == DECIDE_TAKE_LOCAL && !s->local && s->remote;
}

/* Most plans do not, and need no lists. */
static bool deletes_something(const Planner *p) {
        for (size_t i = 0; i < p->n_steps; i++)
                if (is_deleted_here(p->steps + i) || is_deleted_on_main(p->steps + i))
                        return true;
        return false;
}

/* --- content by its name --- */

typedef struct Oids {
        SyncOid *items;
        size_t n;
} Oids;

static int add_oid(Oids *l, const SyncOid *oid) {
        if (ARRAY_GROW(l->items, l->n) < 0)
                return -ENOMEM;
        l->items[l->n++] = *oid;
        return 0;
}

static void sort_oids(SyncOid *oids, size_t n) {
        if (n > 0)
                qsort(oids, n, sizeof(*oids), compare_oids);
}

static bool has_oid(const SyncOid *sorted, size_t n, const SyncOid *oid) {
        return n > 0 && bsearch(oid, sorted, n, sizeof(*sorted), compare_oids);
}

/* --- operations --- */

static int add_path(const char ***paths, size_t *n, const char *path) {
        if (ARRAY_GROW(*paths, *n) < 0)
                return -ENOMEM;
        (*paths)[(*n)++] = path;
        return 0;
}

/* The content of the files that the plan creates. */
static int list_created(const SyncPlan *plan, Oids *ret) {
        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncOperation *o = plan->operations + i;

                if (o->kind == SYNC_CREATE && o->wanted->kind == SYNC_FILE && add_oid(ret, &o->wanted->oid) < 0)
                        return -ENOMEM;
        }
        sort_oids(ret->items, ret->n);
        return 0;
}

typedef struct Deletion {
        Oids created;
        size_t n_renamed;  /* besides those of the window */
        const char *stays; /* the last one that does */
} Deletion;

static int delete_one(Planner *p, const SyncStep *s, Deletion *d) {
        SyncPlanStatistics *statistics = &p->plan->statistics;
        bool is_file = s->local->kind != SYNC_DIRECTORY,
             is_created = is_file && has_oid(d->created.items, d->created.n, &s->local->oid),
             waits = (d->stays && sync_path_is_below(d->stays, s->path)) ||
                     (is_file && has_oid(p->put_off, statistics->put_off, &s->local->oid));
        WindowPlace place = WINDOW_WITHIN;

        if (!waits)
                place = sync_plan_window_next(&p->deleted, p->context->window, s->path, -1);
        if (place != WINDOW_WITHIN) {
                if (is_created && d->n_renamed < d->created.n)
                        d->n_renamed++;
                else {
                        waits = true;
                        statistics->deletions_put_off++;
                        statistics->behind += place == WINDOW_BEHIND;
                }
        }
        if (!waits)
                return sync_plan_add_operation(p, SYNC_DELETE, s, NULL, NULL);
        d->stays = s->path;
        return is_created ? add_path(&p->plan->moves_put_off, &statistics->moves_put_off, s->path) : 0;
}

/* Deletions come last: until then their content may serve what is created under another name; and what of that is put
 * off, they wait for. Both halves of a rename are in one plan: each creation has one deletion besides those of the
 * window. */
int sync_plan_delete(Planner *p) {
        Deletion d = {};
        int r;

        if (!deletes_something(p))
                return 0;
        r = list_created(p->plan, &d.created);
        sort_oids(p->put_off, p->plan->statistics.put_off);
        for (size_t i = p->n_steps; i-- > 0 && r >= 0;) {
                const SyncStep *s = p->steps + i;

                if (!is_deleted_here(s) || s->done)
                        continue;
                for (size_t k = s->n; k-- > 0 && r >= 0;) {
                        SyncStep one = sync_step_at(p, s, k);

                        r = delete_one(p, &one, &d);
                }
        }
        free(d.created.items);
        return r;
}

/* --- counting --- */

/* What the plan brings here, now or later, and to main. */
static int list_brought(const Planner *p, Oids *here, Oids *main) {
        int r = 0;

        for (size_t i = 0; i < p->n_steps; i++)
                for (size_t k = 0; k < p->steps[i].n && r >= 0; k++) {
                        SyncStep s = sync_step_at(p, p->steps + i, k);

                        if (s.decision == DECIDE_TAKE_REMOTE && s.remote)
                                r = add_oid(here, &s.remote->oid);
                        else if (s.decision == DECIDE_TAKE_LOCAL && s.local)
                                r = add_oid(main, &s.local->oid);
                }
        for (size_t i = 0; i < p->plan->statistics.put_off && r >= 0; i++)
                r = add_oid(here, p->put_off + i);
        sort_oids(here->items, here->n);
        sort_oids(main->items, main->n);
        return r;
}

static int count(Planner *p, const SyncStep *s, const Oids *here, const Oids *main) {
        SyncPlanStatistics *n = &p->plan->statistics;
        SyncPlan *plan = p->plan;

        if (is_deleted_here(s) && s->local->kind != SYNC_DIRECTORY && !has_oid(here->items, here->n, &s->local->oid))
                return add_path(&plan->deleted_here, &n->deleted_here, s->path);
        if (is_deleted_on_main(s) && s->remote->kind != SYNC_DIRECTORY &&
            !has_oid(main->items, main->n, &s->remote->oid))
                return add_path(&plan->deleted_on_main, &n->deleted_on_main, s->path);
        return 0;
}

int sync_plan_count_deletions(Planner *p) {
        Oids here = {}, main = {};
        int r;

        if (!deletes_something(p))
                return 0;
        r = list_brought(p, &here, &main);
        for (size_t i = 0; i < p->n_steps; i++)
                for (size_t k = 0; k < p->steps[i].n && r >= 0; k++) {
                        SyncStep s = sync_step_at(p, p->steps + i, k);

                        r = count(p, &s, &here, &main);
                }
        free(here.items);
        free(main.items);
        return r;
}
