/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <git2.h>
#include <libgen.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "syncd/instance.h"

/* So much may stay free in the heap for the next run. */
#define TRIM_BYTES (1U << 20)
/* Entries: half a megabyte. */
#define PACKS_INDEX_MIN 8192U

void folder_result_clear(FolderResult *result) {
        sync_conflict_list_clear(&result->conflicts);
        *result = (FolderResult) {};
}

Folder *folder_free(Folder *f) {
        if (!f)
                return NULL;
        folder_forget_sources(f);
        folder_forget_needs(f);
        folder_known_chain_done(&f->chain);
        content_hash_forget(&f->hash);
        sync_tree_free(f->waiting);
        sync_tree_free(f->index);
        strv_free(f->linked);
        free(f->unread);
        free(f->passed);
        folder_round_done(&f->round);
        sync_tree_free(f->held);
        sync_tree_free(f->differing);
        sync_tree_free(f->main_from);
        sync_tree_free(f->main_to);
        sync_tree_free(f->held_main);
        sync_tree_free(f->recovered);
        git_store_free(f->store);
        content_area_close(&f->content);
        safe_close(f->state_fd);
        safe_close(f->root_fd);
        safe_close(f->volume_fd);
        safe_close(f->staging_fd);
        free(f->file_system);
        free(f);
        return NULL;
}

GitStore *folder_store(Folder *f) {
        return f->store;
}

int folder_get_reference(Folder *f, const char *name, git_oid *ret) {
        int r = git_store_get_reference(f->store, name, ret);

        if (r == -ENOENT) {
                *ret = (git_oid) {};
                return 0;
        }
        return r;
}

int folder_set_reference(Folder *f, const char *name, const git_oid *id) {
        git_oid present;
        int r = folder_get_reference(f, name, &present);

        return r < 0 || git_oid_equal(&present, id) ? r : git_store_set_reference(f->store, name, id);
}

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

bool folder_is_on_main(const Folder *f, const SyncOid *oid) {
        return f->n_on_main > 0 && bsearch(oid, f->on_main, f->n_on_main, sizeof(*oid), compare_oids);
}

static bool is_kept(const SyncOid *oid, void *userdata) {
        return folder_is_on_main(userdata, oid);
}

void folder_step(Folder *f) {
        if (f->step)
                f->step(f->step_userdata);
}

static void apply_step(unsigned number, void *userdata) {
        folder_step(userdata);
}

/* Sets one attribute, "name=hex". */
static void restore_attribute(int fd, char *attribute) {
        char *value = strchr(attribute, '=');
        size_t size = value ? strlen(value + 1) / 2 : 0;
        uint8_t bytes[FOLDER_XATTR_MAX];

        if (!value || size > sizeof(bytes))
                return;
        *value++ = 0;
        if (parse_hex(value, bytes, size) >= 0)
                (void) fsetxattr(fd, attribute, bytes, size, 0);
}

static int restore_metadata(const SyncEntry *wanted, int fd, void *userdata) {
        _cleanup_strv_free_ char **attributes = NULL;
        _cleanup_free_ char *text = NULL, *path = NULL;
        Folder *f = userdata;
        int r;

        if (f->origin) {
                path = folder_origin_path(f->origin, wanted->path);
                if (!path)
                        return -ENOMEM;
        }
        r = git_store_read_xattrs(
                        f->store, f->origin ? &f->origin->commit : &f->main_commit, path ?: wanted->path, &text);
        if (r < 0 || !text)
                return r == -ENOMEM ? r : 0;
        r = strv_split(text, " ", &attributes);
        if (r < 0)
                return r;
        STRV_FOREACH(attribute, attributes)
                restore_attribute(fd, *attribute);
        return 0;
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
                .hasher = { .file = content_hash_file, .bytes = content_hash_bytes, .userdata = &f->hash },
                .may_move = !f->distrust && !f->may_not_move,
                .content = &f->content,
                .write_content = folder_write_content,
                .is_content = folder_is_content,
                .restore_metadata = restore_metadata,
                .is_kept = is_kept,
                .step = f->step ? apply_step : NULL,
                .userdata = f,
        };
}

