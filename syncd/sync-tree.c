/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/sync-tree.h"

/* Paths are copied into blocks of growing size, so that they never move and cost no allocation each. */
#define BLOCK_SIZE_MIN 512U
#define BLOCK_SIZE_MAX (64U * 1024U)
/* A patched tree shares the blocks of the old one, with the paths that it has no more. So many are allowed, and one
 * for each so many entries (a full block holds twice as many); beyond that the paths are copied. */
#define SHARED_BLOCKS 64U
#define SHARED_BLOCK_ENTRIES 512U

typedef struct Block {
        unsigned n_refs;
        size_t used, size;
        char data[];
} Block;

struct SyncTree {
        SyncEntry *entries;
        size_t n, allocated;
        bool sorted;
        Block **blocks;
        size_t n_blocks;
};

int sync_tree_new(SyncTree **ret) {
        SyncTree *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->sorted = true;
        *ret = t;
        return 0;
}

SyncTree *sync_tree_free(SyncTree *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_blocks; i++)
                if (--t->blocks[i]->n_refs == 0)
                        free(t->blocks[i]);
        free(t->blocks);
        free(t->entries);
        free(t);
        return NULL;
}

static Block *new_block(SyncTree *t, size_t size) {
        Block **blocks, *b;

        blocks = reallocarray(t->blocks, t->n_blocks + 1, sizeof(*blocks));
        if (!blocks)
                return NULL;
        t->blocks = blocks;
        b = malloc(sizeof(*b) + size);
        if (!b)
                return NULL;
        *b = (Block) { .n_refs = 1, .size = size };
        return t->blocks[t->n_blocks++] = b;
}

static const char *copy_path(SyncTree *t, const char *path) {
        Block *b = t->n_blocks > 0 ? t->blocks[t->n_blocks - 1] : NULL;
        size_t size = strlen(path) + 1;

        if (!b || b->n_refs > 1 || b->size - b->used < size) {
                size_t wanted = b && b->n_refs == 1 ? MIN(2 * b->size, (size_t) BLOCK_SIZE_MAX) : BLOCK_SIZE_MIN;

                b = new_block(t, MAX(wanted, size));
                if (!b)
                        return NULL;
        }
        b->used += size;
        return memcpy(b->data + b->used - size, path, size);
}

/* Room for n more entries. */
static int reserve(SyncTree *t, size_t n) {
        SyncEntry *entries;
        size_t wanted;

        if (t->n + n <= t->allocated)
                return 0;
        if (t->n + n > SYNC_ENTRIES_MAX)
                return -E2BIG;
        wanted = MAX(t->allocated * 3 / 2, t->n + n + 16);
        entries = reallocarray(t->entries, wanted, sizeof(SyncEntry));
        if (!entries)
                return -ENOMEM;
        t->entries = entries;
        t->allocated = wanted;
        return 0;
}

int sync_tree_add(SyncTree *t, const SyncEntry *entry) {
        const char *path;
        int r;

        if (!sync_path_is_valid(entry->path))
                return -EINVAL;
        r = reserve(t, 1);
        if (r < 0)
                return r;
        path = copy_path(t, entry->path);
        if (!path)
                return -ENOMEM;

        if (t->n > 0 && sync_path_compare(t->entries[t->n - 1].path, path) >= 0)
                t->sorted = false;
        t->entries[t->n] = *entry;
        t->entries[t->n++].path = path;
        return 0;
}

/* Of equal paths the one added first comes first: the pointers are into one array. */
static int compare_pointers(const void *a, const void *b) {
        const SyncEntry *x = *(const SyncEntry *const *) a, *y = *(const SyncEntry *const *) b;

        return sync_path_compare(x->path, y->path) ?: (x > y) - (x < y);
}

static int sort(SyncTree *t, bool keep_last) {
        _cleanup_free_ const SyncEntry **order = NULL;
        _cleanup_free_ SyncEntry *entries = NULL;
        size_t n = 0;

        if (t->sorted)
                return 0;
        order = calloc(t->n, sizeof(*order));
        entries = calloc(t->n, sizeof(*entries));
        if (!order || !entries)
                return -ENOMEM;

        for (size_t i = 0; i < t->n; i++)
                order[i] = t->entries + i;
        qsort(order, t->n, sizeof(*order), compare_pointers);

        for (size_t i = 0; i < t->n; i++) {
                if (i + 1 < t->n && sync_path_compare(order[i]->path, order[i + 1]->path) == 0) {
                        if (!keep_last)
                                return -EEXIST;
                        continue;
                }
                entries[n++] = *order[i];
        }
        free(t->entries);
        t->entries = TAKE_PTR(entries);
        t->allocated = t->n;
        t->n = n;
        t->sorted = true;
        return 0;
}

int sync_tree_sort(SyncTree *t) {
        return sort(t, false);
}

int sync_tree_sort_last(SyncTree *t) {
        return sort(t, true);
}

size_t sync_tree_size(const SyncTree *t) {
        return t ? t->n : 0;
}

const SyncEntry *sync_tree_at(const SyncTree *t, size_t i) {
        assert(i < t->n);
        return t->entries + i;
}

const SyncEntry *sync_tree_begin(const SyncTree *t) {
        return t ? t->entries : NULL;
}

const SyncEntry *sync_tree_end(const SyncTree *t) {
        return t && t->n > 0 ? t->entries + t->n : sync_tree_begin(t);
}

