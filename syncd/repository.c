/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/instance.h"
#include "syncd/repository.h"
#include "syncd/ssh-command.h"

static int get_string(Repository *r, char **ret, const char *name) {
        return dm_get_string(r->environment->model, ret, SYNC_TABLE "%u.%s", r->instance, name);
}

static int get_uint32(Repository *r, uint32_t *ret, const char *name) {
        return dm_get_uint32(r->environment->model, ret, SYNC_TABLE "%u.%s", r->instance, name);
}

/* Over a restart Status itself tells only of the present; this mark tells that the ACS had said yes. */
static bool was_subscribed(Repository *r) {
        _cleanup_free_ char *path = strfmt("%s/" INSTANCE_SUBSCRIBED, r->directory);

        return path && access(path, F_OK) >= 0;
}

static void remember_subscription(Repository *r) {
        _cleanup_free_ char *path = strfmt("%s/" INSTANCE_SUBSCRIBED, r->directory);
        int k = 0;

        if (!path || was_subscribed(r) == r->fsm.subscribed_before)
                return;
        if (r->fsm.subscribed_before)
                k = write_file_atomic(AT_FDCWD, path, "", 0, 0600);
        else if (unlink(path) < 0)
                k = -errno;
        if (k < 0)
                (void) log_error_errno(k, "Failed to update %s: %m", path);
}

static int init_fsm(Repository *r) {
        _cleanup_free_ char *status = NULL, *revision = NULL;
        SyncRevision parsed = {};
        SyncStatus s;
        uint32_t opseq;
        int k;

        if ((k = get_string(r, &status, "Status")) < 0 || (k = get_string(r, &revision, "Revision")) < 0 ||
            (k = get_uint32(r, &opseq, "LastOpSeq")) < 0)
                return k;
        s = sync_status_from_string(status);
        if (sync_revision_parse(revision, &parsed) < 0)
                parsed = (SyncRevision) {};
        sync_fsm_init(&r->fsm, s >= 0 ? s : SYNC_STATUS_DISABLED, was_subscribed(r), &parsed, opseq);
        return 0;
}

int repository_new(Repository **ret, const RepositoryEnvironment *environment, uint32_t instance) {
        _cleanup_(repository_freep) Repository *r = NULL;
        int k;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->environment = environment;
        r->instance = instance;
        r->directory = strfmt("%s/%u", environment->state_directory, instance);
        if (!r->directory)
                return -ENOMEM;
        k = mkdir_parents(r->directory, 0700);
        if (k < 0)
                return k;
        k = init_fsm(r);
        if (k < 0)
                return k;
        r->facts = r->fsm.facts;
        repository_configure(r);
        *ret = TAKE_PTR(r);
        return 0;
}

Repository *repository_free(Repository *r) {
        if (!r)
                return NULL;
        repository_stop_folder(r);
        repository_bandwidth_clear(r);
        sync_poison_clear(&r->poison);
        repository_stop_transfers(r);
        worker_free(r->key_maker);
        sd_event_source_disable_unref(r->timer);
        sd_event_source_disable_unref(r->retry);
        strv_free(r->dirty);
        sync_conflict_list_clear(&r->conflicts);
        free(r->gateway_name);
        free(r->folder);
        free(r->url_text);
        free(r->host_keys);
        free(r->path);
        free(r->file_system);
        free(r->folder_text);
        free(r->public_key);
        free(r->text);
        free(r->held);
        free(r->confirmed);
        free(r->push);
        free(r->directory);
        free(r);
        return NULL;
}

int repository_remove_state(Repository *r, char **ret_state, char **ret_folder) {
        static const char *const keys[] = { INSTANCE_KEY, INSTANCE_KEY_NEXT };
        _cleanup_free_ char *gone = NULL, *folder = NULL;

        /* The secrets at once; the rest is removed at leisure (tmpfiles.d). */
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_free_ char *path = strfmt("%s/%s", r->directory, keys[i]);

                if (!path)
                        return -ENOMEM;
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        gone = strfmt("%s.removed", r->directory);
        if (!gone)
                return -ENOMEM;
        folder = r->path ? strdup(r->path) : NULL;
        if (r->path && !folder)
                return -ENOMEM;
        repository_stop_folder(r);
        if (rename(r->directory, gone) < 0)
                return -errno;
        *ret_state = TAKE_PTR(gone);
        *ret_folder = TAKE_PTR(folder);
        return 0;
}