int folder_take_placed(Folder *f, const SyncApplyReport *report) {
        SyncTree *patched;
        int r;

        if (!report->placed)
                return 0;
        r = sync_tree_patch(f->index, report->placed, &patched);
        if (r < 0)
                return r;
        sync_tree_free(f->index);
        f->index = patched;
        f->index_dirty = true;
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
        static const char *const references[] = {
                GIT_STORE_BASE, GIT_STORE_HELD, GIT_STORE_TARGET, GIT_STORE_CANDIDATE, GIT_STORE_CHAIN_BASE,
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                r = git_store_set_reference(f->store, references[i], &(git_oid) {});
                if (r < 0)
                        return r;
        }
        r = git_store_sync(f->store);
        if (r < 0)
                return r;
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

/* As long as it is open nobody removes it; who was about to is waited for. */
static int open_staging(Folder *f, const char *folder_id) {
        for (;;) {
                struct stat st;
                int r;

                r = sync_staging_open(f->volume_fd, folder_id, &f->staging_fd);
                if (r < 0)
                        return r;
                while (flock(f->staging_fd, LOCK_SH) < 0)
                        if (errno != EINTR)
                                return -errno;
                if (fstat(f->staging_fd, &st) < 0)
                        return -errno;
                if (st.st_nlink > 0)
                        return 0;
                f->staging_fd = safe_close(f->staging_fd);
        }
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
        return open_staging(f, basename(folder_id));
}

/* What a killed run had begun. If it had put files in place, the next run must know that they are main's
 * and not a user's. */
static int recover(Folder *f, const char *gateway_name, SyncConflictList *conflicts) {
        SyncApplyReport report = {};
        SyncApply apply;
        git_oid target;
        int r;

        r = folder_get_reference(f, GIT_STORE_TARGET, &target);
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

/* A worker that was killed may have had commits pushed whose references are not durable, nor what they vouch for. */
static void adopt_published(Folder *f) {
        int r;

        if (!git_store_adopt(f->store))
                return;
        content_note_unsynced(&f->content, -EBADF);
        r = content_sync(&f->content);
        if (r >= 0)
                r = git_store_sync(f->store);
        if (r < 0) {
                log_debug_errno(r, "What was published cannot be made durable yet: %m");
                f->unsynced = true;
        }
}

/* Without one it is made again from the folder. */
static int load_index(Folder *f, const char *path) {
        int r = sync_index_load(f->state_fd, INSTANCE_INDEX, &f->index);

        if (r == -EBADMSG || r == -EIO)
                (void) log_warning_errno(r, "The index of %s is damaged or too old; all is read anew: %m", path);
        return r == -EBADMSG || r == -EIO || r == -ENOENT ? 0 : r;
}

int folder_open(
                Folder **ret,
                const char *state_directory,
                const char *path,
                const char *file_system_uuid,
                const char *gateway_name,
                SyncConflictList *conflicts) {

        _cleanup_free_ char *objects = strfmt("%s/" INSTANCE_OBJECTS, state_directory);
        _cleanup_(folder_freep) Folder *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f || !objects)
                return -ENOMEM;
        f->state_fd = f->root_fd = f->volume_fd = f->staging_fd = -EBADF;
        f->content = (ContentArea) { .content_fd = -EBADF, .pending_fd = -EBADF };
        r = free_and_strdup(&f->file_system, file_system_uuid);
        if (r < 0)
                return r;
        r = open_directories(f, state_directory, path);
        if (r < 0)
                return r;
        /* The marker on the disk tells whether there had been one. */
        f->lost = access(objects, F_OK) < 0 && errno == ENOENT &&
                  sync_marker_check(f->staging_fd, f->file_system) >= 0;
        if (f->lost)
                log_warning("The state of %s is lost: begins with the union of the folder and main.", path);
        r = git_store_open(&f->store, objects);
        if (r < 0)
                return r;
        r = content_area_open(&f->content, f->staging_fd, FOLDER_DISK_FLOOR);
        if (r < 0)
                return r;
        adopt_published(f);
        f->hash = (ContentHash) { .store = f->store, .area = &f->content };
        f->busy_sec = FOLDER_BUSY_SEC;
        f->checkpoint_sec = FOLDER_CHECKPOINT_SEC;
        f->read_min_msec = FOLDER_READ_MIN_MSEC;
        f->slice_msec = FOLDER_SLICE_MSEC;
        f->window = FOLDER_WINDOW;
        r = check_file_system(f);
        if (r < 0)
                return r;
        r = recover(f, gateway_name, conflicts);
        if (r < 0)
                return r;
        r = load_index(f, path);
        if (r < 0)
                return r;
        /* Without it, collisions that wait are found anew, as far as nobody has overwritten them. */
        r = sync_index_load(f->state_fd, INSTANCE_WAITING, &f->waiting);
        if (r < 0 && r != -ENOENT && r != -EBADMSG && r != -EIO)
                return r;
        r = folder_load_base(f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

int folder_save_index(Folder *f) {
        int r;

        if (!f->index || !f->index_dirty)
                return 0;
        /* It vouches for what the files hold. */
        r = content_sync(&f->content);
        if (r >= 0)
                /* An index that names what the store does not have would be believed. */
                r = git_store_sync(f->store);
        if (r >= 0)
                r = sync_index_save(f->state_fd, INSTANCE_INDEX, f->index);
        if (r >= 0)
                f->index_dirty = false;
        return r;
}

bool folder_packs_index(const Folder *f) {
        return sync_tree_size(f->held) + sync_tree_size(f->main_to) > PACKS_INDEX_MIN;
}

void folder_trim(Folder *f) {
        SyncTree *trees[] = { f->held, f->main_from, f->main_to, f->held_main };

        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                sync_tree_rest(trees[i]);
        if (folder_packs_index(f)) {
                sync_tree_rest(f->index);
                sync_tree_rest(f->differing);
        } else
                sync_tree_leave_to_file(f->index);
        git_store_forget_metadata(f->store);
        if (mallinfo2().fordblks > TRIM_BYTES)
                (void) malloc_trim(0);
}

int folder_rest(Folder *f) {
        SyncTree *saved;
        int r = 0;

        if (f->index_dirty) {
                /* Both indices and the file are in memory for a moment. */
                folder_trim(f);
                r = folder_save_index(f);
                if (r >= 0)
                        r = sync_index_load(f->state_fd, INSTANCE_INDEX, &saved);
                if (r >= 0) {
                        sync_tree_free(f->index);
                        f->index = saved;
                }
        }
        folder_trim(f);
        return r;
}

void folder_set_waits(Folder *f, bool (*waits)(void *userdata), void *userdata) {
        f->waits = waits;
        f->waits_userdata = userdata;
}

int folder_landed(Folder *f, const git_oid *commit, SyncRevision *ret, git_oid *ret_push, uint64_t *ret_bytes) {
        git_oid tip;
        int r;

        r = folder_finish_run(f);
        if (r >= 0)
                r = folder_get_reference(f, GIT_STORE_CANDIDATE, &tip);
        if (r < 0)
                return r;
        /* What is still to be pushed begins after it now. All references become durable in one step. */
        if (git_oid_equal(&tip, commit))
                r = git_store_set_reference(f->store, GIT_STORE_CANDIDATE, &(git_oid) {});
        else
                r = git_store_set_reference(f->store, GIT_STORE_CHAIN_BASE, commit);
        if (r >= 0)
                r = folder_set_base(f, commit, f->held);
        if (r >= 0)
                r = git_store_sync(f->store);
        if (r < 0)
                return r;
        folder_set_main(f, commit);
        r = folder_next_push(f, ret_push, ret_bytes);
        if (r >= 0)
                r = folder_sweep_pending(f);
        return r < 0 ? r : folder_revision(f, commit, ret);
}
