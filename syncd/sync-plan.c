/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <search.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "syncd/sync-plan-internal.h"

/* What a plan has of many paths, which come in the tree's order, or in the opposite one. */
typedef struct Window {
        const char *begin; /* behind this path, or NULL */
        const char *last;  /* of those that are in it */
        size_t n;
} Window;

typedef enum WindowPlace {
        WINDOW_BEFORE,
        WINDOW_WITHIN,
        WINDOW_BEHIND,
} WindowPlace;

typedef struct Planner {
        const SyncRows *rows;
        const SyncPlanContext *context;
        SyncStep *steps;
        size_t n_steps;
        SyncPlan *plan;
        Window created, deleted;
        SyncOid *put_off; /* content of creations that are; sorted if anything is deleted */
        /* The directory that is being renamed as a whole: what is beneath it is committed beneath its new name. */
        const char *moved_from, *moved_to;
} Planner;

static int add_step(Planner *p, const SyncStep *s) {
        if (ARRAY_GROW(p->steps, p->n_steps) < 0)
                return -ENOMEM;
        p->steps[p->n_steps++] = *s;
        return 0;
}

static bool is_creation(const SyncStep *s) {
        return s->decision == DECIDE_TAKE_REMOTE && !s->base && !s->local && s->remote &&
               s->remote->kind != SYNC_DIRECTORY;
}

static bool are_siblings(const char *a, const char *b) {
        size_t n = (size_t) (sync_path_name(a) - a);

        return n == (size_t) (sync_path_name(b) - b) && memcmp(a, b, n) == 0;
}

/* Where the next path is. order is -1 if the paths come in the opposite order. */
static WindowPlace window_next(Window *w, size_t size, const char *path, int order) {
        if (w->begin && order * sync_path_compare(path, w->begin) <= 0)
                return WINDOW_BEFORE;
        w->begin = NULL;
        if (size > 0 && w->n == size)
                return WINDOW_BEHIND;
        w->n++;
        w->last = path;
        return WINDOW_WITHIN;
}

/* 1 if the step is left to a later plan. One creation in a directory says as much of what the directory must be as
 * all of them. */
static int put_off(Planner *p, const SyncStep *s) {
        const SyncStep *last = p->n_steps > 0 ? p->steps + p->n_steps - 1 : NULL;
        SyncPlanStatistics *n = &p->plan->statistics;
        WindowPlace place;

        if (!is_creation(s))
                return 0;
        place = window_next(&p->created, p->context->window, s->path, 1);
        if (place == WINDOW_WITHIN || !last || !is_creation(last) || !are_siblings(last->path, s->path))
                return 0;
        if (ARRAY_GROW(p->put_off, n->put_off) < 0)
                return -ENOMEM;
        p->put_off[n->put_off++] = s->remote->oid;
        n->behind += place == WINDOW_BEHIND;
        return 1;
}

static int make_steps(Planner *p) {
        SyncEntry merged;
        SyncRow row;
        int r;

        p->plan->statistics.base_files = p->rows->base_files;
        while ((r = p->rows->next(&row, p->rows->userdata)) > 0) {
                SyncStep s = { .base = row.base, .local = row.local, .remote = row.remote, .path = row.path };

                if (sync_path_is_ignored(s.path))
                        continue;
                s.decision = sync_decide(s.base, s.local, s.remote, &merged);
                /* What is the same on both sides has a directory above it on both sides: it has no say in anything. */
                if (s.decision == DECIDE_NOTHING)
                        continue;
                if (s.decision == DECIDE_MERGE) {
                        r = sync_tree_add(p->plan->merged, &merged);
                        if (r < 0)
                                return r;
                }
                r = put_off(p, &s);
                if (r == 0 && p->rows->keep)
                        p->rows->keep(&row, p->rows->userdata);
                if (r == 0)
                        r = add_step(p, &s);
                if (r < 0)
                        return r;
        }
        return r;
}

