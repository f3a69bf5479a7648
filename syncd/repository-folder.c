/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder of an instance: where it is, what changes in it, and the worker that reads and writes it. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/repository.h"

#define TREE_WORKER "ispstorage-sync-tree"

static void set_folder(Repository *r, SyncWord word, const char *text) {
        r->facts.folder = word;
        r->facts.opening = false;
        (void) free_and_strdup(&r->folder_text, text);
        if (word != SYNC_WORD_NONE)
                (void) free_and_strdup(&r->text, text);
        sync_fsm_facts(&r->fsm, &r->facts);
}

/* Not online, for a moment as it seems. */
static void set_opening(Repository *r) {
        r->facts.folder = SYNC_WORD_FOLDER_OFFLINE;
        r->facts.opening = true;
        sync_fsm_facts(&r->fsm, &r->facts);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;

        repository_folder_changed(r);
        return 0;
}

static void retry_later(Repository *r) {
        r->retry = sd_event_source_disable_unref(r->retry);
        (void) sd_event_add_time_relative(
                        r->environment->event, &r->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, r);
}

void repository_stop_folder(Repository *r) {
        TreeClient *tree;

        r->watch_source = sd_event_source_disable_unref(r->watch_source);
        r->watch_again = sd_event_source_disable_unref(r->watch_again);
        r->dirty_timer = sd_event_source_disable_unref(r->dirty_timer);
        r->open_timer = sd_event_source_disable_unref(r->open_timer);
        r->hot_timer = sd_event_source_disable_unref(r->hot_timer);
        hot_paths_clear(&r->hot);
        r->scan_timer = sd_event_source_disable_unref(r->scan_timer);
        r->watch = sync_watch_free(r->watch);
        if (r->fsm.phase == SYNC_PHASE_TREE)
                sync_fsm_tree_done(&r->fsm, &(SyncTreeResult) {
                        .word = SYNC_WORD_FOLDER_OFFLINE,
                        .halted = true,
                        .candidate = r->fsm.candidate,
                });
        if (r->facts.folder == SYNC_WORD_NONE)
                set_opening(r);
        /* They know the folder's path. */
        repository_stop_transfers(r);
        r->environment->folder_stops(r, r->environment->userdata);
        tree = TAKE_PTR(r->tree);
        tree_client_free(tree);
}

static int arm_scan_timer(Repository *r);

static int on_dirty_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;

        r->dirty_timer = sd_event_source_disable_unref(r->dirty_timer);
        sync_fsm_dirty(&r->fsm, r->dirty_full);
        repository_step(r);
        return 0;
}

/* The first change after a quiet time is prompt; those of a series wait longer and longer for each other. */
static void arm_dirty_timer(Repository *r) {
        uint64_t now;

        if (sd_event_now(r->environment->event, CLOCK_MONOTONIC, &now) < 0)
                return;
        if (now > r->dirty_time + DIRTY_QUIET_USEC)
                r->dirty_begun = now;
        r->dirty_time = now;
        if (r->dirty_timer)
                return;
        (void) sd_event_add_time_relative(
                        r->environment->event,
                        &r->dirty_timer,
                        CLOCK_MONOTONIC,
                        MIN(MAX((now - r->dirty_begun) / DIRTY_SHARE, DIRTY_MIN_USEC), DIRTY_MAX_USEC),
                        DIRTY_MIN_USEC / 4,
                        on_dirty_timer,
                        r);
}

static void add_dirty(Repository *r, const char *path) {
        size_t n = strlen(path) + sizeof("path=");

        (void) sync_poison_changed(&r->poison, path);
        if (r->dirty_full)
                return;
        if (!*path || r->dirty_bytes + n > DIRTY_BYTES_MAX) {
                r->dirty_full = true;
                return;
        }
        for (size_t i = strv_length(r->dirty), k = 0; i > 0 && k < 8; i--, k++)
                if (streq(r->dirty[i - 1], path))
                        return;
        if (strv_extend(&r->dirty, path) < 0)
                r->dirty_full = true;
        r->dirty_bytes += n;
}

void repository_mark_dirty(Repository *r, const char *path) {
        add_dirty(r, path);
        arm_dirty_timer(r);
}

static int on_open_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;

        r->open_timer = sd_event_source_disable_unref(r->open_timer);
        arm_dirty_timer(r);
        return 0;
}

static void arm_hot_timer(Repository *r);

