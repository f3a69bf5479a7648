/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "tests/unit/sync-history.h"
#include "tests/unit/sync-model.h"

#define COMMITS_MAX 512U
#define CONTENTS_MAX 1024U
#define NONE SIZE_MAX
#define AT_THE_END (SIZE_MAX - 1)
/* Every round brings at least one gateway into step; the rest is slack for held entries. */
#define ROUNDS_MAX (4U * HISTORY_GATEWAYS)

typedef struct Gateway {
        SyncTree *folder, *held, *placed;
        size_t base, target, candidate; /* indices of commits, or NONE; base 0 is the empty tree */
        char name[8];
} Gateway;

typedef struct World {
        HistoryMode mode;
        Gateway gateways[HISTORY_GATEWAYS];
        SyncTree *commits[COMMITS_MAX]; /* main's history */
        bool on_main[CONTENTS_MAX];     /* in any commit */
        bool removed[CONTENTS_MAX];     /* overwritten or deleted by a user, at some place */
        size_t n_commits, n_contents, n_collisions;
        size_t writer;
        uint64_t clock;
        const char *broken;
} World;

static size_t content_of(const SyncEntry *e) {
        return e->oid.bytes[0] | (size_t) e->oid.bytes[1] << 8;
}

static void replace(SyncTree **t, SyncTree *with) {
        sync_tree_free(*t);
        *t = with;
}

static SyncTree *empty_tree(void) {
        SyncTree *t;

        assert_int_equal(sync_tree_new(&t), 0);
        return t;
}

static SyncTree *patched(const SyncTree *t, const SyncTree *changes) {
        SyncTree *ret;

        assert_int_equal(sync_tree_patch(t, changes, &ret), 0);
        return ret;
}

static void add(SyncTree *t, const SyncEntry *e, const char *path) {
        SyncEntry copy = *e;

        copy.path = path;
        assert_int_equal(sync_tree_add(t, &copy), 0);
}

static size_t count_content(const SyncTree *t, size_t content) {
        size_t n = 0;

        SYNC_TREE_FOREACH(e, t)
                n += e->kind != SYNC_DIRECTORY && content_of(e) == content;
        return n;
}

static bool has_content(const SyncTree *t, size_t content) {
        return count_content(t, content) > 0;
}

static bool is_below_or_equal(const char *path, const char *directory) {
        return streq(path, directory) || sync_path_is_below(path, directory);
}

/* A user's change; of what it removes, at least one copy was meant to go. */
static void user_changes(World *w, Gateway *g, SyncTree *changes) {
        SyncTree *after;

        assert_int_equal(sync_tree_sort_last(changes), 0);
        after = patched(g->folder, changes);
        SYNC_TREE_FOREACH(e, g->folder)
                if (e->kind != SYNC_DIRECTORY &&
                    count_content(after, content_of(e)) < count_content(g->folder, content_of(e)))
                        w->removed[content_of(e)] = true;
        replace(&g->folder, after);
        sync_tree_free(changes);
}

static const SyncEntry *any_entry(const Gateway *g, uint64_t random) {
        size_t n = sync_tree_size(g->folder);

        return n > 0 ? sync_tree_at(g->folder, random % n) : NULL;
}

/* A name in the folder or in one of its directories: twins in case and composition, two extensions, a long one. */
static char *any_path(const Gateway *g, uint64_t random) {
        static const char *const names[] = {
                "a", "A", "b.txt", "c.tar.gz", "\xc3\xa9", "e\xcc\x81", "\xff\n!", ".hidden",
                "long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
                "long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
                "long-long-long-long-long-long-long-long-long-long-\xc3\xa9.x",
        };
        const char *name = names[random % ELEMENTSOF(names)];
        const SyncEntry *e = any_entry(g, random >> 8);

        if (!e || e->kind != SYNC_DIRECTORY || (random & 0x80) || strlen(e->path) > 800)
                return strdup(name);
        return strfmt("%s/%s", e->path, name);
}

