/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which snapshots are still needed, and which content that was fetched. */
#include <git2.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "syncd/folder-chain.h"

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

/* An oid begins the struct. */
static int compare_needs(const void *a, const void *b) {
        const FolderNeed *x = a, *y = b;

        return compare_oids(a, b) ?: (x->distance > y->distance) - (x->distance < y->distance);
}

void folder_forget_needs(Folder *f) {
        f->needs = mfree(f->needs);
        f->n_needs = f->needs_commits = 0;
}

static int add_needs(Folder *f, const SyncTree *changes, uint32_t distance) {
        SYNC_TREE_FOREACH(e, changes) {
                if (ARRAY_GROW(f->needs, f->n_needs) < 0)
                        return -ENOMEM;
                f->needs[f->n_needs++] = (FolderNeed) { .oid = e->oid, .distance = distance };
        }
        return 0;
}

/* Each commit of a chain is compared with the one before it once, and not again when some of them have landed. */
static int list_needs(Folder *f, const FolderChain *c) {
        size_t n = 0;

        if (c->n <= f->needs_commits && git_oid_equal(&f->needs_tip, folder_chain_tip(c)))
                return 0;
        folder_forget_needs(f);
        for (size_t i = 0; i < c->n; i++) {
                _cleanup_sync_tree_free_ SyncTree *changes = NULL;
                int r;

                r = folder_chain_changes(f, c, i, &changes);
                if (r >= 0)
                        r = add_needs(f, changes, (uint32_t) (c->n - 1 - i));
                if (r < 0) {
                        folder_forget_needs(f);
                        return r;
                }
        }
        if (f->n_needs > 0)
                qsort(f->needs, f->n_needs, sizeof(*f->needs), compare_needs);
        for (size_t i = 0; i < f->n_needs; i++)
                if (n == 0 || !sync_oid_equal(&f->needs[i].oid, &f->needs[n - 1].oid))
                        f->needs[n++] = f->needs[i];
        f->n_needs = n;
        f->needs_commits = c->n;
        f->needs_tip = *folder_chain_tip(c);
        return 0;
}

/* What is in no commit yet, and may be in one later. */
static int list_uncommitted(Folder *f, FolderOids *ret) {
        ret->items = calloc(sync_tree_size(f->differing) + sync_tree_size(f->waiting) + 1, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        SYNC_TREE_FOREACH(e, f->waiting)
                ret->items[ret->n++] = e->oid;
        SYNC_TREE_FOREACH(e, f->differing) {
                const SyncEntry *local = sync_tree_find(f->index, e->path);

                if (local)
                        ret->items[ret->n++] = local->oid;
        }
        if (ret->n > 0)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_oids);
        return 0;
}

typedef struct Sweep {
        const Folder *folder;
        FolderOids uncommitted;
        size_t n_commits;
} Sweep;

static bool is_needed(const SyncOid *oid, void *userdata) {
        const Sweep *s = userdata;
        const Folder *f = s->folder;
        const FolderNeed *need;

        need = f->n_needs > 0 ? bsearch(oid, f->needs, f->n_needs, sizeof(*need), compare_oids) : NULL;
        return (need && need->distance < s->n_commits) || folder_oids_have(&s->uncommitted, oid);
}

int folder_sweep_pending(Folder *f) {
        _cleanup_(folder_chain_done) FolderChain c = {};
        Sweep s = { .folder = f };
        int r;

        r = folder_chain_read(f, &c);
        if (r >= 0)
                r = list_needs(f, &c);
        if (r >= 0)
                r = list_uncommitted(f, &s.uncommitted);
        s.n_commits = c.n;
        if (r >= 0)
                content_sweep_pending(&f->content, is_needed, &s);
        folder_oids_done(&s.uncommitted);
        return r;
}

/* --- content that was fetched --- */

static void add_oids(FolderOids *set, const SyncTree *t) {
        SyncWalk walk = { .trees = { t }, .leaves = { true } };
        const SyncEntry *entries[SYNC_WALK_MAX];

        while (sync_walk_next(&walk, entries))
                if (entries[0]->kind == SYNC_FILE || entries[0]->kind == SYNC_SYMLINK)
                        set->items[set->n++] = entries[0]->oid;
}

static bool is_wanted(const SyncOid *oid, void *userdata) {
        return folder_oids_have(userdata, oid);
}

int folder_sweep_content(Folder *f) {
        int64_t now = folder_seconds_since_boot();
        FolderOids wanted = {};

        if (f->swept > 0 && now - f->swept < FOLDER_CONTENT_AGE_SEC)
                return 0;
        wanted.items = calloc(sync_tree_size(f->main_to) + sync_tree_size(f->held_main) + 1, sizeof(*wanted.items));
        if (!wanted.items)
                return -ENOMEM;
        add_oids(&wanted, f->main_to);
        add_oids(&wanted, f->held_main);
        folder_oids_sort(&wanted);
        content_sweep(&f->content, FOLDER_CONTENT_AGE_SEC, is_wanted, &wanted);
        folder_oids_done(&wanted);
        f->swept = now;
        return 0;
}