size_t sync_tree_lower_bound(const SyncTree *t, const char *path) {
        size_t low = 0, high = sync_tree_size(t);

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (sync_path_compare(t->entries[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const SyncEntry *sync_tree_find(const SyncTree *t, const char *path) {
        size_t i = sync_tree_lower_bound(t, path);

        return i < sync_tree_size(t) && strcmp(t->entries[i].path, path) == 0 ? t->entries + i : NULL;
}

/* The entry at the path that the first n bytes are, or NULL. */
static const SyncEntry *find_beginning(const SyncTree *t, const char *path, size_t n) {
        char above[SYNC_PATH_MAX + 1];

        memcpy(above, path, n);
        above[n] = '\0';
        return sync_tree_find(t, above);
}

const SyncEntry *sync_tree_find_local(const SyncTree *t, const char *path) {
        const SyncEntry *e = sync_tree_find(t, path);

        for (size_t n = strlen(path); !e && n > 0; n--) {
                const SyncEntry *above = path[n] == '/' ? find_beginning(t, path, n) : NULL;

                if (above)
                        return above->certainty == SYNC_UNKNOWN ? above : NULL;
        }
        return e;
}

const char *sync_walk_next(SyncWalk *w, const SyncEntry *entries[static SYNC_WALK_MAX]) {
        const char *path = NULL;

        for (size_t i = 0; i < SYNC_WALK_MAX; i++) {
                const SyncTree *t = w->trees[i];

                entries[i] = t && w->next[i] < t->n ? t->entries + w->next[i] : NULL;
                assert(!t || t->sorted);
                if (entries[i] && (!path || sync_path_compare(entries[i]->path, path) < 0))
                        path = entries[i]->path;
        }
        for (size_t i = 0; path && i < SYNC_WALK_MAX; i++)
                if (entries[i] && strcmp(entries[i]->path, path) == 0)
                        w->next[i]++;
                else
                        entries[i] = NULL;
        return path;
}

static bool may_share(const SyncTree *t) {
        return t->n_blocks <= SHARED_BLOCKS + t->n / SHARED_BLOCK_ENTRIES;
}

static int share_blocks(SyncTree *t, const SyncTree *with) {
        t->blocks = calloc(with->n_blocks + 1, sizeof(*t->blocks));
        if (!t->blocks)
                return -ENOMEM;
        for (; t->n_blocks < with->n_blocks; t->n_blocks++) {
                t->blocks[t->n_blocks] = with->blocks[t->n_blocks];
                t->blocks[t->n_blocks]->n_refs++;
        }
        return 0;
}

/* Appends the entries from first on, up to but without end, with their paths where they are. */
static int append_shared(SyncTree *t, const SyncTree *from, size_t first, size_t end) {
        int r;

        if (first == end)
                return 0;
        if (!may_share(from)) {
                for (size_t i = first; i < end; i++) {
                        r = sync_tree_add(t, from->entries + i);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        r = reserve(t, end - first);
        if (r < 0)
                return r;
        memcpy(t->entries + t->n, from->entries + first, (end - first) * sizeof(SyncEntry));
        t->n += end - first;
        return 0;
}

static int apply_changes(SyncTree *t, const SyncTree *tree, const SyncTree *changes) {
        size_t next = 0;
        int r;

        SYNC_TREE_FOREACH(c, changes) {
                size_t at = MAX(sync_tree_lower_bound(tree, c->path), next);

                r = append_shared(t, tree, next, at);
                if (r < 0)
                        return r;
                for (next = at; next < tree->n; next++) {
                        const char *path = tree->entries[next].path;

                        if (strcmp(path, c->path) != 0 &&
                            (c->kind == SYNC_DIRECTORY || !sync_path_is_below(path, c->path)))
                                break;
                }
                r = c->kind == SYNC_ABSENT ? 0 : sync_tree_add(t, c);
                if (r < 0)
                        return r;
        }
        return append_shared(t, tree, next, tree->n);
}

int sync_tree_patch(const SyncTree *tree, const SyncTree *changes, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;
        if (may_share(tree)) {
                r = share_blocks(t, tree);
                if (r < 0)
                        return r;
        }
        r = reserve(t, tree->n);
        if (r < 0)
                return r;
        r = apply_changes(t, tree, changes);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int sync_tree_diff(const SyncTree *from, const SyncTree *to, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncWalk walk = { .trees = { from, to } };
        const SyncEntry *entries[SYNC_WALK_MAX];
        const char *path;
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;

        while ((path = sync_walk_next(&walk, entries))) {
                SyncEntry absent = { .path = path, .kind = SYNC_ABSENT };

                if (sync_entry_equal(entries[0], entries[1]))
                        continue;
                r = sync_tree_add(t, entries[1] ?: &absent);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

bool sync_oid_equal(const SyncOid *a, const SyncOid *b) {
        return memcmp(a->bytes, b->bytes, SYNC_OID_SIZE) == 0;
}

static bool is_absent(const SyncEntry *e) {
        return !e || e->kind == SYNC_ABSENT;
}

static bool is_comparable(const SyncEntry *e) {
        return e->kind != SYNC_SPECIAL && e->certainty != SYNC_BUSY && e->certainty != SYNC_UNKNOWN;
}

bool sync_entry_equal(const SyncEntry *a, const SyncEntry *b) {
        if (is_absent(a) || is_absent(b))
                return is_absent(a) && is_absent(b);
        if (!is_comparable(a) || !is_comparable(b) || a->kind != b->kind)
                return false;
        if (a->kind == SYNC_DIRECTORY)
                return true;
        return sync_oid_equal(&a->oid, &b->oid) && (a->kind != SYNC_FILE || a->executable == b->executable);
}

bool sync_entry_is_unread(const SyncEntry *e) {
        static const SyncOid none = {};

        return e->kind == SYNC_FILE && e->certainty == SYNC_UNKNOWN && sync_oid_equal(&e->oid, &none);
}

bool sync_entry_same_identity(const SyncEntry *a, const SyncEntry *b) {
        return a->kind == b->kind && a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns &&
               a->ctime_ns == b->ctime_ns;
}
