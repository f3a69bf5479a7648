/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has another name on main gets it by one rename, where apply would else copy the file and delete the old one: no
 * space and no reading, whatever its size. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/sync-swap.h"

/* --- which ones --- */

static bool wants_file(const SyncOperation *o) {
        return (o->kind == SYNC_CREATE || o->kind == SYNC_REPLACE) && o->wanted->kind == SYNC_FILE;
}

/* The scan vouches for the content of what is to be deleted. */
static bool can_be_source(const SyncOperation *o) {
        return o->kind == SYNC_DELETE && o->local->kind == SYNC_FILE && o->local->certainty == SYNC_SETTLED;
}

static const SyncOid *oid_of(const SyncOperation *o) {
        return o->kind == SYNC_DELETE ? &o->local->oid : &o->wanted->oid;
}

static int compare_indices(uint32_t a, uint32_t b) {
        return (a > b) - (a < b);
}

static int compare_contents(const void *a, const void *b, void *userdata) {
        const SyncOperation *operations = userdata;
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return memcmp(oid_of(operations + x), oid_of(operations + y), SYNC_OID_SIZE) ?: compare_indices(x, y);
}

static int compare_names(const void *a, const void *b, void *userdata) {
        const SyncOperation *operations = userdata;
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return strcmp(sync_path_name(operations[x].path), sync_path_name(operations[y].path)) ?: compare_indices(x, y);
}

/* The creations and the deletions of one content, as indices of operations. */
typedef struct Halves {
        uint32_t *created, *deleted;
        size_t n_created, n_deleted;
} Halves;

/* The file is there until the deletion, and its new directory from the creation on. A bit says nothing of content, but
 * without one a crash in between looks like a change of it. */
static bool can_pair(const SyncOperation *operations, uint32_t created, uint32_t deleted) {
        return created < deleted && operations[created].wanted->executable == operations[deleted].local->executable;
}

static void pair(ApplyRun *run, const SyncOperation *operations, uint32_t created, uint32_t deleted) {
        ApplyMove *move = run->pairs + run->n_pairs++;

        *move = (ApplyMove) { .from = operations[deleted].local, .state = APPLY_MOVE_PLANNED };
        run->moves[created] = run->moves[deleted] = move;
}

/* Both are sorted by name. */
static void pair_same_names(ApplyRun *run, const SyncOperation *operations, const Halves *h) {
        for (size_t i = 0, k = 0; i < h->n_created && k < h->n_deleted;) {
                uint32_t created = h->created[i], deleted = h->deleted[k];
                int c = strcmp(sync_path_name(operations[created].path), sync_path_name(operations[deleted].path));

                if (c == 0 && can_pair(operations, created, deleted))
                        pair(run, operations, created, deleted);
                i += c <= 0;
                k += c >= 0;
        }
}

static void pair_others(ApplyRun *run, const SyncOperation *operations, const Halves *h) {
        for (size_t i = 0, k = 0; i < h->n_created && k < h->n_deleted;) {
                uint32_t created = h->created[i], deleted = h->deleted[k];
                bool is_free = !run->moves[created], is_there = !run->moves[deleted];

                if (is_free && is_there && can_pair(operations, created, deleted))
                        pair(run, operations, created, deleted);
                i += !is_free || is_there;
                k += !is_there || is_free;
        }
}

/* What else wants the content copies it from what is still there: only the last ones move it away. */
static void leave_copies(const SyncOperation *operations, Halves *h) {
        size_t n = 0;

        while (n < h->n_created && n < h->n_deleted && operations[h->created[h->n_created - 1 - n]].kind == SYNC_CREATE)
                n++;
        h->created += h->n_created - n;
        h->n_created = n;
}

static size_t same_contents(const SyncOperation *operations, const uint32_t *indices, size_t n) {
        size_t i = 1;

        while (i < n && memcmp(oid_of(operations + indices[0]), oid_of(operations + indices[i]), SYNC_OID_SIZE) == 0)
                i++;
        return i;
}

/* Both are sorted by content. */
static void pair_all(ApplyRun *run, SyncOperation *operations, const Halves *all) {
        for (size_t i = 0, k = 0; i < all->n_created && k < all->n_deleted;) {
                uint32_t *created = all->created + i, *deleted = all->deleted + k;
                int c = memcmp(oid_of(operations + *created), oid_of(operations + *deleted), SYNC_OID_SIZE);
                Halves h = { .created = created, .deleted = deleted };

                if (c <= 0)
                        i += h.n_created = same_contents(operations, created, all->n_created - i);
                if (c >= 0)
                        k += h.n_deleted = same_contents(operations, deleted, all->n_deleted - k);
                if (c != 0)
                        continue;
                leave_copies(operations, &h);
                qsort_r(h.created, h.n_created, sizeof(uint32_t), compare_names, operations);
                qsort_r(h.deleted, h.n_deleted, sizeof(uint32_t), compare_names, operations);
                pair_same_names(run, operations, &h);
                pair_others(run, operations, &h);
        }
}

int apply_find_moves(ApplyRun *run, const SyncPlan *plan) {
        _cleanup_free_ uint32_t *indices = NULL;
        size_t n_created = 0, n_deleted = 0;
        Halves h;

        for (size_t i = 0; i < plan->n_operations; i++) {
                n_created += wants_file(plan->operations + i);
                n_deleted += can_be_source(plan->operations + i);
        }
        if (!run->apply->may_move || n_created == 0 || n_deleted == 0)
                return 0;
        indices = calloc(n_created + n_deleted, sizeof(*indices));
        run->moves = calloc(plan->n_operations, sizeof(*run->moves));
        run->pairs = calloc(MIN(n_created, n_deleted), sizeof(*run->pairs));
        if (!indices || !run->moves || !run->pairs)
                return -ENOMEM;
        h = (Halves) { .created = indices, .deleted = indices + n_created };
        for (size_t i = 0; i < plan->n_operations; i++) {
                if (wants_file(plan->operations + i))
                        h.created[h.n_created++] = (uint32_t) i;
                else if (can_be_source(plan->operations + i))
                        h.deleted[h.n_deleted++] = (uint32_t) i;
        }
        qsort_r(h.created, h.n_created, sizeof(uint32_t), compare_contents, plan->operations);
        qsort_r(h.deleted, h.n_deleted, sizeof(uint32_t), compare_contents, plan->operations);
        pair_all(run, plan->operations, &h);
        return 0;
}

