/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transfers of an instance: its worker for what the state machine asks for, and another one for prefetches,
 * which run beside all else. */
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/repository.h"

#define TRANSFER_WORKER "ispstorage-sync-transfer"
/* StateReason follows a transfer at this pace. */
#define PROGRESS_REPORT_USEC UINT64_C(1000000)

/* Another server, key list or address must not reuse the connection that is open; nor one whose packets are marked
 * otherwise. */
static uint32_t connection_id(Repository *r) {
        uint32_t h = 2166136261U ^ r->bandwidth.background;

        for (const char *p = r->url_text; *p; p++)
                h = (h ^ (uint8_t) *p) * 16777619U;
        for (const char *p = r->host_keys; *p; p++)
                h = (h ^ (uint8_t) *p) * 16777619U;
        return h;
}

int repository_new_transfer(Repository *r, TransferClient **ret) {
        _cleanup_free_ char *program = strfmt("%s/" TRANSFER_WORKER, r->environment->program_directory),
                            *staging = repository_staging_directory(r),
                            *control = strfmt(
                                            "%s/ssh-%u-%08x",
                                            r->environment->runtime_directory,
                                            r->instance,
                                            connection_id(r));
        char *argv[] = { program, r->directory, r->path, staging, r->url_text, control, NULL };

        if (!program || !staging || !control)
                return -ENOMEM;
        return transfer_client_new(ret, r->environment->event, argv);
}

/* --- what became of it --- */

static void on_landed(char *const *message, void *userdata) {
        Repository *r = userdata;
        SyncRevision revision;

        if (r->fsm.phase != SYNC_PHASE_PUSH)
                return;
        if (message && sync_revision_parse(strempty(worker_message_get(message, "revision")), &revision) >= 0) {
                bool more = repository_set_push(r, message);

                if (!more) {
                        /* What cannot be pushed is still here. */
                        r->pending = strv_length(r->poison.entries);
                        r->confirmed = mfree(r->confirmed);
                }
                r->synchronized = !more && r->unplaced == 0 && !r->fsm.want_rest && !r->fsm.want_content;
                if (more)
                        sync_fsm_pushed_part(
                                        &r->fsm, &revision, worker_message_get_number(message, "bytes-to-push"));
                else
                        sync_fsm_pushed(&r->fsm, TRANSFER_OK, &revision);
        } else
                sync_fsm_pushed(&r->fsm, TRANSFER_LOCAL_ERROR, NULL);
        repository_step(r);
}

/* main is at our commit: the tree worker makes it the base. */
static int send_landed(Repository *r) {
        _cleanup_strv_free_ char **message = NULL;
        int k;

        if (!r->tree || !r->push)
                return -ENOTCONN;
        if ((k = worker_message_add(&message, "command", "landed")) < 0 ||
            (k = worker_message_add(&message, "commit", r->push)) < 0)
                return k;
        return tree_client_send(r->tree, message, on_landed, r);
}

static void take_push(Repository *r, const TransferAnswer *answer) {
        if (answer->result == TRANSFER_OK) {
                if (send_landed(r) < 0)
                        sync_fsm_pushed(&r->fsm, TRANSFER_LOCAL_ERROR, NULL);
        } else if (answer->result == TRANSFER_REFUSED && answer->poison)
                repository_push_poisoned(r, strempty(answer->version), answer->poison);
        else {
                if (answer->result == TRANSFER_CHANGED) {
                        r->changed = true;
                        repository_mark_dirty(r, strempty(answer->changed));
                }
                sync_fsm_pushed(&r->fsm, answer->result, NULL);
        }
}

static void log_failure(Repository *r, const TransferAnswer *answer) {
        if (answer->result == TRANSFER_OK || answer->result == TRANSFER_NON_FAST_FORWARD ||
            answer->result == TRANSFER_CHANGED || answer->result == TRANSFER_STOPPED)
                return;
        log_warning("Instance %u: %s with %s: %s",
                    r->instance,
                    transfer_result_to_string(answer->result),
                    r->url_text,
                    strempty(answer->text));
        (void) free_and_strdup(&r->text, answer->text);
}

void repository_count_bytes(Repository *r, const TransferAnswer *answer) {
        r->sent += answer->sent;
        r->received += answer->received;
        if (answer->next_key)
                (void) repository_check_keys(r);
}

static void on_transferred(TransferClient *c, const TransferAnswer *answer, void *userdata) {
        Repository *r = userdata;

        repository_bandwidth_end(r, r->fsm.phase == SYNC_PHASE_PUSH ? answer->sent : answer->received);
        repository_count_bytes(r, answer);
        log_failure(r, answer);
        switch (r->fsm.phase) {
        case SYNC_PHASE_FETCH:
                sync_fsm_fetched(&r->fsm, answer->result);
                break;
        case SYNC_PHASE_CONTENT:
                sync_fsm_content_done(&r->fsm, answer->result);
                break;
        case SYNC_PHASE_PUSH:
                take_push(r, answer);
                break;
        case SYNC_PHASE_IDLE:
        case SYNC_PHASE_TREE:
        case SYNC_PHASE_PAUSE:
        default:
                break;
        }
        repository_step(r);
}