static void user_writes(World *w, Gateway *g, uint64_t random) {
        const SyncEntry *e = any_entry(g, random >> 24);
        bool again = (random & 1) && e && e->kind != SYNC_DIRECTORY;
        _cleanup_free_ char *path = again ? strdup(e->path) : any_path(g, random);
        const SyncEntry *there = sync_tree_find(g->folder, path);
        SyncEntry new = { .kind = random >> 60 == 0 ? SYNC_SYMLINK : SYNC_FILE };
        SyncTree *changes;

        if (w->n_contents == CONTENTS_MAX)
                return;
        new.executable = new.kind == SYNC_FILE && there && there->executable;
        new.oid.bytes[0] = (uint8_t) w->n_contents;
        new.oid.bytes[1] = (uint8_t) (w->n_contents >> 8);
        w->n_contents++;
        changes = empty_tree();
        add(changes, &new, path);
        user_changes(w, g, changes);
}

static void user_deletes(World *w, Gateway *g, uint64_t random) {
        const SyncEntry *e = any_entry(g, random >> 16), absent = { .kind = SYNC_ABSENT };
        SyncTree *changes;

        if (!e)
                return;
        changes = empty_tree();
        add(changes, &absent, e->path);
        user_changes(w, g, changes);
}

static void user_moves(World *w, Gateway *g, uint64_t random) {
        const SyncEntry *e = any_entry(g, random >> 16), absent = { .kind = SYNC_ABSENT };
        _cleanup_free_ char *to = any_path(g, random >> 32), *from = e ? strdup(e->path) : NULL;
        SyncTree *changes;

        if (!from || is_below_or_equal(to, from) || is_below_or_equal(from, to))
                return;
        /* What was there before goes. */
        if (sync_tree_find(g->folder, to)) {
                changes = empty_tree();
                add(changes, &absent, to);
                user_changes(w, g, changes);
        }
        changes = empty_tree();
        SYNC_TREE_FOREACH(x, g->folder)
                if (is_below_or_equal(x->path, from)) {
                        _cleanup_free_ char *moved = strfmt("%s%s", to, x->path + strlen(from));

                        add(changes, x, moved);
                }
        add(changes, &absent, from);
        user_changes(w, g, changes);
}

static void user_acts(World *w, Gateway *g, uint64_t random) {
        const SyncEntry *e = any_entry(g, random >> 40), directory = { .kind = SYNC_DIRECTORY };
        uint64_t what = random >> 4 & 15;
        _cleanup_free_ char *path = NULL;
        SyncTree *changes;

        if (what < 6)
                user_writes(w, g, random >> 8);
        else if (what < 8)
                user_deletes(w, g, random >> 8);
        else if (what < 11)
                user_moves(w, g, random >> 8);
        else if (what < 14) {
                path = any_path(g, random >> 8);
                if (sync_tree_find(g->folder, path))
                        return;
                changes = empty_tree();
                add(changes, &directory, path);
                user_changes(w, g, changes);
        } else if (e && e->kind == SYNC_FILE) {
                SyncEntry copy = *e;

                copy.executable = !copy.executable;
                changes = empty_tree();
                add(changes, &copy, e->path);
                user_changes(w, g, changes);
        }
}

static void check_nothing_lost(World *w, const SyncTree *before, const SyncTree *after) {
        SYNC_TREE_FOREACH(e, before)
                if (e->kind != SYNC_DIRECTORY && !w->on_main[content_of(e)] && !has_content(after, content_of(e)))
                        w->broken = "content lost while applying";
}

static void check_commit(World *w, const Gateway *g, const SyncTree *tip, const SyncTree *commit) {
        SYNC_TREE_FOREACH(e, tip)
                /* Moved to a name that waits for its collision to be resolved, it is still in the folder. */
                if (e->kind != SYNC_DIRECTORY && !has_content(commit, content_of(e)) &&
                    !has_content(g->folder, content_of(e)) && !w->removed[content_of(e)])
                        w->broken = "a commit removes what no user did";
        SYNC_TREE_FOREACH(e, commit)
                if (e->kind != SYNC_DIRECTORY && content_of(e) >= w->n_contents)
                        w->broken = "content invented";
}

