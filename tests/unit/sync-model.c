/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "tests/unit/sync-model.h"

void model_entry(SyncEntry *e, const char *path, const char *state) {
        *e = (SyncEntry) { .path = path };
        e->oid.bytes[0] = state[1];
        e->size = 1;
        switch (state[0]) {
        case '-':
                e->kind = SYNC_ABSENT;
                break;
        case 'f':
                e->kind = SYNC_FILE;
                e->executable = endswith(state, "x");
                break;
        case 'l':
                e->kind = SYNC_SYMLINK;
                break;
        case 'd':
                e->kind = SYNC_DIRECTORY;
                e->oid = (SyncOid) {};
                e->size = 0;
                break;
        case 'b':
                e->kind = SYNC_FILE;
                e->oid = (SyncOid) {};
                e->certainty = SYNC_BUSY;
                break;
        case '?':
                e->kind = SYNC_SPECIAL;
                e->oid = (SyncOid) {};
                e->certainty = SYNC_UNKNOWN;
                break;
        default:
                fail_msg("no state: %s", state);
        }
}

/* Replaces the component's mark by the conflict name: "p!/a" -> "p.2026....gw1/a". */
static char *expand(const char *path) {
        _cleanup_free_ char *front = strdup(path), *renamed = NULL;
        char *mark = strchr(front, '!');

        if (!mark)
                return TAKE_PTR(front);
        *mark = '\0';
        assert_int_equal(sync_conflict_path(front, MODEL_NOW, MODEL_GATEWAY, 0, &renamed), 0);
        return strfmt("%s%s", renamed, mark + 1);
}

SyncTree *model_tree(const char *text) {
        _cleanup_strv_free_ char **words = NULL;
        SyncTree *t;

        assert_int_equal(sync_tree_new(&t), 0);
        assert_true(strv_split(text, " ", &words) >= 0);
        STRV_FOREACH(word, words) {
                _cleanup_free_ char *path = NULL;
                char *state = strchr(*word, '=');
                SyncEntry e;

                assert_non_null(state);
                *state++ = '\0';
                path = expand(*word);
                model_entry(&e, path, state);
                assert_int_equal(sync_tree_add(t, &e), 0);
        }
        assert_int_equal(sync_tree_sort(t), 0);
        return t;
}

char *model_text(const SyncTree *t) {
        char *text = strdup("");

        SYNC_TREE_FOREACH(e, t) {
                char *longer, state[8] = "?";

                if (e->certainty == SYNC_BUSY)
                        strcpy(state, "busy");
                else if (e->kind == SYNC_DIRECTORY || e->kind == SYNC_ABSENT)
                        strcpy(state, e->kind == SYNC_ABSENT ? "-" : "d");
                else if (e->kind != SYNC_SPECIAL)
                        snprintf(state, sizeof(state), "%c%c%s", e->kind == SYNC_FILE ? 'f' : 'l', e->oid.bytes[0],
                                 e->executable ? "x" : "");
                longer = strfmt("%s%s%s=%s", text, text[0] ? " " : "", e->path, state);
                free(text);
                text = longer;
        }
        return text;
}

static bool same_local(const SyncEntry *a, const SyncEntry *b) {
        if (!a || !b)
                return a == b;
        return a->kind == b->kind && a->certainty == b->certainty && a->executable == b->executable &&
               sync_oid_equal(&a->oid, &b->oid);
}

static bool has_children(const SyncTree *t, const char *path) {
        size_t i = sync_tree_lower_bound(t, path) + 1;

        return i < sync_tree_size(t) && sync_path_is_below(sync_tree_at(t, i)->path, path);
}

static bool parent_is_directory(const SyncTree *t, const char *path) {
        _cleanup_free_ char *parent = strdup(path);
        const SyncEntry *e;

        if (!strrchr(parent, '/'))
                return true;
        *strrchr(parent, '/') = '\0';
        e = sync_tree_find(t, parent);
        return e && e->kind == SYNC_DIRECTORY;
}

static void add_changed(SyncTree *changes, const SyncEntry *e, const char *path) {
        SyncEntry copy = *e;

        copy.path = path;
        assert_int_equal(sync_tree_add(changes, &copy), 0);
}

