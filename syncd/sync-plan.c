/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each path asks for, and the operations and the commit that follow from it. */
#include <search.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "syncd/sync-plan-internal.h"

static int append_step(Planner *p, const SyncStep *s) {
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

/* --- runs: steps that stand for many paths --- */

/* What is deleted here, new here, or gone here, is known by one entry: the local one, or base's. Returns that if it is
 * of no directory. */
static const SyncEntry *sole_entry(const SyncStep *s) {
        const SyncEntry *e = s->local ?: s->base;
        bool deleted_here = s->decision == DECIDE_TAKE_REMOTE && s->local && !s->remote,
             new_here = s->decision == DECIDE_TAKE_LOCAL && s->local && !s->base && !s->remote,
             gone_here = s->decision == DECIDE_TAKE_LOCAL && !s->local;

        return (deleted_here || new_here || gone_here) && e->kind != SYNC_DIRECTORY ? e : NULL;
}

static const SyncTree *tree_of_entry(const Planner *p, const SyncStep *s) {
        return s->local ? p->rows->local : p->rows->base;
}

static bool is_at(const SyncTree *t, size_t i, const SyncEntry *e) {
        return i < sync_tree_size(t) && sync_tree_at(t, i) == e;
}

/* True if the step is the next one of the run that the last step is, which stands for it from now on. */
static bool extend_run(Planner *p, const SyncStep *s) {
        SyncStep *run = p->n_steps > 0 ? p->steps + p->n_steps - 1 : NULL;

        if (!run || !sole_entry(run) || run->decision != s->decision || !run->local != !s->local ||
            !run->remote != !s->remote || !are_siblings(run->path, s->path) ||
            !is_at(tree_of_entry(p, s), run->at + (size_t) run->n, sole_entry(s)))
                return false;
        run->n++;
        return true;
}

static int add_step(Planner *p, SyncStep *s) {
        const SyncEntry *e = sole_entry(s);

        if (e && extend_run(p, s))
                return 0;
        if (e)
                s->at = (uint32_t) sync_tree_lower_bound(tree_of_entry(p, s), s->path);
        s->n = 1;
        return append_step(p, s);
}

SyncStep sync_step_at(const Planner *p, const SyncStep *s, size_t i) {
        SyncStep one = *s;
        const SyncEntry *e;

        if (s->n == 1)
                return one;
        e = sync_tree_at(tree_of_entry(p, s), s->at + i);
        one.n = 1;
        one.at += (uint32_t) i;
        one.path = e->path;
        one.base = s->base ? e : NULL;
        one.local = s->local ? e : NULL;
        one.remote = s->remote ? e : NULL;
        return one;
}

/* --- */

WindowPlace sync_plan_window_next(Window *w, size_t size, const char *path, int order) {
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
        WindowPlace place;
        int r;

        if (!is_creation(s))
                return 0;
        place = sync_plan_window_next(&p->created, p->context->window, s->path, 1);
        if (place == WINDOW_WITHIN || !last || !is_creation(last) || !are_siblings(last->path, s->path))
                return 0;
        p->plan->statistics.put_off++;
        p->plan->statistics.behind += place == WINDOW_BEHIND;
        r = p->context->as_is ? 0 : sync_contents_add(&p->put_off, &s->remote->oid);
        return r < 0 ? r : 1;
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

int sync_plan_add_operation(
                Planner *p,
                SyncOperationKind kind,
                const SyncStep *s,
                const SyncEntry *wanted,
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
                for (size_t k = s->n; k-- > 0;) {
                        SyncStep one = sync_step_at(p, s, k);

                        r = sync_plan_add_operation(p, SYNC_DELETE, &one, NULL, NULL);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* Appends local entries that go to main as they are; they share the memory of the local tree. */
static int flush_taken(Planner *p) {
        int r = sync_tree_add_range(p->plan->commits, p->rows->local, p->taken, p->taken_end);

        p->taken = p->taken_end = 0;
        return r;
}

static int take_local(Planner *p, const SyncStep *s) {
        if (!is_at(p->rows->local, p->taken_end, s->local) || p->taken == p->taken_end) {
                int r = flush_taken(p);

                if (r < 0)
                        return r;
                p->taken = p->taken_end = sync_tree_lower_bound(p->rows->local, s->path);
        }
        p->taken_end += s->n;
        p->plan->statistics.to_commit += s->n;
        return 0;
}

static int add_commit(Planner *p, const SyncEntry *entry, const char *path) {
        SyncEntry e = *entry;
        int r;

        r = flush_taken(p);
        if (r < 0)
                return r;
        p->plan->statistics.to_commit++;
        e.path = path;
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
        r = sync_plan_add_operation(p, SYNC_REPLACE, s, s->remote, name);
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
                return sync_plan_add_operation(p, SYNC_CREATE, s, s->remote, NULL);
        if (s->local->kind == SYNC_FILE && s->remote->kind == SYNC_FILE &&
            sync_oid_equal(&s->local->oid, &s->remote->oid))
                return sync_plan_add_operation(p, SYNC_CHMOD, s, s->remote, NULL);
        if (s->local->kind == SYNC_DIRECTORY) {
                r = clear_directory(p, i);
                if (r < 0)
                        return r;
        }
        return sync_plan_add_operation(p, SYNC_REPLACE, s, s->remote, NULL);
}

static int plan_merge(Planner *p, const SyncStep *s) {
        const SyncEntry *merged = sync_tree_find(p->plan->merged, s->path);
        bool content_is_local = sync_oid_equal(&merged->oid, &s->local->oid);
        int r;

        r = sync_plan_add_operation(p, content_is_local ? SYNC_CHMOD : SYNC_REPLACE, s, merged, NULL);
        if (r < 0 || p->context->as_is)
                return r;
        return add_commit(p, merged, s->path);
}

/* In a directory that goes to another name. */
static int plan_local_moved(Planner *p, const SyncStep *s) {
        _cleanup_free_ char *moved = NULL;

        if (p->context->as_is)
                return 0;
        moved = strfmt("%s%s", p->moved_to, s->path + strlen(p->moved_from));
        if (!moved)
                return -ENOMEM;
        /* Too long beneath its new name: committed when the user shortens it, or renames the directory. */
        return sync_path_is_valid(moved) ? add_commit(p, s->local, moved) : 0;
}

static int plan_local(Planner *p, const SyncStep *s) {
        bool moves = p->moved_from && sync_path_is_below(s->path, p->moved_from);
        int r = 0;

        if (s->local && !moves)
                return take_local(p, s);
        if (!s->local && p->gone && sync_path_is_below(s->path, p->gone)) {
                p->plan->statistics.to_commit += s->n;
                return 0;
        }
        if (!s->local && p->context->whole_directories && s->base->kind == SYNC_DIRECTORY)
                p->gone = s->path;
        for (size_t i = 0; i < s->n && r >= 0; i++) {
                SyncStep one = sync_step_at(p, s, i);
                SyncEntry absent = { .path = one.path, .kind = SYNC_ABSENT };

                r = one.local ? plan_local_moved(p, &one) : add_commit(p, &absent, one.path);
        }
        return r;
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
                        if (!p->steps[i].local || p->steps[i].local->kind != SYNC_SPECIAL)
                                p->plan->statistics.postponed += p->steps[i].n;
                        break;
                }
        if (r >= 0)
                r = flush_taken(p);
        return r < 0 || p->context->as_is ? r : sync_plan_delete(p);
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
        r = p->context->as_is ? 0 : sync_plan_count_deletions(p);
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
        free(p.put_off.items);
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
        free(p->moves_put_off);
        sync_tree_free(p->commits);
        sync_tree_free(p->merged);
        tdestroy(p->names, free);
        free(p);
        return NULL;
}