typedef struct Faults {
        size_t stop_at;  /* the run is killed before this operation */
        uint64_t failing; /* operations that fail, as bits */
} Faults;

static bool fails(size_t i, void *userdata) {
        const Faults *f = userdata;

        return i >= f->stop_at || f->failing >> (i % 64) & 1;
}

static SyncPlan *make_plan(World *w, const Gateway *g, const SyncTree *base, bool as_is) {
        const SyncPlanContext context = {
                .now = MODEL_NOW + (int64_t) w->clock,
                .gateway_name = g->name,
                .as_is = as_is,
                .whole_directories = w->clock % 4 < 2,
        };
        SyncPlan *plan;

        plan = model_plan(base, g->folder, w->commits[w->n_commits - 1], &context);
        w->clock++;
        w->n_collisions += plan->statistics.collisions;
        return plan;
}

static SyncTree *base_of(const World *w, const Gateway *g) {
        return patched(w->commits[g->base], g->held);
}

static void advance(const World *w, Gateway *g) {
        _cleanup_sync_tree_free_ SyncTree *base = base_of(w, g);
        SyncTree *held;

        held = model_advance_base(base, g->folder, w->commits[g->target], g->placed);
        replace(&g->held, held);
        replace(&g->placed, NULL);
        g->base = g->target;
        g->target = NONE;
}

/* Brings main's tip to the folder. False if the run was killed on the way. */
static bool bring(World *w, Gateway *g, Faults *faults) {
        _cleanup_sync_tree_free_ SyncTree *base = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        SyncTree *after;

        if (g->candidate != NONE)
                g->base = g->candidate;
        g->candidate = NONE;
        if (g->target != NONE)
                advance(w, g);
        base = base_of(w, g);
        plan = make_plan(w, g, base, false);
        g->target = w->n_commits - 1;
        after = model_apply(g->folder, plan, fails, faults);
        check_nothing_lost(w, g->folder, after);
        assert_int_equal(sync_tree_diff(g->folder, after, &g->placed), 0);
        replace(&g->folder, after);
        if (faults->stop_at < plan->n_operations || faults->stop_at == AT_THE_END)
                return false;
        advance(w, g);
        return true;
}

static void settle_one(World *w, Gateway *g);

/* Commits what is left and pushes it. interloper, if any, is faster. */
static void push(World *w, Gateway *g, Gateway *interloper, bool answer_lost) {
        _cleanup_sync_tree_free_ SyncTree *base = base_of(w, g);
        _cleanup_sync_plan_free_ SyncPlan *plan = make_plan(w, g, base, true);
        size_t parent = w->n_commits - 1;
        SyncTree *commit;

        if (sync_tree_size(plan->commits) == 0 || w->n_commits == COMMITS_MAX)
                return;
        commit = patched(w->commits[parent], plan->commits);
        if (interloper)
                settle_one(w, interloper);
        if (w->n_commits - 1 != parent) {
                sync_tree_free(commit);
                return;
        }
        check_commit(w, g, w->commits[parent], commit);
        SYNC_TREE_FOREACH(e, commit)
                if (e->kind != SYNC_DIRECTORY)
                        w->on_main[content_of(e)] = true;
        w->commits[w->n_commits++] = commit;
        if (answer_lost)
                g->candidate = w->n_commits - 1;
        else
                g->base = w->n_commits - 1;
}

static void synchronize(World *w, Gateway *g, uint64_t random) {
        Faults faults = { .stop_at = NONE };
        Gateway *interloper = w->gateways + (random >> 8) % HISTORY_GATEWAYS;

        if ((random & 7) == 0)
                faults.stop_at = random >> 16 & 7;
        if ((random & 0x18) == 0)
                faults.failing = random >> 20;
        if (bring(w, g, &faults))
                push(w, g, (random & 0x60) == 0 && interloper != g ? interloper : NULL, (random & 0x180) == 0);
}

