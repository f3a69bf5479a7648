/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base, the folder and main are three large trees that are nearly equal. Only the folder's index is held whole;
 * the others are known by where they differ from it. */
#include <git2.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "syncd/instance.h"

/* More differences than this part of the folder has entries are not collected: comparing everything costs little more
 * then, and no memory. */
#define FEW_PART 8U
#define FEW_MIN 64U

typedef char HeldName[sizeof(INSTANCE_HELD_PREFIX) + GIT_OID_HEXSZ];

static const char *held_name(const git_oid *commit, HeldName buf) {
        char hex[GIT_OID_HEXSZ + 1];

        (void) sprintf(buf, INSTANCE_HELD_PREFIX "%s", git_oid_tostr(hex, sizeof(hex), commit));
        return buf;
}

/* Without what is held, all that is still to come from base's commit would be taken for deleted by a user. So a base
 * whose list is missing, damaged, or on a disk that does not give it back, is lost. */
int folder_load_base(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *held = NULL;
        git_oid listed;
        HeldName name;
        int r;

        r = folder_get_reference(f, GIT_STORE_BASE, &f->base_commit);
        if (r >= 0)
                r = folder_get_reference(f, GIT_STORE_HELD, &listed);
        if (r < 0)
                return r;
        r = sync_index_load(f->state_fd, held_name(&f->base_commit, name), &held);
        if (r == -EBADMSG || r == -EIO ||
            (r == -ENOENT && !git_oid_is_zero(&listed) && git_oid_equal(&listed, &f->base_commit)))
                return folder_lose_base(f);
        if (r == -ENOENT)
                r = sync_tree_new(&held);
        if (r < 0)
                return r;
        sync_tree_free(f->held);
        f->held = TAKE_PTR(held);
        return 0;
}

/* --- the differences of base and index --- */

const SyncEntry *folder_base_of(const SyncEntry *differing, const SyncEntry *local) {
        if (!differing)
                return local;
        return differing->kind == FOLDER_NOT_IN_BASE || differing->inode != 0 ? NULL : differing;
}

static int add_difference(SyncTree *t, const char *path, const SyncEntry *base) {
        SyncEntry nothing = { .path = path, .kind = FOLDER_NOT_IN_BASE };

        return sync_tree_add(t, base ?: &nothing);
}

static int change_differing(Folder *f, const SyncTree *changes) {
        SyncTree *t;
        int r;

        r = sync_tree_replace(f->differing, changes, &t);
        if (r < 0)
                return r;
        sync_tree_free(f->differing);
        f->differing = t;
        return 0;
}

/* A walk of the base commit's tree with the held changes laid over it. */
typedef struct Overlay {
        const SyncTree *held;
        size_t next, end;
        GitStoreEntryHandler handler;
        void *userdata;
} Overlay;