static int on_hot_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;
        const char *path;

        r->hot_timer = sd_event_source_disable_unref(r->hot_timer);
        while ((path = hot_paths_take(&r->hot, usec)))
                repository_mark_dirty(r, path);
        arm_hot_timer(r);
        return 0;
}

static void arm_hot_timer(Repository *r) {
        uint64_t next = hot_paths_next(&r->hot);

        if (r->hot_timer)
                (void) sd_event_source_set_time(r->hot_timer, next);
        else if (next != UINT64_MAX)
                (void) sd_event_add_time(
                                r->environment->event,
                                &r->hot_timer,
                                CLOCK_MONOTONIC,
                                next,
                                DIRTY_MIN_USEC,
                                on_hot_timer,
                                r);
}

static void on_closed(Repository *r, const char *path) {
        uint64_t now;

        if (sd_event_now(r->environment->event, CLOCK_MONOTONIC, &now) >= 0 &&
            hot_paths_changed(&r->hot, path, now))
                arm_hot_timer(r);
        else
                repository_mark_dirty(r, path);
}

static void on_change(const char *path, SyncWatchHint hint, void *userdata) {
        Repository *r = userdata;

        switch (hint) {
        case SYNC_WATCH_CLOSED:
                on_closed(r, path);
                break;
        case SYNC_WATCH_OPEN:
                if (hot_paths_waits(&r->hot, path))
                        break;
                add_dirty(r, path);
                if (!r->open_timer)
                        (void) sd_event_add_time_relative(
                                        r->environment->event,
                                        &r->open_timer,
                                        CLOCK_MONOTONIC,
                                        OPEN_FILE_USEC,
                                        0,
                                        on_open_timer,
                                        r);
                break;
        case SYNC_WATCH_OVERFLOW:
        default:
                repository_mark_dirty(r, "");
        }
}

