/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directories that are watched: found by watch descriptor and by name, moved with all beneath them in
 * one step. */
#pragma once

#include <sys/queue.h>

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* No watch: the limit is reached, or the directory cannot be read. */
#define NODE_UNWATCHED (-1)

typedef struct WatchNode WatchNode;
LIST_HEAD(WatchNodeList, WatchNode);
TAILQ_HEAD(WatchNodeQueue, WatchNode);

struct WatchNode {
        WatchNode *parent; /* NULL for the folder itself, and for a directory that is being moved */
        char *name;        /* "" for the folder itself */
        int wd;            /* or NODE_UNWATCHED */
        bool queued;       /* is to be listed */
        bool thoroughly;   /* with all beneath it, known or not */
        unsigned seen;     /* the last listing of its parent that had it */
        struct WatchNodeList children;
        LIST_ENTRY(WatchNode) siblings, same_wd, same_name;
        TAILQ_ENTRY(WatchNode) pending;
};

typedef struct WatchTable {
        WatchNode *root;
        struct WatchNodeList detached;
        struct WatchNodeList *by_wd, *by_name; /* hash tables of n_buckets each */
        size_t n_buckets, n_nodes, n_unwatched;
        struct WatchNodeQueue pending;
} WatchTable;

/* 0 or -ENOMEM. */
int watch_table_init(WatchTable *t);
void watch_table_done(WatchTable *t);

/* The node that has this watch descriptor, or NULL. */
WatchNode *watch_table_find_wd(const WatchTable *t, int wd) _pure_;
/* The node of this name in the parent's directory, or NULL. */
WatchNode *watch_table_find_child(const WatchTable *t, const WatchNode *parent, const char *name) _pure_;

/* Makes a node; parent NULL makes the folder's. 0 or -ENOMEM. */
int watch_table_add(WatchTable *t, WatchNode *parent, const char *name, int wd, WatchNode **ret);
/* Takes a node with all beneath it out of its place, to be put at another or removed. */
void watch_table_detach(WatchTable *t, WatchNode *n);
/* Puts a detached node at its new place; nothing may be there. 0 or -ENOMEM (it stays detached). */
int watch_table_attach(WatchTable *t, WatchNode *n, WatchNode *parent, const char *name);
/* Frees a node with all beneath it. unwatch is called for each watch descriptor, and may be NULL. */
void watch_table_remove(WatchTable *t, WatchNode *n, void (*unwatch)(int wd, void *userdata), void *userdata);

/* Has the node's directory listed, once however often it is called; thoroughly: with all beneath it, known or not. */
void watch_table_queue(WatchTable *t, WatchNode *n, bool thoroughly);
/* The next node to be listed, taken out of the queue, or NULL. */
WatchNode *watch_table_next_pending(WatchTable *t);

/* The path of name in the node's directory ("" for the node's own). False if it is too long or the node
 * is detached. */
bool watch_node_path(const WatchNode *n, const char *name, char buf[static SYNC_PATH_MAX + 1]);