static int call_held_before(Overlay *o, const char *path) {
        for (; o->next < o->end; o->next++) {
                const SyncEntry *e = sync_tree_at(o->held, o->next);
                int r;

                if (path && sync_path_compare(e->path, path) >= 0)
                        break;
                r = e->kind == SYNC_ABSENT ? 0 : o->handler(e, o->userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int overlay_entry(const SyncEntry *e, void *userdata) {
        const SyncEntry *held;
        Overlay *o = userdata;
        int r;

        r = call_held_before(o, e->path);
        if (r != 0)
                return r;
        held = o->next < o->end ? sync_tree_at(o->held, o->next) : NULL;
        if (!held || !streq(held->path, e->path))
                return o->handler(e, o->userdata);
        o->next++;
        return held->kind == SYNC_ABSENT ? 0 : o->handler(held, o->userdata);
}

/* The entries from begin on that are at the path or beneath it ("": all) end here. */
static size_t subtree_end(const SyncTree *t, size_t begin, const char *path) {
        size_t n = sync_tree_size(t);

        if (!*path)
                return n;
        while (begin < n && (streq(sync_tree_at(t, begin)->path, path) ||
                             sync_path_is_below(sync_tree_at(t, begin)->path, path)))
                begin++;
        return begin;
}

static int foreach_base(Folder *f, const char *path, GitStoreEntryHandler handler, void *userdata) {
        Overlay o = {
                .held = f->held,
                .next = sync_tree_lower_bound(f->held, path),
                .handler = handler,
                .userdata = userdata,
        };
        int r;

        o.end = subtree_end(f->held, o.next, path);
        r = git_store_foreach_entry(f->store, &f->base_commit, path, overlay_entry, &o);
        return r < 0 ? r : call_held_before(&o, NULL);
}

typedef struct Comparison {
        const SyncTree *index;
        size_t next, end;
        SyncTree *differing;
        size_t base_files;
} Comparison;

/* The next entry of the index, or NULL. */
static const SyncEntry *next_local(const Comparison *c) {
        sync_tree_leave(c->index, c->next);
        return c->next < c->end ? sync_tree_at(c->index, c->next) : NULL;
}

/* What base does not have, up to the path: shared, not copied. */
static int take_local_before(Comparison *c, const char *path) {
        size_t first = c->next;
        const SyncEntry *local;

        while ((local = next_local(c)) && (!path || sync_path_compare(local->path, path) < 0))
                c->next++;
        return sync_tree_add_range(c->differing, c->index, first, c->next);
}

static int compare_entry(const SyncEntry *base, void *userdata) {
        Comparison *c = userdata;
        const SyncEntry *local;
        int r;

        c->base_files += base->kind != SYNC_DIRECTORY;
        r = take_local_before(c, base->path);
        if (r < 0)
                return r;
        local = next_local(c);
        if (local && streq(local->path, base->path))
                c->next++;
        else
                local = NULL;
        return sync_entry_equal(base, local) ? 0 : add_difference(c->differing, base->path, base);
}

static int compare_beneath(Folder *f, const char *path, SyncTree *differing, size_t *ret_base_files) {
        Comparison c = { .index = f->index, .differing = differing };
        int r;

        c.next = sync_tree_lower_bound(f->index, path);
        c.end = subtree_end(f->index, c.next, path);
        r = foreach_base(f, path, compare_entry, &c);
        if (r >= 0)
                r = take_local_before(&c, NULL);
        *ret_base_files = c.base_files;
        return r;
}

static int compare_all(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *differing = NULL;
        int r;

        /* Both would be as large as the folder, at times. */
        f->differing = sync_tree_free(f->differing);
        r = sync_tree_new(&differing);
        if (r >= 0)
                r = compare_beneath(f, "", differing, &f->base_files);
        if (r < 0)
                return r;
        f->differing = TAKE_PTR(differing);
        return 0;
}

/* Where to begin so that nothing is missed that goes along with a change at the path: at the first directory on
 * the way that is not a directory on both sides as far as is known. */
static void shorten(const Folder *f, char *path) {
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                const SyncEntry *e;

                *slash = 0;
                e = sync_tree_find(f->index, path);
                if (!e || e->kind != SYNC_DIRECTORY || sync_tree_find(f->differing, path))
                        return;
                *slash = '/';
        }
}

static int compare_at(Folder *f, const char *path, SyncTree *changes) {
        size_t begin = sync_tree_lower_bound(f->differing, path), end = subtree_end(f->differing, begin, path), n;

        for (size_t i = begin; i < end; i++) {
                SyncEntry absent = { .path = sync_tree_at(f->differing, i)->path, .kind = SYNC_ABSENT };
                int r = sync_tree_add(changes, &absent);

                if (r < 0)
                        return r;
        }
        return compare_beneath(f, path, changes, &n);
}

static int add_starts(const Folder *f, char *const *paths, SyncTree *starts) {
        STRV_FOREACH(path, paths) {
                char start[SYNC_PATH_MAX + 1];
                SyncEntry e = { .path = start };
                int r;

                if (!sync_path_is_valid(*path))
                        continue;
                shorten(f, strcpy(start, *path));
                r = sync_tree_add(starts, &e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_some(Folder *f, char *const *paths) {
        _cleanup_sync_tree_free_ SyncTree *starts = NULL, *changes = NULL;
        const char *last = NULL;
        int r;

        if ((r = sync_tree_new(&starts)) < 0 || (r = sync_tree_new(&changes)) < 0 ||
            (r = add_starts(f, paths, starts)) < 0 || (r = add_starts(f, f->linked, starts)) < 0 ||
            (r = sync_tree_sort_last(starts)) < 0)
                return r;
        SYNC_TREE_FOREACH(e, starts) {
                if (last && sync_path_is_below(e->path, last))
                        continue;
                last = e->path;
                r = compare_at(f, last, changes);
                if (r < 0)
                        return r;
                if (sync_tree_size(changes) > sync_tree_size(f->index) / FEW_PART + FEW_MIN) {
                        changes = sync_tree_free(changes);
                        return compare_all(f);
                }
        }
        r = sync_tree_sort_last(changes);
        return r < 0 ? r : change_differing(f, changes);
}

int folder_compare(Folder *f, char *const *paths) {
        bool all = !paths || !f->differing || strv_contains(paths, "");
        int r = all ? compare_all(f) : compare_some(f, paths);

        if (r >= 0)
                f->linked = strv_free(f->linked);
        return r;
}

/* --- moving base --- */

int folder_find_in_commit(Folder *f, const git_oid *commit, const char *path, SyncEntry *buf, const SyncEntry **ret) {
        int r = git_oid_is_zero(commit) ? -ENOENT : git_store_find_entry(f->store, commit, path, buf);

        if (r < 0 && r != -ENOENT)
                return r;
        *ret = r < 0 ? NULL : buf;
        return 0;
}

static void forget_main(Folder *f) {
        f->main_from = sync_tree_free(f->main_from);
        f->main_to = sync_tree_free(f->main_to);
        f->held_main = sync_tree_free(f->held_main);
}

void folder_set_main(Folder *f, const git_oid *commit) {
        forget_main(f);
        f->main_commit = *commit;
        /* It may have something before the windows. */
        f->round.progress |= f->round.created_to || f->round.deleted_to;
}

const SyncTree *folder_held_main(const Folder *f, const git_oid *commit) {
        return git_oid_equal(commit, &f->main_commit) ? f->held_main : NULL;
}

const SyncEntry *folder_null_if_absent(const SyncEntry *e) {
        return e->kind != SYNC_ABSENT ? e : NULL;
}

/* Of the files and symlinks of base. */
static size_t counts(const SyncEntry *e) {
        return e && e->kind != SYNC_DIRECTORY;
}

/* Base moves from its commit to another one; from and to are what differs between them. */
static int compare_moved(
                Folder *f, const git_oid *commit, const SyncTree *held, const SyncTree *from, const SyncTree *to) {

        _cleanup_sync_tree_free_ SyncTree *changes = NULL;
        const SyncTree *held_main = folder_held_main(f, commit);
        SyncWalk walk = {
                .trees = { from, to, f->held, held, held_main },
                .leaves = { true, true, true, true, true },
        };
        const SyncEntry *entries[SYNC_WALK_MAX], *base;
        const char *path;
        int r;

        r = sync_tree_new(&changes);
        if (r < 0)
                return r;
        while ((path = sync_walk_next(&walk, entries))) {
                SyncEntry buf, absent = { .path = path, .kind = SYNC_ABSENT };
                const SyncEntry *was = entries[2] ? folder_null_if_absent(entries[2]) : entries[0];

                if (entries[3])
                        base = folder_null_if_absent(entries[3]);
                else if (entries[0] || entries[1])
                        base = entries[1];
                else if (held_main)
                        base = entries[4];
                else {
                        r = folder_find_in_commit(f, commit, path, &buf, &base);
                        if (r < 0)
                                return r;
                }
                f->base_files = f->base_files + counts(base) - MIN(counts(was), f->base_files);
                /* What is held and missing on both sides, which may be much, is no difference, and was none. */
                if (sync_entry_equal(base, sync_tree_find(f->index, path)))
                        r = sync_tree_find(f->differing, path) ? sync_tree_add(changes, &absent) : 0;
                else
                        r = add_difference(changes, path, base);
                if (r < 0)
                        return r;
        }
        return change_differing(f, changes);
}

/* Durably: what is recorded next relies on it, and for btrfs a sync of another file is none of the directory. */
static int remove_held(Folder *f, const git_oid *commit) {
        HeldName name;

        if (unlinkat(f->state_fd, held_name(commit, name), 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        return fsync(f->state_fd) < 0 ? -errno : 0;
}

/* The held changes first, under the commit's name, then the references, which make them valid. */
static int record_base(Folder *f, const git_oid *commit, const SyncTree *held) {
        static const git_oid none = {};
        bool moves = !git_oid_equal(commit, &f->base_commit), holds = sync_tree_size(held) > 0;
        git_oid listed;
        HeldName name;
        int r;

        if (holds)
                r = sync_index_save(f->state_fd, held_name(commit, name), held);
        else
                r = moves ? remove_held(f, commit) : 0;
        if (r >= 0)
                r = folder_get_reference(f, GIT_STORE_HELD, &listed);
        if (r < 0)
                return r;
        if (moves || !git_oid_equal(&listed, holds ? commit : &none)) {
                r = folder_set_reference(f, GIT_STORE_HELD, holds ? commit : &none);
                if (r >= 0)
                        r = folder_set_reference(f, GIT_STORE_BASE, commit);
                if (r >= 0)
                        r = git_store_sync(f->store);
        }
        if (r < 0)
                return r;
        if (moves)
                (void) remove_held(f, &f->base_commit);
        else if (!holds)
                r = remove_held(f, commit);
        return r;
}

int folder_lose_base(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *held = NULL;
        int r;

        r = sync_tree_new(&held);
        if (r < 0)
                return r;
        r = record_base(f, &(git_oid) {}, held);
        if (r < 0)
                return r;
        log_warning("The state of the folder is lost: begins with the union of the folder and main.");
        f->lost = true;
        f->lost_told = false;
        sync_tree_free(f->held);
        f->held = TAKE_PTR(held);
        f->base_commit = (git_oid) {};
        f->differing = sync_tree_free(f->differing);
        forget_main(f);
        return 0;
}

int folder_set_base(Folder *f, const git_oid *commit, SyncTree *held) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        bool few;
        int r;

        r = folder_diff_if_few(f, commit, sync_tree_size(f->index) / FEW_PART + 1, &from, &to);
        if (r < 0)
                return r;
        few = r > 0;
        r = record_base(f, commit, held);
        if (r < 0)
                return r;
        if (f->differing && few)
                r = compare_moved(f, commit, held, from, to);
        if (held != f->held)
                sync_tree_free(f->held);
        f->held = held;
        f->base_commit = *commit;
        forget_main(f);
        if (f->differing && !few)
                r = compare_all(f);
        /* Then everything is compared anew. */
        if (r < 0)
                f->differing = sync_tree_free(f->differing);
        return 0;
}