void apply_forget_moves(ApplyRun *run) {
        run->moves = mfree(run->moves);
        run->pairs = mfree(run->pairs);
}

/* --- doing it --- */

/* Opens the file if it is what the scan saw, has no other name, and nobody writes to it; who wants to write to it waits
 * as long as *ret_fd is open. -ENOENT if it is not so, or another negative errno. */
static int open_source(int dir_fd, const char *name, const SyncEntry *from, struct stat *ret, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        SyncEntry now = {};
        struct stat st;

        fd = sync_open_beneath(dir_fd, name, O_RDONLY);
        if (fd < 0)
                return fd == -EWOULDBLOCK ? -ENOENT : fd;
        if (sync_file_hold(fd) != SYNC_USE_NONE)
                return -ENOENT;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(&now, &st);
        if (!sync_entry_same_identity(&now, from) || st.st_nlink != 1)
                return -ENOENT;
        *ret = st;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

bool apply_can_move(ApplyRun *run, ApplyItem *item) {
        _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;
        const char *name;
        struct stat st;

        if (!item->move)
                return false;
        dir_fd = sync_open_parent(run->apply->root_fd, item->move->from->path, &name);
        if (dir_fd >= 0 && open_source(dir_fd, name, item->move->from, &st, &fd) >= 0) {
                item->placed = *item->operation->wanted;
                item->placed.certainty = SYNC_SETTLED;
                sync_entry_set_stat(&item->placed, &st);
                return true;
        }
        item->move->state = APPLY_MOVE_NONE;
        item->move = NULL;
        return false;
}

/* True if that file came to the name, as it was. */
static bool is_as_before(int dir_fd, const char *name, int fd, const struct stat *before) {
        SyncEntry a = {}, b = {};
        struct stat there, now;

        if (fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &now) < 0)
                return false;
        sync_entry_set_stat(&a, before);
        sync_entry_set_stat(&b, &now);
        return there.st_ino == now.st_ino && there.st_dev == now.st_dev && a.size == b.size && a.mtime_ns == b.mtime_ns;
}

/* Another one was faster, and what came is theirs. Should its old name be taken meanwhile, it stays where it is: a
 * file of a user's that main has another one for. */
static int move_back(ApplyItem *item, const char *name, const char *old_name) {
        if (renameat2(item->parent_fd, name, item->from_fd, old_name, RENAME_NOREPLACE) >= 0)
                item->swapped = false;
        apply_fail(item, SYNC_APPLY_STALE, 0);
        return 0;
}

/* What is in the way is not in the way of a copy: the next run makes one, from what the deletion must leave there. */
static int refuse(ApplyRun *run, ApplyItem *item, int error) {
        bool full = error == -ENOSPC || error == -EDQUOT;

        item->move->state = APPLY_MOVE_REFUSED;
        run->report->moves_refused |= !full;
        apply_fail(item, full ? SYNC_APPLY_NO_SPACE : SYNC_APPLY_STALE, error);
        return 0;
}

/* Nobody could write to it until now. */
static int note_moved(ApplyRun *run, ApplyItem *item, int fd) {
        const SyncEntry absent = { .kind = SYNC_ABSENT };
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        sync_file_release(fd);
        sync_entry_set_stat(&item->placed, &st);
        if (item->placed.mtime_ns > item->swap_ns - SYNC_RACY_NS)
                item->placed.certainty = SYNC_RACY;
        r = apply_report_placed(run, item->move->from->path, &absent);
        if (r >= 0)
                r = apply_report_placed(run, item->operation->path, &item->placed);
        if (r < 0)
                return r;
        item->move->state = APPLY_MOVE_DONE;
        run->report->n_moved++;
        return 0;
}

int apply_move(ApplyRun *run, ApplyItem *item) {
        const SyncEntry *from = item->move->from;
        const char *name, *old_name;
        struct stat st;
        int fd, r;

        item->move->state = APPLY_MOVE_NONE;
        item->parent_fd = sync_open_parent(run->apply->root_fd, item->operation->path, &name);
        if (item->parent_fd < 0)
                return item->parent_fd;
        item->from_fd = sync_open_parent(run->apply->root_fd, from->path, &old_name);
        if (item->from_fd < 0)
                return item->from_fd;
        apply_step(run);
        r = open_source(item->from_fd, old_name, from, &st, &fd);
        if (r < 0)
                return r;
        /* Until it was synced. */
        item->new_fd = fd;
        apply_step(run);
        r = apply_rename(item, item->from_fd, old_name, item->parent_fd, name, RENAME_NOREPLACE);
        if (r == -EEXIST || r == -ENOENT)
                return r;
        if (r < 0)
                return refuse(run, item, r);
        apply_step(run);
        if (!is_as_before(item->parent_fd, name, fd, &st))
                return move_back(item, name, old_name);
        /* What of that fails is as it was under the old name. */
        r = apply_set_metadata(run, item->operation->wanted, fd);
        if (r == -ENOMEM)
                return r;
        apply_step(run);
        return note_moved(run, item, fd);
}
