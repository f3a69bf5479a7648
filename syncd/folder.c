/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <git2.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/folder.h"
#include "syncd/instance.h"

void folder_result_clear(FolderResult *result) {
        sync_conflict_list_clear(&result->conflicts);
        *result = (FolderResult) {};
}

Folder *folder_free(Folder *f) {
        if (!f)
                return NULL;
        sync_tree_free(f->index);
        sync_tree_free(f->base_held);
        sync_tree_free(f->base);
        sync_tree_free(f->main);
        sync_tree_free(f->candidate);
        sync_tree_free(f->recovered);
        git_store_free(f->store);
        safe_close(f->state_fd);
        safe_close(f->root_fd);
        safe_close(f->volume_fd);
        safe_close(f->staging_fd);
        free(f->file_system);
        free(f);
        return NULL;
}

static int get_or_zero(GitStore *store, const char *reference, git_oid *ret) {
        int r = git_store_get_reference(store, reference, ret);

        if (r == -ENOENT) {
                *ret = (git_oid) {};
                return 0;
        }
        return r;
}

static int held_name(const git_oid *commit, char buf[static sizeof(INSTANCE_HELD_PREFIX) + GIT_OID_HEXSZ]) {
        char hex[GIT_OID_HEXSZ + 1];

        return sprintf(buf, INSTANCE_HELD_PREFIX "%s", git_oid_tostr(hex, sizeof(hex), commit));
}

static int write_content(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        Folder *f = userdata;
        int r = git_store_read_blob(f->store, oid, fd);

        return r == -EBADMSG ? -ENOENT : r;
}

static bool is_kept(const SyncOid *oid, void *userdata) {
        Folder *f = userdata;
        git_oid id;

        git_store_oid_from_sync(&id, oid);
        return git_store_has(f->store, &id);
}

static SyncHasher hasher(Folder *f) {
        return (SyncHasher) {
                .file = git_store_hash_file,
                .bytes = git_store_hash_bytes,
                .userdata = f->store,
        };
}

void folder_apply_init(Folder *f, const char *gateway_name, SyncApply *ret) {
        *ret = (SyncApply) {
                .root_fd = f->root_fd,
                .staging_fd = f->staging_fd,
                .uid = f->uid,
                .gid = f->gid,
                .disk_floor = FOLDER_DISK_FLOOR,
                .now = time(NULL),
                .gateway_name = gateway_name,
                .hasher = hasher(f),
                .write_content = write_content,
                .is_kept = is_kept,
                .userdata = f,
        };
}

static int64_t seconds_since_boot(void) {
        struct timespec ts;

        return clock_gettime(CLOCK_BOOTTIME, &ts) < 0 ? 1 : ts.tv_sec + 1;
}

int folder_scan(Folder *f, bool full, char *const *paths, bool accept_empty, SyncScanReport *report) {
        int64_t now = seconds_since_boot();
        SyncScan scan = {
                .root_fd = f->root_fd,
                .staging_fd = f->staging_fd,
                .file_system_uuid = f->file_system,
                .accept_empty = accept_empty,
                .take_open_files = f->busy_since > 0 && now - f->busy_since > FOLDER_BUSY_SEC,
                .hasher = hasher(f),
        };
        SyncTree *tree;
        int r;

        if (full || !f->index)
                r = sync_scan_full(&scan, f->index, &tree, report);
        else
                r = sync_scan_dirty(&scan, f->index, paths, &tree, report);
        if (r == SYNC_SCAN_OK) {
                sync_tree_free(f->index);
                f->index = tree;
                if (report->n_busy == 0 || scan.take_open_files)
                        f->busy_since = 0;
                else if (f->busy_since == 0)
                        f->busy_since = now;
        }
        return r;
}

/* Reads what main's commit "base" and the held changes are. A damaged file of held changes is as none:
 * what it held is then taken for a change of the user's and kept. */
int folder_read_base(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *tree = NULL, *held = NULL, *base = NULL;
        char name[sizeof(INSTANCE_HELD_PREFIX) + GIT_OID_HEXSZ];
        git_oid commit;
        int r;

        if (f->base)
                return 0;
        r = get_or_zero(f->store, GIT_STORE_BASE, &commit);
        if (r < 0)
                return r;
        r = git_store_read_tree(f->store, &commit, &tree);
        if (r < 0)
                return r;
        (void) held_name(&commit, name);
        r = sync_index_load(f->state_fd, name, &held);
        if (r == -ENOENT || r == -EBADMSG)
                r = sync_tree_new(&held);
        if (r < 0)
                return r;
        r = sync_tree_patch(tree, held, &base);
        if (r < 0)
                return r;
        f->base_commit = commit;
        f->base_held = TAKE_PTR(held);
        f->base = TAKE_PTR(base);
        return 0;
}

/* Records a new base: the held changes first, under the commit's name, then the reference, which makes
 * them valid. Takes held on success only; it may be the present one. */