/* What the operation changes, as a set of changes to the tree. */
static SyncTree *operation_changes(const SyncTree *t, const SyncOperation *o) {
        SyncEntry absent = { .path = o->path, .kind = SYNC_ABSENT };
        SyncTree *changes;

        assert_int_equal(sync_tree_new(&changes), 0);
        add_changed(changes, &absent, o->path);
        for (size_t i = sync_tree_lower_bound(t, o->path); o->renamed_to && i < sync_tree_size(t); i++) {
                const SyncEntry *e = sync_tree_at(t, i);
                _cleanup_free_ char *moved = NULL;

                if (!streq(e->path, o->path) && !sync_path_is_below(e->path, o->path))
                        break;
                moved = strfmt("%s%s", o->renamed_to, e->path + strlen(o->path));
                add_changed(changes, e, moved);
        }
        if (o->wanted)
                add_changed(changes, o->wanted, o->path);
        assert_int_equal(sync_tree_sort_last(changes), 0);
        return changes;
}

static void assert_applicable(const SyncTree *t, const SyncOperation *o) {
        assert_true(same_local(sync_tree_find(t, o->path), o->local));
        assert_true(o->kind == SYNC_DELETE || (o->wanted && streq(o->wanted->path, o->path)));
        assert_true((o->kind == SYNC_CREATE) == !o->local);
        if (o->renamed_to)
                assert_null(sync_tree_find(t, o->renamed_to));
        if (o->kind == SYNC_DELETE || (o->kind == SYNC_REPLACE && !o->renamed_to))
                assert_false(has_children(t, o->path));
        assert_true(parent_is_directory(t, o->path));
}

SyncTree *model_apply(const SyncTree *local, const SyncPlan *plan, bool (*fails)(size_t i, void *userdata),
                      void *userdata) {
        SyncTree *t, *next;
        bool skipped = false;

        assert_int_equal(sync_tree_patch(local, NULL, &t), 0);
        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncOperation *o = plan->operations + i;
                SyncTree *changes;

                if (fails && fails(i, userdata)) {
                        skipped = true;
                        continue;
                }
                if (skipped && (!parent_is_directory(t, o->path) || !same_local(sync_tree_find(t, o->path), o->local) ||
                                (has_children(t, o->path) && !o->renamed_to)))
                        continue;
                assert_applicable(t, o);
                changes = operation_changes(t, o);
                assert_int_equal(sync_tree_patch(t, changes, &next), 0);
                sync_tree_free(changes);
                sync_tree_free(t);
                t = next;
        }
        return t;
}

/* --- the planner on whole trees --- */

typedef struct WholeTrees {
        const SyncTree *local, *remote;
        SyncWalk walk;
} WholeTrees;

static int next_of_trees(SyncRow *ret, void *userdata) {
        const SyncEntry *entries[SYNC_WALK_MAX];
        WholeTrees *t = userdata;
        const char *path = sync_walk_next(&t->walk, entries);

        *ret = (SyncRow) { .path = path, .base = entries[0], .remote = entries[2] };
        if (path)
                ret->local = sync_tree_find_local(t->local, path);
        return path != NULL;
}

static bool is_taken_in_trees(const char *path, void *userdata) {
        const WholeTrees *t = userdata;

        return sync_tree_find(t->local, path) || sync_tree_find(t->remote, path);
}

SyncPlan *model_plan(
                const SyncTree *base, const SyncTree *local, const SyncTree *remote, const SyncPlanContext *context) {
        WholeTrees trees = { .local = local, .remote = remote, .walk = { .trees = { base, local, remote } } };
        SyncRows rows = {
                .next = next_of_trees,
                .is_taken = is_taken_in_trees,
                .local = local,
                .base = base,
                .userdata = &trees,
        };
        SyncPlan *plan = NULL;

        SYNC_TREE_FOREACH(e, base)
                rows.base_files += e->kind != SYNC_DIRECTORY;
        assert_int_equal(sync_plan_rows(&rows, context, &plan), 0);
        return plan;
}

SyncTree *model_advance_base(
                const SyncTree *base, const SyncTree *local, const SyncTree *target, const SyncTree *placed) {
        SyncWalk walk = { .trees = { base, local, target, placed } };
        const SyncEntry *entries[SYNC_WALK_MAX];
        SyncTree *held = NULL;
        const char *path;

        assert_int_equal(sync_tree_new(&held), 0);
        while ((path = sync_walk_next(&walk, entries))) {
                SyncRow row = {
                        .path = path,
                        .base = entries[0],
                        .local = sync_tree_find_local(local, path),
                        .remote = entries[2],
                };
                SyncEntry absent = { .path = path, .kind = SYNC_ABSENT };

                if (sync_base_holds(&row, entries[3]))
                        assert_int_equal(sync_tree_add(held, row.base ?: &absent), 0);
        }
        return held;
}
