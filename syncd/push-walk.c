/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"
#include "syncd/git-store-internal.h"
#include "syncd/git-tree-internal.h"
#include "syncd/push-walk.h"

#define DEPTH_MAX (SYNC_DEPTH_MAX + 4U)

typedef struct PushWalk {
        GitStore *store;
        ObjectMap *visited;
        PushWalkHandler handler;
        void *userdata;
        char path[SYNC_PATH_MAX + 1];
} PushWalk;

/* The entry that sorts like e in another tree, which is read in the same order. */
static bool find_like(GitTreeReader *other, const GitTreeEntry *e, GitTreeEntry *ret) {
        GitTreeReader at = *other;

        while (git_tree_next(&at, ret) > 0) {
                int c = git_tree_entry_compare(ret, e);

                if (c == 0)
                        return ret->mode == e->mode || !git_tree_entry_is_directory(e);
                if (c > 0)
                        break;
                *other = at;
        }
        return false;
}

static bool is_meta(const GitTreeEntry *e) {
        return streq(e->name, TREE_NAME_META);
}

/* The name behind the mark of a chunked file; NULL for another entry. */
static const char *chunked_name(const GitTreeEntry *e) {
        if (!git_tree_entry_is_directory(e))
                return NULL;
        return startswith(e->name, TREE_MARK_CHUNKED) ?: startswith(e->name, TREE_MARK_CHUNKED_EXECUTABLE);
}

/* Puts the name behind the path. Returns the path's old length, for leave(). */
static int enter(PushWalk *w, const GitTreeEntry *e) {
        const char *stored = chunked_name(e) ?: e->name;
        _cleanup_free_ char *name = NULL;
        size_t n = strlen(w->path);
        int r;

        r = git_name_unescape(stored, &name);
        if (r < 0)
                return r;
        if (n + 1 + strlen(name) > SYNC_PATH_MAX)
                return -EBADMSG;
        (void) snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n > 0 ? "/" : "", name);
        return (int) n;
}

static int report(PushWalk *w, PushKind kind, const git_oid *id, const git_oid *base) {
        PushFound found = { .kind = kind, .id = *id, .path = w->path };

        if (base)
                found.base = *base;
        git_store_oid_to_sync(&found.file, id);
        return w->handler(&found, w->userdata);
}

/* --- chunked files --- */

typedef struct ChunkWalk {
        PushWalk *walk;
        PushFound found;
} ChunkWalk;

static int on_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        ChunkWalk *c = userdata;
        PushFound found = c->found;

        found.kind = PUSH_CHUNK;
        git_store_oid_from_sync(&found.id, chunk);
        found.offset = offset;
        found.length = length;
        return c->walk->handler(&found, c->walk->userdata);
}

static int on_group(const SyncOid *group, uint64_t offset, uint64_t length, void *userdata) {
        ChunkWalk *c = userdata;
        PushFound found = c->found;
        int r;

        found.kind = PUSH_GROUP;
        git_store_oid_from_sync(&found.id, group);
        found.offset = offset;
        found.length = length;
        r = object_map_add(c->walk->visited, &found.id, 0);
        if (r <= 0)
                return r;
        r = c->walk->handler(&found, c->walk->userdata);
        return r != 0 ? r : git_store_foreach_chunk_of_group(c->walk->store, group, offset, on_chunk, c);
}

static int walk_chunked(PushWalk *w, const git_oid *top, const git_oid *base) {
        ChunkWalk c = { .walk = w, .found = { .path = w->path } };
        int r;

        r = object_map_add(w->visited, top, 0);
        if (r <= 0)
                return r;
        git_store_oid_to_sync(&c.found.file, top);
        r = git_store_chunked_size(w->store, &c.found.file, &c.found.size);
        /* No gateway makes such a file: it came from main, and all that it has is there. */
        if (r == -EBADMSG)
                return 0;
        if (r >= 0)
                r = report(w, PUSH_TREE, top, base);
        return r != 0 ? r : git_store_foreach_group(w->store, &c.found.file, on_group, &c);
}

/* --- directories --- */

static int walk_tree(PushWalk *w, const git_oid *id, const git_oid *older_id, bool meta, unsigned depth);

static int walk_entry(PushWalk *w, const GitTreeEntry *e, const git_oid *base, bool meta, unsigned depth) {
        int n, r;

        if (!git_tree_entry_is_directory(e) && object_map_find(w->visited, &e->id, NULL))
                return 0;
        if (meta || is_meta(e))
                return git_tree_entry_is_directory(e) ? walk_tree(w, &e->id, base, true, depth + 1)
                                                      : report(w, PUSH_META, &e->id, base);
        if (streq(e->name, TREE_NAME_FORMAT))
                return report(w, PUSH_META, &e->id, NULL);
        n = enter(w, e);
        if (n < 0)
                return n;
        if (chunked_name(e))
                r = walk_chunked(w, &e->id, base);
        else if (git_tree_entry_is_directory(e))
                r = walk_tree(w, &e->id, base, false, depth + 1);
        else
                r = report(w, e->mode == GIT_MODE_SYMLINK ? PUSH_SYMLINK : PUSH_FILE, &e->id, NULL);
        w->path[n] = 0;
        return r;
}

