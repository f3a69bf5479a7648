/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/mman.h>

#include "common/base/cleanup.h"
#include "syncd/sync-tree-internal.h"

int sync_tree_new(SyncTree **ret) {
        SyncTree *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->sorted = true;
        *ret = t;
        return 0;
}

int sync_tree_new_compact(SyncTree **ret) {
        int r = sync_tree_new(ret);

        if (r >= 0)
                (*ret)->compact = true;
        return r;
}

SyncTree *sync_tree_free(SyncTree *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_places; i++)
                sync_segment_unref(t->places[i].segment);
        free(t->places);
        free(t);
        return NULL;
}

int sync_tree_append_segment(SyncTree *t, SyncSegment *s) {
        int r = t->n + s->n > SYNC_ENTRIES_MAX ? -E2BIG : 0;

        if (r >= 0 && t->n_places == t->allocated) {
                size_t wanted = MAX(t->allocated * 3 / 2, t->allocated + 4);
                SyncPlace *places = reallocarray(t->places, wanted, sizeof(*places));

                if (places) {
                        t->places = places;
                        t->allocated = wanted;
                } else
                        r = -ENOMEM;
        }
        if (r < 0) {
                sync_segment_unref(s);
                return r;
        }
        t->places[t->n_places++] = (SyncPlace) { .segment = s, .begin = t->n };
        t->n += s->n;
        return 0;
}

/* The last segment, if it is this tree's alone and has room; or a new one. */
static int open_segment(SyncTree *t, SyncSegment **ret) {
        SyncSegment *s = t->n_places > 0 ? t->places[t->n_places - 1].segment : NULL;
        int r;

        if (t->n >= SYNC_ENTRIES_MAX)
                return -E2BIG;
        if (!s || s->n_refs > 1 || s->complete || s->n == SYNC_SEGMENT_MAX) {
                if (t->compact && s && s->n_refs == 1)
                        sync_segment_rest(s);
                s = calloc(1, sizeof(*s));
                if (!s)
                        return -ENOMEM;
                s->n_refs = 1;
                r = sync_tree_append_segment(t, s);
                if (r < 0)
                        return r;
        }
        *ret = s;
        return 0;
}

int sync_tree_append(SyncTree *t, const SyncEntry *entry, bool borrow) {
        SyncSegment *s;
        int r;

        r = open_segment(t, &s);
        if (r < 0)
                return r;
        r = sync_segment_add(s, entry, borrow);
        t->n += r >= 0;
        /* No segment is empty. */
        if (s->n == 0) {
                sync_segment_unref(s);
                t->n_places--;
        }
        return r;
}

static int add(SyncTree *t, const SyncEntry *entry, bool borrow) {
        bool sorted;
        int r;

        if (!sync_path_is_valid(entry->path))
                return -EINVAL;
        sorted = t->n == 0 || sync_path_compare(sync_tree_at(t, t->n - 1)->path, entry->path) < 0;
        r = sync_tree_append(t, entry, borrow);
        if (r >= 0 && !sorted)
                t->sorted = false;
        return r;
}

int sync_tree_add(SyncTree *t, const SyncEntry *entry) {
        return add(t, entry, false);
}

int sync_tree_add_borrowed(SyncTree *t, const SyncEntry *entry) {
        return add(t, entry, true);
}

void sync_tree_drop_last(SyncTree *t) {
        SyncPlace *last = t->places + t->n_places - 1;

        assert(t->n > 0);
        (void) sync_segment_entries(last->segment);
        t->n--;
        if (--last->segment->n > 0)
                return;
        sync_segment_unref(last->segment);
        t->n_places--;
}

void sync_tree_set(SyncTree *t, size_t i, const SyncEntry *entry) {
        SyncEntry *e = (SyncEntry *) sync_tree_at(t, i);
        const char *path = e->path;

        *e = *entry;
        e->path = path;
}

typedef struct Ordered {
        const SyncEntry *entry;
        size_t number;
} Ordered;

/* Of equal paths the one added first comes first. */
static int compare_ordered(const void *a, const void *b) {
        const Ordered *x = a, *y = b;

        return sync_path_compare(x->entry->path, y->entry->path) ?: (x->number > y->number) - (x->number < y->number);
}