static void on_progress(uint64_t done, uint64_t total, bool yielding, void *userdata) {
        Repository *r = userdata;
        uint64_t now;

        repository_bandwidth_progress(r, done, total, yielding);
        if (sd_event_now(r->environment->event, CLOCK_MONOTONIC, &now) < 0 ||
            now < r->progress_reported + PROGRESS_REPORT_USEC)
                return;
        r->progress_reported = now;
        repository_report(r);
}

/* --- beginning it --- */

static int send_command(
                Repository *r,
                TransferClient **client,
                const char *command,
                TransferProgressHandler progress,
                TransferHandler done) {

        _cleanup_strv_free_ char **message = NULL;
        int k;

        if (!*client) {
                k = repository_new_transfer(r, client);
                if (k < 0)
                        return k;
        }
        if ((k = worker_message_add(&message, "command", command)) < 0 ||
            (k = repository_bandwidth_add_limits(r, &message)) < 0)
                return k;
        if (streq(command, "push")) {
                if ((k = worker_message_add(&message, "commit", strempty(r->push))) < 0 ||
                    (k = worker_message_addf(&message, "last", "%d", r->push_last)) < 0)
                        return k;
        }
        return transfer_client_send(*client, message, progress, done, r);
}

int repository_start_transfer(Repository *r, SyncActionKind kind) {
        switch (kind) {
        case SYNC_ACTION_PUSH:
                repository_bandwidth_begin(r, r->fsm.bytes_to_push);
                return send_command(r, &r->transfer, "push", on_progress, on_transferred);
        case SYNC_ACTION_CONTENT:
                repository_bandwidth_begin(r, r->fsm.bytes_missing);
                return send_command(r, &r->transfer, "content", on_progress, on_transferred);
        default:
                repository_bandwidth_begin(r, 0);
                return send_command(r, &r->transfer, "fetch", on_progress, on_transferred);
        }
}

/* What is on its way is lost, what has come is at its place. */
static void end_transfer(Repository *r) {
        r->transfer = transfer_client_free(r->transfer);
        repository_bandwidth_end(r, 0);
        if (r->fsm.phase == SYNC_PHASE_CONTENT)
                sync_fsm_content_done(&r->fsm, TRANSFER_OK);
        else if (r->fsm.phase == SYNC_PHASE_FETCH)
                sync_fsm_fetched(&r->fsm, TRANSFER_UNREACHABLE);
        else if (r->fsm.phase == SYNC_PHASE_PUSH)
                sync_fsm_pushed(&r->fsm, TRANSFER_UNREACHABLE, NULL);
}

/* What is on its way is taken in first. */
static bool ask_to_stop(TransferClient *c) {
        _cleanup_strv_free_ char **message = NULL;

        return c && worker_message_add(&message, "stop", "1") >= 0 && transfer_client_tell(c, message) >= 0;
}

void repository_stop_transfer(Repository *r) {
        /* It may have ended, and wait for the tree worker to take note: then there is nothing to be stopped. */
        if (r->fsm.phase == SYNC_PHASE_PUSH && sync_fsm_is_allowed(&r->fsm))
                (void) ask_to_stop(r->transfer);
        else if (r->fsm.phase != SYNC_PHASE_CONTENT || !ask_to_stop(r->transfer))
                end_transfer(r);
}

static void on_prefetched(TransferClient *c, const TransferAnswer *answer, void *userdata) {
        Repository *r = userdata;

        repository_count_bytes(r, answer);
        sync_fsm_prefetched(&r->fsm, answer->result);
        repository_step(r);
}

int repository_start_prefetch(Repository *r) {
        return send_command(r, &r->prefetcher, "prefetch", NULL, on_prefetched);
}

static void end_prefetch(Repository *r) {
        r->prefetcher = transfer_client_free(r->prefetcher);
        sync_fsm_prefetched(&r->fsm, TRANSFER_OK);
}

void repository_stop_prefetch(Repository *r) {
        if (!ask_to_stop(r->prefetcher))
                end_prefetch(r);
}

void repository_stop_transfers(Repository *r) {
        if (r->fsm.phase == SYNC_PHASE_FETCH || r->fsm.phase == SYNC_PHASE_CONTENT || r->fsm.phase == SYNC_PHASE_PUSH)
                end_transfer(r);
        if (r->fsm.prefetching)
                end_prefetch(r);
        r->transfer = transfer_client_free(r->transfer);
        r->prefetcher = transfer_client_free(r->prefetcher);
}

void repository_limits_changed(Repository *r) {
        TransferClient *const clients[] = { r->transfer, r->prefetcher, r->restorer };

        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                _cleanup_strv_free_ char **message = NULL;

                if (clients[i] && repository_bandwidth_add_limits(r, &message) >= 0)
                        (void) transfer_client_tell(clients[i], message);
        }
}
