/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/str.h"
#include "syncd/sync-watch-table.h"

#define BUCKETS_MIN 256U

static size_t hash_wd(const WatchTable *t, int wd) {
        return (unsigned) wd & (t->n_buckets - 1);
}

static size_t hash_name(const WatchTable *t, const WatchNode *parent, const char *name) {
        /* FNV-1a. Who makes colliding names slows down a folder of their own. */
        uint64_t h = UINT64_C(0xcbf29ce484222325) ^ (uintptr_t) parent;

        for (; *name; name++)
                h = (h ^ (uint8_t) *name) * UINT64_C(0x100000001b3);
        return (h ^ h >> 32) & (t->n_buckets - 1);
}

static void hash_node(WatchTable *t, WatchNode *n) {
        if (n->wd != NODE_UNWATCHED)
                LIST_INSERT_HEAD(t->by_wd + hash_wd(t, n->wd), n, same_wd);
        if (n->parent)
                LIST_INSERT_HEAD(t->by_name + hash_name(t, n->parent, n->name), n, same_name);
}

static void hash_all(WatchTable *t, WatchNode *n) {
        WatchNode *child;

        hash_node(t, n);
        LIST_FOREACH(child, &n->children, siblings)
                hash_all(t, child);
}

/* Tables of the new size; the nodes have yet to be put in. */
static int resize(WatchTable *t, size_t n_buckets) {
        struct WatchNodeList *by_wd = calloc(n_buckets, sizeof(*by_wd)), *by_name = calloc(n_buckets, sizeof(*by_name));

        if (!by_wd || !by_name) {
                free(by_wd);
                free(by_name);
                return -ENOMEM;
        }
        free(t->by_wd);
        free(t->by_name);
        t->by_wd = by_wd;
        t->by_name = by_name;
        t->n_buckets = n_buckets;
        return 0;
}

int watch_table_init(WatchTable *t) {
        *t = (WatchTable) {};
        TAILQ_INIT(&t->pending);
        LIST_INIT(&t->detached);
        return resize(t, BUCKETS_MIN);
}

void watch_table_done(WatchTable *t) {
        WatchNode *n;

        while ((n = LIST_FIRST(&t->detached)))
                watch_table_remove(t, n, NULL, NULL);
        if (t->root)
                watch_table_remove(t, t->root, NULL, NULL);
        t->root = NULL;
        t->by_wd = mfree(t->by_wd);
        t->by_name = mfree(t->by_name);
}

WatchNode *watch_table_find_wd(const WatchTable *t, int wd) {
        WatchNode *n;

        LIST_FOREACH(n, t->by_wd + hash_wd(t, wd), same_wd)
                if (n->wd == wd)
                        return n;
        return NULL;
}

WatchNode *watch_table_find_child(const WatchTable *t, const WatchNode *parent, const char *name) {
        WatchNode *n;

        LIST_FOREACH(n, t->by_name + hash_name(t, parent, name), same_name)
                if (n->parent == parent && streq(n->name, name))
                        return n;
        return NULL;
}

int watch_table_add(WatchTable *t, WatchNode *parent, const char *name, int wd, WatchNode **ret) {
        WatchNode *n;

        /* Without the memory it only becomes slower. */
        if (t->n_nodes > 2 * t->n_buckets && resize(t, 4 * t->n_buckets) >= 0) {
                hash_all(t, t->root);
                LIST_FOREACH(n, &t->detached, siblings)
                        hash_all(t, n);
        }
        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->name = strdup(name);
        if (!n->name) {
                free(n);
                return -ENOMEM;
        }
        n->wd = wd;
        n->parent = parent;
        LIST_INIT(&n->children);
        if (parent)
                LIST_INSERT_HEAD(&parent->children, n, siblings);
        else
                t->root = n;
        hash_node(t, n);
        t->n_nodes++;
        t->n_unwatched += wd == NODE_UNWATCHED;
        *ret = n;
        return 0;
}

void watch_table_detach(WatchTable *t, WatchNode *n) {
        if (!n->parent)
                return;
        LIST_REMOVE(n, siblings);
        LIST_REMOVE(n, same_name);
        LIST_INSERT_HEAD(&t->detached, n, siblings);
        n->parent = NULL;
}

int watch_table_attach(WatchTable *t, WatchNode *n, WatchNode *parent, const char *name) {
        int r;

        r = free_and_strdup(&n->name, name);
        if (r < 0)
                return r;
        LIST_REMOVE(n, siblings);
        n->parent = parent;
        LIST_INSERT_HEAD(&parent->children, n, siblings);
        LIST_INSERT_HEAD(t->by_name + hash_name(t, parent, n->name), n, same_name);
        return 0;
}

void watch_table_remove(WatchTable *t, WatchNode *n, void (*unwatch)(int wd, void *userdata), void *userdata) {
        WatchNode *child;

        while ((child = LIST_FIRST(&n->children)))
                watch_table_remove(t, child, unwatch, userdata);
        watch_table_detach(t, n);
        if (n != t->root)
                LIST_REMOVE(n, siblings);
        if (n->queued)
                TAILQ_REMOVE(&t->pending, n, pending);
        if (n->wd == NODE_UNWATCHED)
                t->n_unwatched--;
        else {
                LIST_REMOVE(n, same_wd);
                if (unwatch)
                        unwatch(n->wd, userdata);
        }
        t->n_nodes--;
        free(n->name);
        free(n);
}

void watch_table_queue(WatchTable *t, WatchNode *n, bool thoroughly) {
        n->thoroughly |= thoroughly;
        if (n->queued)
                return;
        n->queued = true;
        TAILQ_INSERT_TAIL(&t->pending, n, pending);
}

WatchNode *watch_table_next_pending(WatchTable *t) {
        WatchNode *n = TAILQ_FIRST(&t->pending);

        if (n) {
                TAILQ_REMOVE(&t->pending, n, pending);
                n->queued = false;
        }
        return n;
}

bool watch_node_path(const WatchNode *n, const char *name, char buf[static SYNC_PATH_MAX + 1]) {
        size_t at = SYNC_PATH_MAX, length = strlen(name);

        if (length > at)
                return false;
        buf[at] = '\0';
        at -= length;
        memcpy(buf + at, name, length);
        for (; n->parent; n = n->parent) {
                size_t size = strlen(n->name), slash = buf[at] != '\0';

                if (size + slash > at)
                        return false;
                if (slash)
                        buf[--at] = '/';
                at -= size;
                memcpy(buf + at, n->name, size);
        }
        memmove(buf, buf + at, SYNC_PATH_MAX + 1 - at);
        return n->name[0] == '\0';
}