static int add_operation(Planner *p, SyncOperationKind kind, const SyncStep *s, const SyncEntry *wanted,
                         const char *renamed_to) {
        SyncPlan *plan = p->plan;

        if (ARRAY_GROW(plan->operations, plan->n_operations) < 0)
                return -ENOMEM;
        plan->operations[plan->n_operations++] = (SyncOperation) {
                .kind = kind,
                .path = s->path,
                .local = s->local,
                .wanted = wanted,
                .renamed_to = renamed_to,
        };
        if (wanted && kind != SYNC_CHMOD && wanted->size != SYNC_SIZE_UNKNOWN)
                plan->statistics.bytes_wanted += wanted->size;
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(a, b);
}

/* A name that is in neither tree and not given to another collision. 1, 0 if there is none, -ENOMEM. */
static int choose_name(Planner *p, const char *path, const char **ret) {
        for (unsigned counter = 0; counter <= SYNC_CONFLICT_COUNTER_MAX; counter++) {
                _cleanup_free_ char *name = NULL;
                int r;

                r = sync_conflict_path(path, p->context->now, p->context->gateway_name, counter, &name);
                if (r == -ENAMETOOLONG)
                        return 0;
                if (r < 0)
                        return r;
                if (p->rows->is_taken(name, p->rows->userdata) || tfind(name, &p->plan->names, compare_names))
                        continue;
                if (!tsearch(name, &p->plan->names, compare_names))
                        return -ENOMEM;
                *ret = TAKE_PTR(name);
                return 1;
        }
        return 0;
}