static int write_known_hosts(Repository *r) {
        _cleanup_free_ char *content = NULL, *path = strfmt("%s/" INSTANCE_KNOWN_HOSTS, r->directory);
        int k;

        if (!path)
                return -ENOMEM;
        k = repository_host_keys_to_known_hosts(r->host_keys, SSH_HOST_KEY_ALIAS, &content);
        if (k < 0)
                return k;
        return write_file_atomic(AT_FDCWD, path, content, strlen(content), 0600);
}

static int configure_server(Repository *r) {
        _cleanup_free_ char *url = NULL, *keys = NULL;
        RepositoryUrl parsed;
        int k, changed;

        if ((k = get_string(r, &url, "RepositoryURL")) < 0 ||
            (k = get_string(r, &keys, "RepositoryHostKeys")) < 0)
                return k;
        changed = free_and_strdup(&r->url_text, url);
        if (changed < 0)
                return changed;
        k = free_and_strdup(&r->host_keys, keys);
        if (k < 0)
                return k;
        if (isempty(url) || isempty(keys)) {
                r->facts.repository = SYNC_WORD_NOT_SUBSCRIBED;
                return 0;
        }
        if (repository_url_parse(url, &parsed) < 0) {
                r->facts.repository = SYNC_WORD_BAD_REPOSITORY_URL;
                return 0;
        }
        r->facts.repository = SYNC_WORD_NONE;
        if (!changed && !k)
                return 0;
        /* They talk to another server. */
        repository_stop_transfers(r);
        sync_fsm_ordered(&r->fsm, (SyncOp) { .kind = SYNC_OP_PULL });
        return write_known_hosts(r);
}

static int configure_name(Repository *r) {
        _cleanup_free_ char *name = NULL;
        char host[65] = "";
        int k;

        k = get_string(r, &name, "GatewayName");
        if (k < 0)
                return k;
        if (isempty(name) && gethostname(host, sizeof(host) - 1) < 0)
                return -errno;
        return free_and_strdup(&r->gateway_name, isempty(name) ? host : name);
}

static int configure(Repository *r) {
        _cleanup_free_ char *folder = NULL;
        int k, renamed, moved;
        bool enabled;

        if ((k = dm_get_bool(r->environment->model, &enabled, SYNC_TABLE "%u.Enabled", r->instance)) < 0 ||
            (k = get_string(r, &folder, "Folder")) < 0 ||
            (k = get_uint32(r, &r->max_delete_count, "Guard.MaxDeleteCount")) < 0 ||
            (k = get_uint32(r, &r->max_delete_percent, "Guard.MaxDeletePercent")) < 0)
                return k;
        if (r->max_delete_percent == 100)
                r->max_delete_percent = 0;
        k = repository_bandwidth_configure(r);
        if (k < 0)
                return k;
        renamed = configure_name(r);
        if (renamed < 0)
                return renamed;
        k = configure_server(r);
        if (k < 0)
                return k;
        moved = free_and_strdup(&r->folder, folder);
        if (moved < 0)
                return moved;
        moved |= enabled != r->facts.enabled;
        r->facts.enabled = enabled;
        if (moved || renamed) {
                repository_stop_folder(r);
                r->facts.folder = SYNC_WORD_FOLDER_OFFLINE;
                r->facts.opening = true;
        }
        sync_fsm_facts(&r->fsm, &r->facts);
        if (moved || renamed)
                repository_folder_changed(r);
        return repository_check_keys(r);
}

void repository_configure(Repository *r) {
        int k = configure(r);

        if (k < 0)
                (void) log_error_errno(k, "Failed to configure instance %u: %m", r->instance);
        repository_step(r);
}

void repository_status_written(Repository *r, SyncStatus status) {
        sync_fsm_status_written(&r->fsm, status);
        remember_subscription(r);
        repository_step(r);
}