static int dispatch_watch(Repository *r) {
        bool degraded = sync_watch_unwatched(r->watch) > 0;
        int k = sync_watch_dispatch(r->watch);

        if (k == -ENODEV) {
                repository_stop_folder(r);
                set_folder(r, SYNC_WORD_FOLDER_OFFLINE, "the folder was removed or unmounted");
                retry_later(r);
                repository_step(r);
                return 0;
        }
        if (k < 0)
                return k;
        if (!degraded && sync_watch_unwatched(r->watch) > 0) {
                log_warning("Folder %s has more directories than can be watched; it is also scanned.", r->path);
                (void) arm_scan_timer(r);
                repository_report(r);
        }
        return sd_event_source_set_enabled(r->watch_again, k > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_watch(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        return dispatch_watch(userdata);
}

static int on_watch_again(sd_event_source *s, void *userdata) {
        return dispatch_watch(userdata);
}

/* Directories are added to the watch when there is nothing else to do. */
static int start_watch(Repository *r) {
        int fd, k;

        fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        k = sync_watch_new(&r->watch, fd, on_change, r);
        safe_close(fd);
        if (k < 0)
                return k;
        k = sd_event_add_io(
                        r->environment->event, &r->watch_source, sync_watch_fd(r->watch), EPOLLIN, on_watch, r);
        if (k < 0)
                return k;
        k = sd_event_add_defer(r->environment->event, &r->watch_again, on_watch_again, r);
        if (k < 0)
                return k;
        k = sd_event_source_set_priority(r->watch_again, SD_EVENT_PRIORITY_IDLE);
        if (k < 0)
                return k;
        k = sd_event_source_set_enabled(r->watch_again, SD_EVENT_ON);
        return k < 0 ? k : arm_scan_timer(r);
}

/* What no event told of is found by looking at everything, often if some directories could not be
 * watched. */
static int on_scan_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;

        sync_fsm_dirty(&r->fsm, true);
        repository_step(r);
        return arm_scan_timer(r);
}

static int arm_scan_timer(Repository *r) {
        uint64_t usec = sync_watch_unwatched(r->watch) > 0 ? SCAN_DEGRADED_USEC : SCAN_USEC;

        r->scan_timer = sd_event_source_disable_unref(r->scan_timer);
        return sd_event_add_time_relative(
                        r->environment->event,
                        &r->scan_timer,
                        CLOCK_MONOTONIC,
                        usec,
                        usec / 8,
                        on_scan_timer,
                        r);
}

void repository_take_conflict(Repository *r, char *const *message) {
        const char *path = worker_message_get(message, "path"),
                   *renamed_to = worker_message_get(message, "renamed-to"),
                   *time = worker_message_get(message, "time");
        int64_t t;

        if (!path || !renamed_to || !time || parse_int64(time, &t) < 0)
                return;
        r->conflict_opseq = r->fsm.running.opseq;
        if (sync_conflict_list_add(&r->conflicts, path, renamed_to, t) < 0)
                (void) log_oom();
}

static int get_error(char *const *message) {
        const char *value = worker_message_get(message, "error");
        uint32_t n;

        return value && parse_uint32(value, &n) >= 0 ? -(int) n : -EPIPE;
}

static void on_opened(char *const *message, void *userdata) {
        Repository *r = userdata;
        int k;

        /* When the worker ended, on_tree_ended() does the rest. */
        if (!message)
                return;
        if (streq_ptr(worker_message_get(message, "event"), "conflict")) {
                repository_take_conflict(r, message);
                return;
        }
        k = get_error(message);
        if (k >= 0)
                k = start_watch(r);
        if (k < 0) {
                /* It is tried again all the time; said once is enough. */
                if (!streq_ptr(r->folder_text, strerror(-k)))
                        (void) log_warning_errno(k, "Folder %s cannot be synchronized now: %m", r->path);
                set_folder(r, sync_word_from_error(k), strerror(-k));
                retry_later(r);
        } else {
                r->dirty_full = true;
                set_folder(r, SYNC_WORD_NONE, "");
        }
        repository_step(r);
}

static const char *why_killed(int signal) {
        switch (signal) {
        case SIGBUS:
                /* The index is mapped: that the disk does not give it back is no error, but this (sync-scan.h). */
                return "the disk cannot be read (bus error)";
        case SIGABRT:
                /* sync_segment_entries() */
                return "out of memory, or a defect (aborted)";
        default:
                return strsignal(signal);
        }
}

static void on_tree_ended(TreeClient *c, int signal, void *userdata) {
        Repository *r = userdata;

        if (signal != 0)
                log_error("Instance %u: " TREE_WORKER " was killed: %s; begins anew.", r->instance, why_killed(signal));
        repository_stop_folder(r);
        if (signal != 0)
                set_folder(r, SYNC_WORD_INTERNAL_ERROR, why_killed(signal));
        retry_later(r);
        repository_step(r);
}

static int start_folder(Repository *r) {
        _cleanup_free_ char *program = strfmt("%s/" TREE_WORKER, r->environment->program_directory);
        char *argv[] = { program, r->directory, r->path, r->file_system, r->gateway_name, NULL };

        if (!program)
                return -ENOMEM;
        return tree_client_new(&r->tree, r->environment->event, argv, on_opened, on_tree_ended, r);
}

void repository_folder_resolved(
                Repository *r, int error, const char *path, const char *file_system, const char *status) {
        bool online = error >= 0 && streq(status, "Online");
        int k;

        if (online && r->tree && streq_ptr(r->path, path) && streq_ptr(r->file_system, file_system))
                return;
        repository_stop_folder(r);
        r->retry = sd_event_source_disable_unref(r->retry);
        if (!online) {
                bool none = error >= 0 && startswith(status, "NoSuchFolder");

                if (error >= 0 && startswith(status, "NotReady"))
                        set_opening(r);
                else
                        set_folder(
                                        r,
                                        none ? SYNC_WORD_NO_FOLDER : SYNC_WORD_FOLDER_OFFLINE,
                                        error < 0 ? strerror(-error) : status);
        } else if (free_and_strdup(&r->path, path) < 0 || free_and_strdup(&r->file_system, file_system) < 0)
                (void) log_oom();
        else {
                k = start_folder(r);
                if (k < 0) {
                        (void) log_error_errno(k, "Failed to start %s: %m", TREE_WORKER);
                        retry_later(r);
                }
        }
        repository_step(r);
}

void repository_folder_changed(Repository *r) {
        r->retry = sd_event_source_disable_unref(r->retry);
        if (!r->facts.enabled || isempty(r->folder)) {
                repository_stop_folder(r);
                if (r->facts.enabled)
                        set_folder(r, SYNC_WORD_NO_FOLDER, "no folder is configured");
                return;
        }
        r->environment->resolve(r, r->folder, r->environment->userdata);
}

static bool get_flag(char *const *message, const char *key) {
        return streq_ptr(worker_message_get(message, key), "1");
}

static SyncWord get_word(char *const *message, const char *key) {
        SyncWord word = sync_word_from_string(strempty(worker_message_get(message, key)));

        return word >= 0 ? word : SYNC_WORD_INTERNAL_ERROR;
}

static void on_run_done(char *const *message, void *userdata) {
        SyncTreeResult result = {};
        Repository *r = userdata;
        const char *pending, *confirmed;

        if (!message || r->fsm.phase != SYNC_PHASE_TREE)
                return;
        if (streq_ptr(worker_message_get(message, "event"), "conflict")) {
                repository_take_conflict(r, message);
                return;
        }
        result.word = get_word(message, "word");
        result.no_pull = get_word(message, "no-pull");
        result.no_push = get_word(message, "no-push");
        result.halted = get_flag(message, "halted");
        result.candidate = get_flag(message, "candidate");
        result.conflict = get_flag(message, "conflict");
        result.again = get_flag(message, "again");
        result.rest = get_flag(message, "rest");
        result.missing = get_flag(message, "missing");
        result.placed = get_flag(message, "placed");
        result.replan = get_flag(message, "replan");
        r->unplaced = worker_message_get_number(message, "unplaced");
        result.unplaced = r->unplaced > 0;
        result.bytes_missing = worker_message_get_number(message, "bytes-missing");
        result.bytes_to_push = worker_message_get_number(message, "bytes-to-push");
        result.candidate &= repository_set_push(r, message);
        pending = worker_message_get(message, "pending");
        if (!pending || parse_uint64(pending, &r->pending) < 0)
                r->pending = 0;
        if (sync_revision_parse(strempty(worker_message_get(message, "revision")), &result.base) < 0)
                result.base = r->fsm.revision;
        /* Why the server is out of reach is still so. */
        if (!r->fsm.local || result.word != SYNC_WORD_NONE)
                (void) free_and_strdup(&r->text, worker_message_get(message, "text"));
        (void) free_and_strdup(&r->held, worker_message_get(message, "held"));
        /* The commit may lose the race for main, and be made again. */
        confirmed = worker_message_get(message, "confirmed");
        if (!result.halted)
                (void) free_and_strdup(&r->confirmed, isempty(confirmed) ? NULL : confirmed);
        r->synchronized = !result.halted && !result.candidate && !result.rest && !result.missing && !result.unplaced &&
                          r->fsm.fetched;
        sync_fsm_tree_done(&r->fsm, &result);
        repository_step(r);
}

int repository_start_run(Repository *r, bool full) {
        _cleanup_strv_free_ char **message = NULL;
        int k;

        if (!r->tree)
                return -ENOTCONN;
        full |= r->dirty_full;
        if ((k = worker_message_add(&message, "command", "run")) < 0 ||
            (k = worker_message_addf(&message, "full", "%d", full)) < 0 ||
            (k = worker_message_addf(&message, "changed", "%d", r->changed)) < 0 ||
            (k = worker_message_addf(&message, "max-delete-count", "%u", r->max_delete_count)) < 0 ||
            (k = worker_message_addf(&message, "max-delete-percent", "%u", r->max_delete_percent)) < 0 ||
            (k = worker_message_add(&message, "confirmed", strempty(r->confirmed))) < 0 ||
            (k = repository_add_poison(r, &message)) < 0)
                return k;
        STRV_FOREACH(path, full ? NULL : r->dirty) {
                k = worker_message_add(&message, "path", *path);
                if (k < 0)
                        return k;
        }
        k = tree_client_send(r->tree, message, on_run_done, r);
        if (k < 0)
                return k;
        /* Until the worker has counted. */
        r->pending = MAX(r->pending, (uint64_t) strv_length(r->dirty));
        r->dirty = strv_free(r->dirty);
        r->dirty_bytes = 0;
        r->dirty_full = r->changed = r->hurried = false;
        return 0;
}

void repository_hurry_run(Repository *r) {
        _cleanup_strv_free_ char **message = NULL;

        if (r->hurried || r->fsm.phase != SYNC_PHASE_TREE || !(r->fsm.want_fetch || r->fsm.want_tree) || !r->tree)
                return;
        /* It hastens only: without it the run ends later. */
        r->hurried = worker_message_add(&message, "command", "hurry") >= 0 && tree_client_tell(r->tree, message) >= 0;
}
