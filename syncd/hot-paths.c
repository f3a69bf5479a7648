/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/hot-paths.h"

void hot_paths_clear(HotPaths *h) {
        for (size_t i = 0; i < h->n; i++)
                free(h->items[i].path);
        h->n = 0;
}

static HotPath *find(const HotPaths *h, const char *path) {
        for (size_t i = 0; i < h->n; i++)
                if (streq(h->items[i].path, path))
                        return (HotPath *) h->items + i;
        return NULL;
}

/* A place for another one: of those that do not wait, the one that was closed the longest ago. NULL: all wait. */
static HotPath *make_room(HotPaths *h) {
        HotPath *oldest = NULL;

        if (h->n < HOT_PATHS_MAX)
                return h->items + h->n++;
        for (size_t i = 0; i < h->n; i++)
                if (h->items[i].due == 0 && (!oldest || h->items[i].last < oldest->last))
                        oldest = h->items + i;
        if (oldest)
                free(oldest->path);
        return oldest;
}

static void add(HotPaths *h, const char *path, uint64_t now) {
        char *copy = strdup(path);
        HotPath *p = copy ? make_room(h) : NULL;

        if (p)
                *p = (HotPath) { .path = copy, .begun = now, .last = now, .n = 1 };
        else
                free(copy);
}

bool hot_paths_changed(HotPaths *h, const char *path, uint64_t now) {
        HotPath *p = find(h, path);

        if (!p) {
                add(h, path, now);
                return false;
        }
        if (p->due == 0 && now > p->last + HOT_QUIET_USEC) {
                p->begun = now;
                p->n = 0;
        }
        p->last = now;
        if (p->due > 0)
                return true;
        if (++p->n <= HOT_FREE_MAX)
                return false;
        p->due = now + MIN((now - p->begun) / HOT_SHARE, HOT_WAIT_MAX_USEC);
        return true;
}

bool hot_paths_waits(const HotPaths *h, const char *path) {
        const HotPath *p = find(h, path);

        return p && p->due > 0;
}

uint64_t hot_paths_next(const HotPaths *h) {
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i < h->n; i++)
                if (h->items[i].due > 0)
                        next = MIN(next, h->items[i].due);
        return next;
}

const char *hot_paths_take(HotPaths *h, uint64_t now) {
        for (size_t i = 0; i < h->n; i++)
                if (h->items[i].due > 0 && h->items[i].due <= now) {
                        h->items[i].due = 0;
                        return h->items[i].path;
                }
        return NULL;
}