static int sort(SyncTree *t, bool keep_last) {
        _cleanup_sync_tree_free_ SyncTree *sorted = NULL;
        _cleanup_free_ Ordered *order = NULL;
        SyncTree unsorted;
        int r;

        if (t->sorted)
                return 0;
        order = calloc(t->n, sizeof(*order));
        if (!order)
                return -ENOMEM;
        r = sync_tree_new(&sorted);
        if (r < 0)
                return r;
        sorted->compact = t->compact;

        for (size_t i = 0; i < t->n; i++)
                order[i] = (Ordered) { sync_tree_at(t, i), i };
        qsort(order, t->n, sizeof(*order), compare_ordered);

        for (size_t i = 0; i < t->n; i++) {
                if (i + 1 < t->n && strcmp(order[i].entry->path, order[i + 1].entry->path) == 0) {
                        if (!keep_last)
                                return -EEXIST;
                        continue;
                }
                r = sync_tree_append(sorted, order[i].entry, false);
                if (r < 0)
                        return r;
        }
        unsorted = *t;
        *t = *sorted;
        *sorted = unsorted;
        return 0;
}

int sync_tree_sort(SyncTree *t) {
        return sort(t, false);
}

int sync_tree_sort_last(SyncTree *t) {
        return sort(t, true);
}

static void rest(SyncTree *t, bool pack) {
        const SyncMapping *last = NULL;

        for (size_t i = 0; t && i < t->n_places; i++) {
                const SyncMapping *m = t->places[i].segment->mapping;

                if (m || pack)
                        sync_segment_rest(t->places[i].segment);
                if (m && m != last)
                        (void) madvise(m->data, m->size, MADV_DONTNEED);
                last = m ?: last;
        }
}

void sync_tree_rest(SyncTree *t) {
        rest(t, true);
}

void sync_tree_leave_to_file(SyncTree *t) {
        rest(t, false);
}

size_t sync_tree_size(const SyncTree *t) {
        return t ? t->n : 0;
}

size_t sync_tree_place_of(const SyncTree *t, size_t i) {
        size_t low = 0, high = t->n_places;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (t->places[middle].begin <= i)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

const SyncEntry *sync_tree_at(const SyncTree *t, size_t i) {
        const SyncPlace *p;

        assert(i < t->n);
        p = t->places + sync_tree_place_of(t, i);
        return sync_segment_entries(p->segment) + (i - p->begin);
}

const SyncEntry *sync_tree_next_unsettled(const SyncTree *t, size_t *i) {
        while (*i < sync_tree_size(t)) {
                const SyncPlace *p = t->places + sync_tree_place_of(t, *i);
                size_t end = p->begin + p->segment->n;

                if (p->segment->packed && p->segment->settled)
                        *i = end;
                while (*i < end) {
                        const SyncEntry *e = sync_segment_entries(p->segment) + ((*i)++ - p->begin);

                        if (e->certainty != SYNC_SETTLED)
                                return e;
                }
        }
        return NULL;
}

size_t sync_tree_lower_bound(const SyncTree *t, const char *path) {
        size_t low = 0, high = t ? t->n_places : 0;
        const SyncPlace *p;

        /* In the last segment that begins before it, or the first entry of the next one. */
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (sync_path_compare(sync_segment_first_path(t->places[middle].segment), path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == 0)
                return 0;
        p = t->places + low - 1;
        low = 0;
        high = p->segment->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (sync_path_compare(sync_segment_entries(p->segment)[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return p->begin + low;
}

const SyncEntry *sync_tree_find(const SyncTree *t, const char *path) {
        size_t i = sync_tree_lower_bound(t, path);
        const SyncEntry *e = i < sync_tree_size(t) ? sync_tree_at(t, i) : NULL;

        return e && strcmp(e->path, path) == 0 ? e : NULL;
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

/* The segment that has the entry before the i-th. */
static const SyncPlace *place_before(const SyncTree *t, size_t i) {
        return t->places + sync_tree_place_of(t, i - 1);
}

void sync_tree_leave(const SyncTree *t, size_t i) {
        const SyncPlace *p;

        if (i == 0)
                return;
        p = place_before(t, i);
        if (p->begin + p->segment->n == i)
                sync_segment_rest(p->segment);
}

/* Once: who looks for what is behind the walk may keep that. */
static void leave_behind(SyncWalk *w, size_t i) {
        size_t next = w->next[i];

        if (!w->leaves[i] || next == w->left[i])
                return;
        w->left[i] = next;
        if (next != w->kept[i])
                sync_tree_leave(w->trees[i], next);
}

void sync_walk_keep(SyncWalk *w, size_t i) {
        const SyncPlace *p = place_before(w->trees[i], w->next[i]);

        w->kept[i] = p->begin + p->segment->n;
}

const char *sync_walk_next(SyncWalk *w, const SyncEntry *entries[static SYNC_WALK_MAX]) {
        const char *path = NULL;

        for (size_t i = 0; i < SYNC_WALK_MAX; i++)
                leave_behind(w, i);
        for (size_t i = 0; i < SYNC_WALK_MAX; i++) {
                const SyncTree *t = w->trees[i];

                entries[i] = w->next[i] < sync_tree_size(t) ? sync_tree_at(t, w->next[i]) : NULL;
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