int folder_set_base(Folder *f, const git_oid *commit, SyncTree *commit_tree, SyncTree *held) {
        _cleanup_sync_tree_free_ SyncTree *base = NULL;
        char name[sizeof(INSTANCE_HELD_PREFIX) + GIT_OID_HEXSZ], old[sizeof(name)];
        bool moved = !git_oid_equal(commit, &f->base_commit);
        int r;

        r = sync_tree_patch(commit_tree, held, &base);
        if (r < 0)
                return r;
        (void) held_name(commit, name);
        (void) held_name(&f->base_commit, old);
        if (sync_tree_size(held) > 0)
                r = sync_index_save(f->state_fd, name, held);
        else
                r = unlinkat(f->state_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
        if (r < 0)
                return r;
        if (moved) {
                r = git_store_set_reference(f->store, GIT_STORE_BASE, commit);
                if (r < 0)
                        return r;
                (void) unlinkat(f->state_fd, old, 0);
        }
        f->base_commit = *commit;
        if (held != f->base_held)
                sync_tree_free(f->base_held);
        sync_tree_free(f->base);
        f->base_held = held;
        f->base = TAKE_PTR(base);
        return 0;
}

int folder_revision(Folder *f, const git_oid *commit, SyncRevision *ret) {
        int r;

        r = git_store_history_length(f->store, commit, &f->counted, &f->count);
        if (r < 0)
                return r;
        ret->n = f->count;
        (void) git_oid_tostr(ret->commit, sizeof(ret->commit), commit);
        return 0;
}

/* Forgets all that was true of another disk. */
static int forget(Folder *f) {
        static const char *const references[] = { GIT_STORE_BASE, GIT_STORE_TARGET, GIT_STORE_CANDIDATE };

        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                int r = git_store_set_reference(f->store, references[i], &(git_oid) {});

                if (r < 0)
                        return r;
        }
        return unlinkat(f->state_fd, INSTANCE_INDEX, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int check_file_system(Folder *f) {
        _cleanup_free_ char *known = NULL;
        int r;

        r = read_file(f->state_fd, INSTANCE_FILE_SYSTEM, 256, &known, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r == 0 && streq(known, f->file_system)) {
                r = sync_marker_check(f->staging_fd, f->file_system);
                if (r >= 0)
                        return 0;
                if (r != -ENOENT && r != -ESTALE)
                        return r;
        } else {
                r = sync_staging_probe(f->staging_fd, f->root_fd);
                if (r < 0)
                        return r;
                r = forget(f);
                if (r < 0)
                        return r;
        }
        r = sync_marker_write(f->staging_fd, f->file_system);
        if (r < 0)
                return r;
        return write_file_atomic(
                        f->state_fd, INSTANCE_FILE_SYSTEM, f->file_system, strlen(f->file_system), 0600);
}

static int open_directories(Folder *f, const char *state_directory, const char *path) {
        _cleanup_free_ char *volume = strdup(path), *folder_id = strdup(path);
        struct stat st;

        if (!volume || !folder_id)
                return -ENOMEM;
        f->state_fd = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->state_fd < 0)
                return -errno;
        f->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (f->root_fd < 0)
                return -errno;
        if (fstat(f->root_fd, &st) < 0)
                return -errno;
        f->uid = st.st_uid;
        f->gid = st.st_gid;
        f->volume_fd = open(dirname(volume), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f->volume_fd < 0)
                return -errno;
        return sync_staging_open(f->volume_fd, basename(folder_id), &f->staging_fd);
}

/* What a killed run had begun. If it had put files in place, the next run must know that they are main's
 * and not a user's. */
static int recover(Folder *f, const char *gateway_name, SyncConflictList *conflicts) {
        SyncApplyReport report = {};
        SyncApply apply;
        git_oid target;
        int r;

        r = get_or_zero(f->store, GIT_STORE_TARGET, &target);
        if (r < 0)
                return r;
        f->unfinished = !git_oid_is_zero(&target);
        folder_apply_init(f, gateway_name, &apply);
        r = sync_apply_recover(&apply, &report);
        for (size_t i = 0; r >= 0 && i < report.conflicts.n; i++)
                r = sync_conflict_list_add(
                                conflicts,
                                report.conflicts.items[i].path,
                                report.conflicts.items[i].renamed_to,
                                report.conflicts.items[i].time);
        if (r >= 0)
                f->recovered = TAKE_PTR(report.placed);
        sync_apply_report_clear(&report);
        return r;
}

int folder_open(
                Folder **ret,
                const char *state_directory,
                const char *path,
                const char *file_system_uuid,
                const char *gateway_name,
                SyncConflictList *conflicts) {

        _cleanup_free_ char *repository = strfmt("%s/" INSTANCE_REPOSITORY, state_directory);
        _cleanup_(folder_freep) Folder *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f || !repository)
                return -ENOMEM;
        f->state_fd = f->root_fd = f->volume_fd = f->staging_fd = -EBADF;
        r = free_and_strdup(&f->file_system, file_system_uuid);
        if (r < 0)
                return r;
        r = open_directories(f, state_directory, path);
        if (r < 0)
                return r;
        r = git_store_open(&f->store, repository);
        if (r < 0)
                return r;
        r = check_file_system(f);
        if (r < 0)
                return r;
        r = recover(f, gateway_name, conflicts);
        if (r < 0)
                return r;
        r = sync_index_load(f->state_fd, INSTANCE_INDEX, &f->index);
        if (r < 0 && r != -ENOENT && r != -EBADMSG)
                return r;
        r = folder_read_base(f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}
