/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ACS and people see: the read-only parameters of an instance, changed in one transaction. */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/repository.h"

#define PATH_FORMAT SYNC_TABLE "%u."

char *repository_make_utf8(const char *s) {
        char *copy = strdup(s);

        if (copy && !utf8_is_valid(copy))
                for (char *p = copy; *p; p++)
                        if ((unsigned char) *p >= 0x80)
                                *p = '?';
        return copy;
}

static void set(DmUpdate *u, Repository *r, const char *name, const char *value) {
        (void) dm_update_set(u, strempty(value), PATH_FORMAT "%s", r->instance, name);
}

static void set_last_error(DmUpdate *u, Repository *r) {
        _cleanup_free_ char *text = repository_make_utf8(strempty(r->text));
        const char *word = sync_word_to_string(r->fsm.last_error);
        char value[256];

        if (r->fsm.last_error == SYNC_WORD_NONE && r->watch && sync_watch_unwatched(r->watch) > 0)
                (void) snprintf(value, sizeof(value), "%s more directories than the kernel can watch",
                                sync_word_to_string(SYNC_WORD_WATCH_DEGRADED));
        else if (r->fsm.last_error == SYNC_WORD_NONE)
                value[0] = 0;
        else
                (void) snprintf(value,
                                sizeof(value),
                                "%s%s%.200s",
                                word,
                                isempty(text) ? "" : " ",
                                strempty(text));
        /* The cut may have gone through a character. */
        for (size_t n = strlen(value); n > 0 && !utf8_is_valid(value); n--)
                value[n - 1] = 0;
        for (char *p = value; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = ' ';
        set(u, r, "LastError", value);
}

static void set_status(DmUpdate *u, Repository *r) {
        char status[SYNC_STATUS_SIZE], revision[SYNC_REVISION_SIZE];

        set(u, r, "Status", sync_status_to_string(r->fsm.status));
        set(u, r, "PublicKey", r->public_key);
        set(u, r, "Revision", sync_revision_format(&r->fsm.revision, revision));
        set(u, r, "State", sync_state_to_string(sync_fsm_state(&r->fsm)));
        set(u, r, "Guard.Held", sync_fsm_state(&r->fsm) == SYNC_STATE_HELD ? r->held : "");
        (void) dm_update_set_uint64(u, r->pending + r->unplaced, PATH_FORMAT "PendingChanges", r->instance);
        (void) dm_update_set_uint64(u, r->fsm.last_opseq, PATH_FORMAT "LastOpSeq", r->instance);
        if (r->fsm.n_reports > 0) {
                const SyncReport *report = &r->fsm.reports[r->fsm.n_reports - 1];

                set(u, r, "SyncStatus", sync_status_format(
                                report->op,
                                report->outcome,
                                sync_word_to_string(report->word),
                                &r->fsm.revision,
                                status));
                if (r->synchronized)
                        (void) dm_update_set_time(u, time(NULL), PATH_FORMAT "LastSyncTime", r->instance);
        }
}

static int add_conflict(DmUpdate *u, Repository *r, const SyncConflict *c) {
        _cleanup_free_ char *path = repository_make_utf8(c->path), *renamed_to = repository_make_utf8(c->renamed_to);
        uint32_t count, row;

        if (!path || !renamed_to)
                return -ENOMEM;
        if (dm_count_instances(r->environment->model, PATH_FORMAT "Conflict.", r->instance) >=
            CONFLICTS_MAX) {
                row = dm_next_instance(r->environment->model, 0, PATH_FORMAT "Conflict.", r->instance);
                (void) dm_update_delete(u, PATH_FORMAT "Conflict.%u.", r->instance, row);
        }
        if (dm_update_add(u, &row, PATH_FORMAT "Conflict.", r->instance) < 0)
                return 0;
        (void) dm_update_set(u, path, PATH_FORMAT "Conflict.%u.Path", r->instance, row);
        (void) dm_update_set(u, renamed_to, PATH_FORMAT "Conflict.%u.RenamedTo", r->instance, row);
        (void) dm_update_set_time(u, c->time, PATH_FORMAT "Conflict.%u.Time", r->instance, row);
        (void) dm_update_set_uint64(u, r->conflict_opseq, PATH_FORMAT "Conflict.%u.OpSeq", r->instance, row);
        if (dm_get_uint32(r->environment->model, &count, PATH_FORMAT "ConflictCount", r->instance) >= 0)
                (void) dm_update_set_uint64(
                                u, (uint64_t) count + 1, PATH_FORMAT "ConflictCount", r->instance);
        return 0;
}

static int report(Repository *r) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        int k;

        if (!dm_exists(r->environment->model, PATH_FORMAT, r->instance))
                return 0;
        k = dm_update_new(&u, r->environment->model);
        if (k < 0)
                return k;
        set_status(u, r);
        set_last_error(u, r);
        for (size_t i = 0; i < r->conflicts.n; i++) {
                k = add_conflict(u, r, &r->conflicts.items[i]);
                if (k < 0)
                        return k;
        }
        return dm_update_commit(u);
}

void repository_report(Repository *r) {
        int k = report(r);

        /* Nothing is forgotten: the next report says it again. */
        if (k < 0) {
                (void) log_error_errno(k, "Instance %u: failed to update the parameters: %m", r->instance);
                return;
        }
        for (size_t i = 0; i < r->fsm.n_reports; i++) {
                char status[SYNC_STATUS_SIZE];
                const SyncReport *p = &r->fsm.reports[i];

                log_info("Instance %u: %s",
                         r->instance,
                         sync_status_format(
                                         p->op,
                                         p->outcome,
                                         sync_word_to_string(p->word),
                                         &r->fsm.revision,
                                         status));
        }
        for (size_t i = 0; i < r->conflicts.n; i++)
                r->environment->conflict(r, &r->conflicts.items[i], r->environment->userdata);
        r->fsm.n_reports = 0;
        r->synchronized = false;
        sync_conflict_list_clear(&r->conflicts);
}
