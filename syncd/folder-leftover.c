/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies in the staging directory and nobody needs any more: what was kept aside after a crash, and what an
 * instance leaves that is gone. Nothing goes that is not in another place. */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "syncd/instance.h"
#include "syncd/sync-open.h"

/* A UUID, or what another file system has in its place. */
#define FILE_SYSTEM_MAX 256U

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

/* --- kept aside --- */

typedef struct Kept {
        Folder *folder;
        FolderOids on_main;
} Kept;

/* What main's tip has, of what is in the folder too: all of it, when nothing is left to be done. */
static int list_on_main(Folder *f, FolderOids *ret) {
        ret->items = calloc(sync_tree_size(f->index) + 1, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        SYNC_TREE_FOREACH(e, f->index) {
                const SyncEntry *main = folder_main_entry(f, e->path);

                if (e->kind != SYNC_DIRECTORY && main && sync_oid_equal(&main->oid, &e->oid))
                        ret->items[ret->n++] = e->oid;
        }
        if (ret->n > 0)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_oids);
        return 0;
}

static bool is_on_main(Kept *k, int dir_fd, const char *name) {
        ContentHash *hash = &k->folder->hash;
        char target[SYNC_TARGET_MAX + 1];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        SyncOid oid;
        ssize_t n;

        n = readlinkat(dir_fd, name, target, sizeof(target));
        if (n >= 0)
                return (size_t) n < sizeof(target) && content_hash_bytes(target, (size_t) n, false, &oid, hash) >= 0 &&
                       folder_oids_have(&k->on_main, &oid);
        fd = sync_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK);
        return fd >= 0 && fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && sync_file_use(fd) == SYNC_USE_NONE &&
               content_hash_file(fd, false, &oid, hash) >= 0 && folder_oids_have(&k->on_main, &oid);
}

static void release_all(Kept *k, int dir_fd, const char *prefix, unsigned depth);

static void release(Kept *k, int dir_fd, const char *name, unsigned depth) {
        _cleanup_close_ int fd = -EBADF;

        fd = depth < SYNC_DEPTH_MAX ? sync_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY) : -EBADF;
        if (fd >= 0) {
                release_all(k, fd, "", depth + 1);
                /* If something is left in it, it stays. */
                (void) unlinkat(dir_fd, name, AT_REMOVEDIR);
        } else if (is_on_main(k, dir_fd, name))
                (void) unlinkat(dir_fd, name, 0);
}

static void release_all(Kept *k, int dir_fd, const char *prefix, unsigned depth) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int fd;

        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d) {
                safe_close(fd);
                return;
        }
        while ((e = readdir(d)))
                if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && startswith(e->d_name, prefix))
                        release(k, dir_fd, e->d_name, depth);
}

static bool has_kept(int staging_fd) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int fd;

        fd = openat(staging_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd >= 0 ? fdopendir(fd) : NULL;
        if (!d) {
                safe_close(fd);
                return false;
        }
        while ((e = readdir(d)))
                if (startswith(e->d_name, SYNC_KEPT_PREFIX))
                        return true;
        return false;
}

int folder_release_kept(Folder *f) {
        Kept k = { .folder = f };
        int r;

        if (f->kept_released)
                return 0;
        f->kept_released = true;
        if (!has_kept(f->staging_fd))
                return 0;
        r = list_on_main(f, &k.on_main);
        if (r >= 0)
                release_all(&k, f->staging_fd, SYNC_KEPT_PREFIX, 0);
        folder_oids_done(&k.on_main);
        return r;
}

/* --- the staging directory of an instance that is gone --- */

typedef struct Place {
        SyncOid oid;
        const SyncEntry *entry;
} Place;

typedef struct Leaving {
        int root_fd;
        Place *places; /* sorted by oid: what the folder held when it was last looked at */
        size_t n;
} Leaving;

static int list_places(Leaving *l, const SyncTree *index) {
        l->places = calloc(sync_tree_size(index) + 1, sizeof(*l->places));
        if (!l->places)
                return -ENOMEM;
        SYNC_TREE_FOREACH(e, index)
                if (e->certainty == SYNC_SETTLED && (e->kind == SYNC_FILE || e->kind == SYNC_SYMLINK))
                        l->places[l->n++] = (Place) { .oid = e->oid, .entry = e };
        if (l->n > 0)
                qsort(l->places, l->n, sizeof(*l->places), compare_oids);
        return 0;
}

/* Whether the file is still the one that was looked at. */
static bool is_in_place(const Leaving *l, const SyncEntry *e) {
        _cleanup_close_ int fd = -EBADF;
        SyncEntry now = *e;
        const char *name;
        struct stat st;

        fd = sync_open_parent(l->root_fd, e->path, &name);
        if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        sync_entry_set_stat(&now, &st);
        return sync_entry_same_identity(&now, e);
}

/* A version that is not in the folder may be nowhere else. */
static bool is_needed(const SyncOid *oid, void *userdata) {
        const Leaving *l = userdata;
        const Place *p = l->n > 0 ? bsearch(oid, l->places, l->n, sizeof(*p), compare_oids) : NULL;

        while (p && p > l->places && sync_oid_equal(&p[-1].oid, oid))
                p--;
        for (; p && p < l->places + l->n && sync_oid_equal(&p->oid, oid); p++)
                if (is_in_place(l, p->entry))
                        return false;
        return true;
}

static int sweep_all(int state_fd, int root_fd, ContentArea *area) {
        _cleanup_sync_tree_free_ SyncTree *index = NULL;
        Leaving l = { .root_fd = root_fd };
        int r;

        /* What is on its way here, main has. */
        content_sweep(area, 0, NULL, NULL);
        r = sync_index_load(state_fd, INSTANCE_INDEX, &index);
        if (r >= 0)
                r = list_places(&l, index);
        if (r >= 0)
                content_sweep_pending(area, is_needed, &l);
        free(l.places);
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

/* Whether it is that of the instance: not of another disk that has been mounted there. */
static int check_owner(int state_fd, int staging_fd) {
        _cleanup_free_ char *file_system = NULL;
        int r;

        r = read_file(state_fd, INSTANCE_FILE_SYSTEM, FILE_SYSTEM_MAX, &file_system, NULL);
        return r < 0 ? r : sync_marker_check(staging_fd, file_system);
}

static int sweep_staging(int state_fd, int volume_fd, int root_fd, const char *folder_id) {
        _cleanup_close_ int staging_fd = -EBADF;
        ContentArea area;
        int r;

        r = sync_staging_find(volume_fd, folder_id, &staging_fd);
        if (r < 0)
                return r;
        /* Another instance may have the folder already. */
        if (flock(staging_fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        r = check_owner(state_fd, staging_fd);
        if (r >= 0)
                r = content_area_open(&area, staging_fd, 0);
        if (r < 0)
                return r;
        r = sweep_all(state_fd, root_fd, &area);
        content_area_remove(&area, staging_fd);
        return r < 0 ? r : sync_staging_remove(volume_fd, folder_id, staging_fd);
}

int folder_leave(const char *state_directory, const char *path) {
        _cleanup_close_ int state_fd = -EBADF, volume_fd = -EBADF, root_fd = -EBADF;
        _cleanup_free_ char *volume = strdup(path), *folder_id = strdup(path);
        int r;

        if (!volume || !folder_id)
                return -ENOMEM;
        state_fd = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        volume_fd = open(dirname(volume), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (state_fd < 0 || volume_fd < 0 || root_fd < 0)
                return -errno;
        r = sweep_staging(state_fd, volume_fd, root_fd, basename(folder_id));
        return r == -ENOENT ? 0 : r;
}