void repository_order(Repository *r, SyncOp op) {
        if (op.kind == SYNC_OP_RESCAN)
                sync_poison_clear(&r->poison);
        sync_fsm_ordered(&r->fsm, op);
        repository_step(r);
}

void repository_rotate_key(Repository *r) {
        int k;

        r->rotate = true;
        k = repository_check_keys(r);
        if (k < 0)
                (void) log_error_errno(k, "Failed to make a key for instance %u: %m", r->instance);
        repository_step(r);
}

void repository_confirm(Repository *r, const char *id) {
        if (free_and_strdup(&r->confirmed, id) < 0) {
                (void) log_oom();
                return;
        }
        sync_fsm_ordered(&r->fsm, (SyncOp) { .kind = SYNC_OP_RESCAN });
        repository_step(r);
}

char *repository_staging_directory(const Repository *r) {
        const char *name = sync_path_name(r->path);

        return strfmt("%.*s.ispstorage/%s", (int) (name - r->path), r->path, name);
}

bool repository_set_push(Repository *r, char *const *message) {
        const char *commit = worker_message_get(message, "push");
        bool none = isempty(commit) || strspn(commit, "0") == strlen(commit);

        r->push_last = worker_message_get_number(message, "push-last") != 0;
        if (free_and_strdup(&r->push, none ? NULL : commit) < 0)
                (void) log_oom();
        return r->push;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;

        sync_fsm_timer(&r->fsm);
        repository_step(r);
        return 0;
}

static int set_timer(Repository *r, uint64_t usec) {
        r->timer = sd_event_source_disable_unref(r->timer);
        return sd_event_add_time_relative(
                        r->environment->event,
                        &r->timer,
                        CLOCK_MONOTONIC,
                        usec,
                        MIN(usec / 16 + 1, TIMER_ACCURACY_USEC),
                        on_timer,
                        r);
}

static int act(Repository *r, const SyncAction *action) {
        switch (action->kind) {
        case SYNC_ACTION_FETCH:
        case SYNC_ACTION_CONTENT:
        case SYNC_ACTION_PUSH:
                return repository_start_transfer(r, action->kind);
        case SYNC_ACTION_TREE:
                return repository_start_run(r, action->full);
        case SYNC_ACTION_STOP_TRANSFER:
                repository_stop_transfer(r);
                return 0;
        case SYNC_ACTION_PREFETCH:
                return repository_start_prefetch(r);
        case SYNC_ACTION_STOP_PREFETCH:
                repository_stop_prefetch(r);
                return 0;
        case SYNC_ACTION_WAIT:
                return set_timer(r, action->usec);
        case SYNC_ACTION_NONE:
        default:
                return 0;
        }
}

/* A step that could not even begin. */
static void fail_step(Repository *r, SyncActionKind kind, int error) {
        (void) log_error_errno(error, "Instance %u: failed to start a step: %m", r->instance);
        if (kind == SYNC_ACTION_FETCH)
                sync_fsm_fetched(&r->fsm, TRANSFER_LOCAL_ERROR);
        else if (kind == SYNC_ACTION_CONTENT)
                sync_fsm_content_done(&r->fsm, TRANSFER_LOCAL_ERROR);
        else if (kind == SYNC_ACTION_PUSH)
                sync_fsm_pushed(&r->fsm, TRANSFER_LOCAL_ERROR, NULL);
        else if (kind == SYNC_ACTION_PREFETCH)
                sync_fsm_prefetched(&r->fsm, TRANSFER_LOCAL_ERROR);
        else if (kind == SYNC_ACTION_TREE)
                sync_fsm_tree_done(&r->fsm, &(SyncTreeResult) {
                        .word = SYNC_WORD_INTERNAL_ERROR,
                        .halted = true,
                        .again = true,
                });
}

void repository_step(Repository *r) {
        SyncAction action;

        do {
                uint32_t random = 0;
                int k;

                (void) getrandom(&random, sizeof(random), GRND_NONBLOCK);
                action = sync_fsm_next(&r->fsm, random);
                k = act(r, &action);
                if (k < 0)
                        fail_step(r, action.kind, k);
        } while (action.kind != SYNC_ACTION_NONE);
        repository_hurry_run(r);
        repository_report(r);
}