/* Deletes what main deleted beneath the i-th path, the deepest first; what stays moves with the directory. */
static int clear_directory(Planner *p, size_t i) {
        size_t end = i + 1;
        int r;

        while (end < p->n_steps && sync_path_is_below(p->steps[end].path, p->steps[i].path))
                end++;
        while (end-- > i + 1) {
                SyncStep *s = p->steps + end;

                if (s->decision != DECIDE_TAKE_REMOTE || !s->local || s->done)
                        continue;
                s->done = true;
                r = add_operation(p, SYNC_DELETE, s, NULL, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_commit(Planner *p, const SyncEntry *entry, const char *path) {
        SyncEntry e = *entry;

        /* The inode is this folder's affair; a commit's entry is the same everywhere. */
        e.path = path;
        e.inode = 0;
        e.ctime_ns = 0;
        e.certainty = SYNC_SETTLED;
        p->plan->statistics.bytes_to_commit += e.size == SYNC_SIZE_UNKNOWN ? 0 : e.size;
        /* The trees outlive the plan. */
        return path == entry->path ? sync_tree_add_borrowed(p->plan->commits, &e)
                                   : sync_tree_add(p->plan->commits, &e);
}

static bool can_be_committed(const SyncEntry *local) {
        return local->kind != SYNC_SPECIAL && local->certainty < SYNC_BUSY;
}

static int plan_collision(Planner *p, size_t i) {
        SyncStep *s = p->steps + i;
        const char *name;
        int r;

        r = choose_name(p, s->path, &name);
        if (r < 0)
                return r;
        if (r == 0) {
                s->decision = DECIDE_POSTPONE;
                p->plan->statistics.postponed++;
                return 0;
        }
        p->plan->statistics.collisions++;

        if (s->local->kind == SYNC_DIRECTORY) {
                p->moved_from = s->path;
                p->moved_to = name;
                r = clear_directory(p, i);
                if (r < 0)
                        return r;
        }
        r = add_operation(p, SYNC_REPLACE, s, s->remote, name);
        if (r < 0 || !can_be_committed(s->local) || p->context->as_is)
                return r;
        return add_commit(p, s->local, name);
}

static int plan_remote(Planner *p, size_t i) {
        SyncStep *s = p->steps + i;
        int r;

        if (!s->remote)
                return 0;
        if (!s->local)
                return add_operation(p, SYNC_CREATE, s, s->remote, NULL);
        if (s->local->kind == SYNC_FILE && s->remote->kind == SYNC_FILE &&
            sync_oid_equal(&s->local->oid, &s->remote->oid))
                return add_operation(p, SYNC_CHMOD, s, s->remote, NULL);
        if (s->local->kind == SYNC_DIRECTORY) {
                r = clear_directory(p, i);
                if (r < 0)
                        return r;
        }
        return add_operation(p, SYNC_REPLACE, s, s->remote, NULL);
}

static int plan_merge(Planner *p, const SyncStep *s) {
        const SyncEntry *merged = sync_tree_find(p->plan->merged, s->path);
        bool content_is_local = sync_oid_equal(&merged->oid, &s->local->oid);
        int r;

        r = add_operation(p, content_is_local ? SYNC_CHMOD : SYNC_REPLACE, s, merged, NULL);
        if (r < 0 || p->context->as_is)
                return r;
        return add_commit(p, merged, s->path);
}

static int plan_local(Planner *p, const SyncStep *s) {
        SyncEntry absent = { .kind = SYNC_ABSENT };
        _cleanup_free_ char *moved = NULL;

        if (!s->local)
                return add_commit(p, &absent, s->path);
        if (!p->moved_from || !sync_path_is_below(s->path, p->moved_from))
                return add_commit(p, s->local, s->path);
        if (p->context->as_is)
                return 0;

        moved = strfmt("%s%s", p->moved_to, s->path + strlen(p->moved_from));
        if (!moved)
                return -ENOMEM;
        /* Too long beneath its new name: committed when the user shortens it, or renames the directory. */
        return sync_path_is_valid(moved) ? add_commit(p, s->local, moved) : 0;
}

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static bool is_deleted_here(const SyncStep *s) {
        return s->decision == DECIDE_TAKE_REMOTE && s->local && !s->remote;
}

static bool is_deleted_on_main(const SyncStep *s) {
        return s->decision == DECIDE_TAKE_LOCAL && !s->local && s->remote;
}

static bool has_oid(const SyncOid *sorted, size_t n, const SyncOid *oid) {
        return n > 0 && bsearch(oid, sorted, n, sizeof(*sorted), compare_oids);
}

static void sort_oids(SyncOid *oids, size_t n) {
        if (n > 0)
                qsort(oids, n, sizeof(*oids), compare_oids);
}

/* The content of the files that the plan creates. */
static int list_created(const SyncPlan *plan, SyncOid **ret, size_t *ret_n) {
        SyncOid *oids = NULL;
        size_t n = 0;

        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncOperation *o = plan->operations + i;

                if (o->kind != SYNC_CREATE || o->wanted->kind != SYNC_FILE)
                        continue;
                if (ARRAY_GROW(oids, n) < 0) {
                        free(oids);
                        return -ENOMEM;
                }
                oids[n++] = o->wanted->oid;
        }
        sort_oids(oids, n);
        *ret = oids;
        *ret_n = n;
        return 0;
}

/* Deletions come last: until then their content may serve what is created under another name; and what of that is put
 * off, they wait for. Both halves of a rename are in one plan: each creation has one deletion besides those of the
 * window. */
static int delete(Planner *p) {
        SyncPlanStatistics *statistics = &p->plan->statistics;
        _cleanup_free_ SyncOid *created = NULL;
        size_t n_created, n_renamed = 0;
        const char *stays = NULL;
        int r;

        r = list_created(p->plan, &created, &n_created);
        sort_oids(p->put_off, statistics->put_off);
        for (size_t i = p->n_steps; i-- > 0 && r >= 0;) {
                const SyncStep *s = p->steps + i;
                WindowPlace place = WINDOW_WITHIN;
                bool is_directory, waits;

                if (!is_deleted_here(s) || s->done)
                        continue;
                is_directory = s->local->kind == SYNC_DIRECTORY;
                waits = (stays && sync_path_is_below(stays, s->path)) ||
                        (!is_directory && has_oid(p->put_off, statistics->put_off, &s->local->oid));
                if (!waits)
                        place = window_next(&p->deleted, p->context->window, s->path, -1);
                if (place != WINDOW_WITHIN) {
                        if (!is_directory && n_renamed < n_created && has_oid(created, n_created, &s->local->oid))
                                n_renamed++;
                        else {
                                waits = true;
                                statistics->deletions_put_off++;
                                statistics->behind += place == WINDOW_BEHIND;
                        }
                }
                if (waits)
                        stays = s->path;
                else
                        r = add_operation(p, SYNC_DELETE, s, NULL, NULL);
        }
        return r;
}

/* Most plans do not, and need no list of what they create. */
static bool deletes_something(const Planner *p) {
        for (size_t i = 0; i < p->n_steps; i++) {
                const SyncStep *s = p->steps + i;

                if (is_deleted_here(s) || is_deleted_on_main(s))
                        return true;
        }
        return false;
}

static int make_operations(Planner *p) {
        int r = 0;

        for (size_t i = 0; i < p->n_steps && r >= 0; i++)
                switch (p->steps[i].decision) {
                case DECIDE_NOTHING:
                        break;
                case DECIDE_TAKE_LOCAL:
                        r = plan_local(p, p->steps + i);
                        break;
                case DECIDE_TAKE_REMOTE:
                        r = plan_remote(p, i);
                        break;
                case DECIDE_MERGE:
                        r = plan_merge(p, p->steps + i);
                        break;
                case DECIDE_COLLIDE:
                        r = plan_collision(p, i);
                        break;
                case DECIDE_POSTPONE:
                        p->plan->statistics.postponed +=
                                        !p->steps[i].local || p->steps[i].local->kind != SYNC_SPECIAL;
                        break;
                }
        return r >= 0 && deletes_something(p) ? delete(p) : r;
}

/* Deletions of content that the same plan creates elsewhere are renames, not a loss to be guarded against. */
static int count_deletions(Planner *p) {
        SyncPlanStatistics *n = &p->plan->statistics;
        size_t max_here = p->n_steps + n->put_off;
        _cleanup_free_ SyncOid *created = calloc(max_here + p->n_steps + 1, sizeof(*created));
        SyncOid *here = created, *main = created ? created + max_here : NULL;
        size_t n_here = 0, n_main = 0;

        p->plan->deleted_here = calloc(p->n_steps + 1, sizeof(*p->plan->deleted_here));
        p->plan->deleted_on_main = calloc(p->n_steps + 1, sizeof(*p->plan->deleted_on_main));
        if (!created || !p->plan->deleted_here || !p->plan->deleted_on_main)
                return -ENOMEM;
        for (size_t i = 0; i < p->n_steps; i++) {
                const SyncStep *s = p->steps + i;

                if (s->decision == DECIDE_TAKE_REMOTE && s->remote)
                        here[n_here++] = s->remote->oid;
                if (s->decision == DECIDE_TAKE_LOCAL && s->local)
                        main[n_main++] = s->local->oid;
        }
        for (size_t i = 0; i < n->put_off; i++)
                here[n_here++] = p->put_off[i];
        sort_oids(here, n_here);
        sort_oids(main, n_main);

        for (size_t i = 0; i < p->n_steps; i++) {
                const SyncStep *s = p->steps + i;

                if (is_deleted_here(s) && s->local->kind != SYNC_DIRECTORY && !has_oid(here, n_here, &s->local->oid))
                        p->plan->deleted_here[n->deleted_here++] = s->path;
                if (is_deleted_on_main(s) && s->remote->kind != SYNC_DIRECTORY &&
                    !has_oid(main, n_main, &s->remote->oid))
                        p->plan->deleted_on_main[n->deleted_on_main++] = s->path;
        }
        return 0;
}

static int plan_run(Planner *p) {
        int r;

        r = make_steps(p);
        if (r < 0)
                return r;
        sync_steps_resolve(p->steps, p->n_steps);
        r = make_operations(p);
        if (r < 0)
                return r;
        p->plan->last_created = p->created.last;
        p->plan->last_deleted = p->deleted.last;
        r = deletes_something(p) ? count_deletions(p) : 0;
        if (r < 0)
                return r;
        return sync_tree_sort(p->plan->commits);
}

int sync_plan_rows(const SyncRows *rows, const SyncPlanContext *context, SyncPlan **ret) {
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        Planner p = {
                .rows = rows,
                .context = context,
                .created.begin = context->created_to,
                .deleted.begin = context->deleted_to,
        };
        int r;

        plan = p.plan = calloc(1, sizeof(*plan));
        if (!plan || sync_tree_new(&plan->commits) < 0 || sync_tree_new(&plan->merged) < 0)
                return -ENOMEM;

        r = plan_run(&p);
        free(p.steps);
        free(p.put_off);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(plan);
        return 0;
}

SyncPlan *sync_plan_free(SyncPlan *p) {
        if (!p)
                return NULL;
        free(p->operations);
        free(p->deleted_here);
        free(p->deleted_on_main);
        sync_tree_free(p->commits);
        sync_tree_free(p->merged);
        tdestroy(p->names, free);
        free(p);
        return NULL;
}