static bool same(const SyncTree *a, const SyncTree *b) {
        _cleanup_sync_tree_free_ SyncTree *difference = NULL;

        assert_int_equal(sync_tree_diff(a, b, &difference), 0);
        return sync_tree_size(difference) == 0;
}

static bool all_in_step(const World *w) {
        for (size_t i = 0; i < HISTORY_GATEWAYS; i++)
                if (!same(w->gateways[i].folder, w->commits[w->n_commits - 1]))
                        return false;
        return true;
}

static void settle_one(World *w, Gateway *g) {
        if (bring(w, g, &(Faults) { .stop_at = NONE }))
                push(w, g, NULL, false);
}

static void settle(World *w) {
        for (size_t round = 0; round < ROUNDS_MAX; round++) {
                size_t n_commits = w->n_commits;

                for (size_t i = 0; i < HISTORY_GATEWAYS; i++)
                        settle_one(w, w->gateways + i);
                if (n_commits == w->n_commits)
                        break;
        }
        if (!all_in_step(w))
                w->broken = "folders differ from main in the end";
        for (size_t i = 0; i < HISTORY_GATEWAYS; i++) {
                _cleanup_sync_tree_free_ SyncTree *base = base_of(w, w->gateways + i);
                _cleanup_sync_plan_free_ SyncPlan *plan = make_plan(w, w->gateways + i, base, false);

                if (plan->n_operations > 0 || sync_tree_size(plan->commits) > 0)
                        w->broken = "no end to it";
        }
}

/* The next writer begins when their folder has what the one before left; its gateway may have been killed with all of
 * it in place and none of it recorded. */
static void hand_over(World *w, size_t i, bool killed) {
        Faults faults = { .stop_at = killed ? AT_THE_END : NONE };

        settle_one(w, w->gateways + w->writer);
        (void) bring(w, w->gateways + i, &faults);
        w->writer = i;
}

static void play_step(World *w, uint64_t random) {
        size_t i = random % HISTORY_GATEWAYS;

        random /= HISTORY_GATEWAYS;
        if (random & 1) {
                synchronize(w, w->gateways + i, random >> 1);
                return;
        }
        if (w->mode == HISTORY_ONE_WRITER)
                i = 0;
        if (w->mode == HISTORY_HAND_OVER && i != w->writer)
                hand_over(w, i, random >> 60 & 1);
        user_acts(w, w->gateways + i, random >> 1);
}

const char *history_play(HistoryMode mode, const uint64_t *steps, size_t n_steps) {
        _cleanup_free_ World *w = calloc(1, sizeof(*w));

        assert_non_null(w);
        w->mode = mode;
        w->commits[w->n_commits++] = empty_tree();
        for (size_t i = 0; i < HISTORY_GATEWAYS; i++) {
                Gateway *g = w->gateways + i;

                *g = (Gateway) { .folder = empty_tree(), .held = empty_tree(), .target = NONE, .candidate = NONE };
                (void) snprintf(g->name, sizeof(g->name), "gw%u", (unsigned) i + 1);
        }
        for (size_t i = 0; i < n_steps && !w->broken; i++)
                play_step(w, steps[i]);
        if (!w->broken)
                settle(w);
        if (!w->broken && mode != HISTORY_FREE && w->n_collisions > 0)
                w->broken = "a collision without two writers";

        for (size_t i = 0; i < w->n_commits; i++)
                sync_tree_free(w->commits[i]);
        for (size_t i = 0; i < HISTORY_GATEWAYS; i++) {
                sync_tree_free(w->gateways[i].folder);
                sync_tree_free(w->gateways[i].held);
                sync_tree_free(w->gateways[i].placed);
        }
        return w->broken;
}