/* Counts as visited what the older tree has and the newer one has not in its place: the receiver has it, or an
 * earlier walk told of it. If it comes back, it must not come as a delta against what is a delta against it. */
static int visit_displaced(PushWalk *w, GitTreeReader older, GitTreeReader newer) {
        GitTreeEntry e, like;
        int r;

        while ((r = git_tree_next(&older, &e)) > 0) {
                if (find_like(&newer, &e, &like) && git_oid_equal(&like.id, &e.id))
                        continue;
                r = object_map_add(w->visited, &e.id, 0);
                if (r < 0)
                        return r;
        }
        return r;
}

static int walk_tree(PushWalk *w, const git_oid *id, const git_oid *older_id, bool meta, unsigned depth) {
        _cleanup_free_ char *data = NULL, *older_data = NULL;
        GitTreeReader reader, older;
        GitTreeEntry e, like;
        int r;

        if (depth > DEPTH_MAX)
                return -EBADMSG;
        r = object_map_add(w->visited, id, 0);
        if (r <= 0)
                return r;
        r = git_store_open_tree(w->store, id, &data, &reader);
        if (r < 0)
                return r;
        r = git_store_open_tree(w->store, older_id, &older_data, &older);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r >= 0)
                r = visit_displaced(w, older, reader);
        if (r < 0 && r != -ENOENT)
                return r;
        r = report(w, PUSH_TREE, id, r < 0 ? NULL : older_id);
        while (r == 0 && (r = git_tree_next(&reader, &e)) > 0) {
                bool found = find_like(&older, &e, &like);

                r = found && git_oid_equal(&like.id, &e.id)
                                    ? 0
                                    : walk_entry(w, &e, found ? &like.id : &(git_oid){}, meta, depth);
        }
        return r;
}

int push_walk(GitStore *store,
              const git_oid *tree,
              const git_oid *older,
              ObjectMap *visited,
              PushWalkHandler handler,
              void *userdata) {

        PushWalk w = { .store = store, .visited = visited, .handler = handler, .userdata = userdata };

        return git_oid_equal(tree, older) ? 0 : walk_tree(&w, tree, older, false, 0);
}

/* --- what is there --- */

typedef struct PresentWalk {
        GitStore *store;
        bool chunks;
        ObjectMap visited; /* trees of which everything was told */
        void (*handler)(const git_oid *id, void *userdata);
        void *userdata;
} PresentWalk;

static int walk_present(PresentWalk *w, const git_oid *id, const git_oid *newer_id, unsigned depth) {
        _cleanup_free_ char *data = NULL, *newer_data = NULL;
        GitTreeReader reader, newer;
        GitTreeEntry e, like;
        int r;

        w->handler(id, w->userdata);
        if (git_oid_is_zero(newer_id)) {
                r = object_map_add(&w->visited, id, 0);
                if (r <= 0)
                        return r;
        }
        /* What is malformed, or deeper than any directory, has nothing that anybody could want. */
        if (depth > DEPTH_MAX)
                return 0;
        r = git_store_open_tree(w->store, id, &data, &reader);
        if (r >= 0)
                r = git_store_open_tree(w->store, newer_id, &newer_data, &newer);
        if (r == -ENOENT || r == -EBADMSG)
                return 0;
        while (r >= 0 && (r = git_tree_next(&reader, &e)) > 0) {
                bool found = find_like(&newer, &e, &like);

                if (found && git_oid_equal(&like.id, &e.id))
                        r = 0;
                else if (!git_tree_entry_is_directory(&e) || (chunked_name(&e) && !w->chunks)) {
                        w->handler(&e.id, w->userdata);
                        r = 0;
                } else
                        /* Chunks keep their content, not their names, when something is inserted before
                         * them. */
                        r =
                                        walk_present(w,
                                                     &e.id,
                                                     found && !chunked_name(&e) ? &like.id : &(git_oid){},
                                                     depth + 1);
        }
        return r == -EBADMSG ? 0 : r;
}

int push_walk_present(
                GitStore *store,
                const git_oid *tree,
                const git_oid *newer,
                bool chunks,
                void (*handler)(const git_oid *id, void *userdata),
                void *userdata) {

        PresentWalk w = { .store = store, .chunks = chunks, .handler = handler, .userdata = userdata };
        int r = git_oid_is_zero(tree) ? 0 : walk_present(&w, tree, newer, 0);

        object_map_done(&w.visited);
        return r;
}
