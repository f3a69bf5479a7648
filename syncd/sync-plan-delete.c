/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a plan deletes: now, or later, or only under one name. */
#include <string.h>

#include "common/base/array.h"
#include "syncd/sync-plan-internal.h"

static uint64_t short_oid(const SyncOid *oid) {
        uint64_t n;

        memcpy(&n, oid->bytes, sizeof(n));
        return n;
}

int sync_contents_add(SyncContents *c, const SyncOid *oid) {
        if (ARRAY_GROW(c->items, c->n) < 0)
                return -ENOMEM;
        c->items[c->n++] = short_oid(oid);
        return 0;
}

static int compare_contents(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static void sort_contents(SyncContents *c) {
        if (c->n > 0)
                qsort(c->items, c->n, sizeof(*c->items), compare_contents);
}

static bool has_content(const SyncContents *c, const SyncOid *oid) {
        uint64_t key = short_oid(oid);

        return c->n > 0 && bsearch(&key, c->items, c->n, sizeof(key), compare_contents);
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

/* --- operations --- */

static int add_path(const char ***paths, size_t *n, const char *path) {
        if (ARRAY_GROW(*paths, *n) < 0)
                return -ENOMEM;
        (*paths)[(*n)++] = path;
        return 0;
}

typedef struct Deletion {
        SyncContents created;
        size_t n_renamed;  /* besides those of the window */
        const char *stays; /* the last one that does */
} Deletion;

/* The content of the files that the plan creates. */
static int list_created(const SyncPlan *plan, Deletion *d) {
        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncOperation *o = plan->operations + i;

                if (o->kind != SYNC_CREATE || o->wanted->kind != SYNC_FILE)
                        continue;
                if (sync_contents_add(&d->created, &o->wanted->oid) < 0)
                        return -ENOMEM;
        }
        sort_contents(&d->created);
        return 0;
}

static int delete_one(Planner *p, const SyncStep *s, Deletion *d) {
        SyncPlanStatistics *statistics = &p->plan->statistics;
        bool is_file = s->local->kind != SYNC_DIRECTORY,
             is_created = is_file && has_content(&d->created, &s->local->oid),
             waits = (d->stays && sync_path_is_below(d->stays, s->path)) ||
                     (is_file && has_content(&p->put_off, &s->local->oid));
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
        r = list_created(p->plan, &d);
        sort_contents(&p->put_off);
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
static int list_brought(const Planner *p, SyncContents *here, SyncContents *main) {
        int r = 0;

        for (size_t i = 0; i < p->n_steps; i++)
                for (size_t k = 0; k < p->steps[i].n && r >= 0; k++) {
                        SyncStep s = sync_step_at(p, p->steps + i, k);

                        if (s.decision == DECIDE_TAKE_REMOTE && s.remote)
                                r = sync_contents_add(here, &s.remote->oid);
                        else if (s.decision == DECIDE_TAKE_LOCAL && s.local)
                                r = sync_contents_add(main, &s.local->oid);
                }
        for (size_t i = 0; i < p->put_off.n && r >= 0; i++) {
                if (ARRAY_GROW(here->items, here->n) < 0)
                        return -ENOMEM;
                here->items[here->n++] = p->put_off.items[i];
        }
        sort_contents(here);
        sort_contents(main);
        return r;
}

static int count(Planner *p, const SyncStep *s, const SyncContents *here, const SyncContents *main) {
        SyncPlanStatistics *n = &p->plan->statistics;
        SyncPlan *plan = p->plan;

        if (is_deleted_here(s) && s->local->kind != SYNC_DIRECTORY && !has_content(here, &s->local->oid))
                return add_path(&plan->deleted_here, &n->deleted_here, s->path);
        if (is_deleted_on_main(s) && s->remote->kind != SYNC_DIRECTORY && !has_content(main, &s->remote->oid))
                return add_path(&plan->deleted_on_main, &n->deleted_on_main, s->path);
        return 0;
}

int sync_plan_count_deletions(Planner *p) {
        SyncContents here = {}, main = {};
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
