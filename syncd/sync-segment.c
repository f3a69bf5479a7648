/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/mman.h>

#include "common/base/cleanup.h"
#include "syncd/sync-tree-internal.h"

/* Paths are copied into blocks of growing size, so that they never move and cost no allocation each. */
#define PATHS_SIZE_MIN 256U
#define PATHS_SIZE_MAX 4096U
#define SEGMENT_MIN 8U

struct SyncPaths {
        SyncPaths *previous;
        size_t used, size;
        char data[];
};

SyncMapping *sync_mapping_unref(SyncMapping *m) {
        if (!m || --m->n_refs > 0)
                return NULL;
        (void) munmap(m->data, m->size);
        free(m);
        return NULL;
}

void sync_segment_free_entries(SyncSegment *s) {
        s->entries = mfree(s->entries);
        while (s->paths) {
                SyncPaths *p = s->paths;

                s->paths = p->previous;
                free(p);
        }
}

void sync_segment_free_packed(SyncSegment *s) {
        if (s->mapping)
                return;
        free((void *) s->packed);
        s->packed = NULL;
}

SyncSegment *sync_segment_unref(SyncSegment *s) {
        if (!s || --s->n_refs > 0)
                return NULL;
        sync_segment_free_entries(s);
        sync_segment_free_packed(s);
        sync_mapping_unref(s->mapping);
        free(s->first_path);
        free(s);
        return NULL;
}

SyncEntry *sync_segment_entries(SyncSegment *s) {
        /* It is for some kilobytes that there is no memory: the process could not go on in any case. syncd says so, and
         * the next one recovers. */
        if (!s->entries && sync_segment_unpack(s) < 0)
                abort();
        return s->entries;
}

const char *sync_segment_first_path(const SyncSegment *s) {
        return s->first_path ?: s->entries->path;
}

static const char *copy_path(SyncSegment *s, const char *path) {
        SyncPaths *p = s->paths;
        size_t size = strlen(path) + 1;

        if (!p || p->size - p->used < size) {
                size_t wanted = p ? MIN(2 * p->size, (size_t) PATHS_SIZE_MAX) : PATHS_SIZE_MIN;

                wanted = MAX(wanted, size);
                p = malloc(sizeof(*p) + wanted);
                if (!p)
                        return NULL;
                *p = (SyncPaths) { .previous = s->paths, .size = wanted };
                s->paths = p;
        }
        p->used += size;
        return memcpy(p->data + p->used - size, path, size);
}

int sync_segment_add(SyncSegment *s, const SyncEntry *entry, bool borrow) {
        const char *path = entry->path;

        if (s->n == s->allocated) {
                unsigned wanted = MIN(MAX(2 * s->allocated, SEGMENT_MIN), SYNC_SEGMENT_MAX);
                SyncEntry *entries = reallocarray(s->entries, wanted, sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                s->entries = entries;
                s->allocated = wanted;
        }
        if (!borrow)
                path = copy_path(s, path);
        if (!path)
                return -ENOMEM;
        s->entries[s->n] = *entry;
        s->entries[s->n++].path = path;
        return 0;
}

void sync_segment_rest(SyncSegment *s) {
        if (!s->entries)
                return;
        if (!s->packed)
                sync_segment_pack(s);
        if (s->packed)
                sync_segment_free_entries(s);
}
