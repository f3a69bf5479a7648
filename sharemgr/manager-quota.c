/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folder.Quota: measures the folders that have one, when it may matter, and says what they hold. */
#include <inttypes.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/quota.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set-load.h"
#include "sharemgr/text.h"

#define USAGE_WORKER LIBEXECDIR "/sharemgr-usage-worker"

/* Millions of files on a slow disk. */
#define USAGE_TIMEOUT_USEC (UINT64_C(3600) * 1000000)

/* UsedSpace far from all limits need not be newer. */
#define USAGE_AGE_USEC (UINT64_C(60) * 1000000)

#define MEGABYTE (1024U * 1024U)
#define QUOTA STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".Folder.%" PRIu32 ".Quota"

struct FolderUsage {
        uint32_t volume, folder; /* instances */
        char *directory;
        QuotaLimits limits;
        bool present; /* in the set of the last pass */
        bool known;
        bool full;
        uint32_t used;        /* MB */
        uint32_t volume_used; /* MB, when it was measured */
        uint64_t measured_usec;
        bool measuring;
        uint32_t volume_used_then; /* when the measurement began */
};

void manager_quota_done(Manager *m) {
        worker_free(m->usage_worker);
        sd_event_source_disable_unref(m->usage_input);
        safe_close(m->usage_fd);
        for (size_t i = 0; i < m->n_usages; i++)
                free(m->usages[i].directory);
        free(m->usages);
}

static FolderUsage *find_usage(Manager *m, uint32_t volume, uint32_t folder) {
        for (size_t i = 0; i < m->n_usages; i++)
                if (m->usages[i].volume == volume && m->usages[i].folder == folder)
                        return m->usages + i;
        return NULL;
}

static FolderUsage *add_usage(Manager *m, uint32_t volume, uint32_t folder) {
        FolderUsage *grown = reallocarray(m->usages, m->n_usages + 1, sizeof(FolderUsage));

        if (!grown)
                return NULL;
        m->usages = grown;
        grown += m->n_usages++;
        *grown = (FolderUsage){ .volume = volume, .folder = folder };
        return grown;
}

static int set_usage(Manager *m, const ShareVolume *v, ShareFolder *f) {
        FolderUsage *u = find_usage(m, v->instance, f->instance) ?: add_usage(m, v->instance, f->instance);
        int r;

        if (!u)
                return -ENOMEM;
        r = free_and_strdup(&u->directory, f->directory);
        if (r < 0)
                return r;
        u->present = true;
        u->limits.capacity = f->quota;
        r = dm_get_uint32(m->model, &u->limits.threshold, QUOTA ".ThresholdLimit", v->instance, f->instance);
        if (r < 0)
                return r;
        u->full = u->known && quota_is_full(&u->limits, u->used, u->full);
        f->full = u->full;
        return 0;
}

/* What smb-free-space tells clients. */
static int write_quotas(Manager *m) {
        _cleanup_text_ Text text = {};
        _cleanup_free_ char *quotas = NULL;
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        for (const FolderUsage *u = m->usages; u && u < m->usages + m->n_usages; u++)
                if (u->present)
                        fprintf(text.stream,
                                "%s\t%" PRIu64 "\t%" PRIu64 "\n",
                                u->directory,
                                (uint64_t) u->limits.capacity * (MEGABYTE / 1024),
                                u->full || u->used >= u->limits.capacity
                                                ? 0
                                                : (uint64_t) (u->limits.capacity - u->used) *
                                                                  (MEGABYTE / 1024));
        r = text_end(&text, &quotas);
        return r < 0 ? r : manager_write_if_changed(SMB_QUOTAS, quotas, 0644);
}

int manager_apply_quotas(Manager *m, ShareSet *s) {
        int r;

        for (size_t i = 0; i < m->n_usages; i++)
                m->usages[i].present = false;
        for (ShareVolume *v = s->volumes; v && v < s->volumes + s->n_volumes; v++)
                for (ShareFolder *f = v->folders; f && f < v->folders + v->n_folders; f++)
                        if (f->online && f->quota > 0 && (r = set_usage(m, v, f)) < 0)
                                return r;
        r = write_quotas(m);
        return r < 0 ? r : manager_measure_folders(m);
}

int manager_report_quotas(Manager *m, DmUpdate *update) {
        int r;

        for (const FolderUsage *u = m->usages; u && u < m->usages + m->n_usages; u++) {
                if (!dm_exists(m->model, QUOTA, u->volume, u->folder))
                        continue;
                if ((r = dm_update_set_uint64(
                                     update,
                                     u->present ? u->used : 0,
                                     QUOTA ".UsedSpace",
                                     u->volume,
                                     u->folder)) < 0 ||
                    (r = dm_update_set_bool(
                                     update,
                                     u->present && u->known && quota_threshold_reached(&u->limits, u->used),
                                     QUOTA ".ThresholdReached",
                                     u->volume,
                                     u->folder)) < 0)
                        return r;
        }
        return 0;
}

/* --- Measuring --- */

static uint64_t now_usec(const Manager *m) {
        uint64_t now = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* Its message is "<number> <bytes>"; the number is that among those being measured. */
static void take_message(Manager *m, const char *message) {
        uint64_t bytes;
        unsigned number, n = 0;

        if (sscanf(message, "%u %" SCNu64, &number, &bytes) != 2)
                return;
        for (FolderUsage *u = m->usages; u < m->usages + m->n_usages; u++) {
                if (!u->measuring || n++ != number)
                        continue;
                u->known = true;
                u->used = (uint32_t) MIN((bytes + MEGABYTE - 1) / MEGABYTE, (uint64_t) UINT32_MAX);
                u->volume_used = u->volume_used_then;
                u->measured_usec = now_usec(m);
                return;
        }
}

static int on_usage_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;
        char message[64];
        ssize_t n;

        while ((n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT)) > 0) {
                message[n] = 0;
                take_message(m, message);
        }
        if (revents & EPOLLHUP)
                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static void on_measured(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Manager *m = userdata;

        (void) on_usage_input(m->usage_input, m->usage_fd, EPOLLHUP, m);
        m->usage_input = sd_event_source_disable_unref(m->usage_input);
        m->usage_fd = safe_close(m->usage_fd);
        m->usage_worker = worker_free(m->usage_worker);
        for (size_t i = 0; i < m->n_usages; i++)
                m->usages[i].measuring = false;
        if (!worker_succeeded(si))
                log_error("Adding up what is in the folders %s.", timed_out ? "took too long" : "failed");
        manager_schedule(m);
}

static bool is_due(Manager *m, FolderUsage *u) {
        const Volume *v = volumes_find(m, u->volume);

        if (!u->present || !v || volume_used_space(v, &u->volume_used_then) < 0)
                return false;
        return !u->known ||
               quota_may_have_crossed(
                               &u->limits,
                               u->used,
                               u->full,
                               (int64_t) u->volume_used_then - u->volume_used) ||
               (u->volume_used_then != u->volume_used && now_usec(m) >= u->measured_usec + USAGE_AGE_USEC);
}

int manager_measure_folders(Manager *m) {
        _cleanup_strv_free_ char **argv = NULL;
        int r;

        if (m->usage_worker)
                return 0;
        r = strv_extend(&argv, USAGE_WORKER);
        for (FolderUsage *u = m->usages; u && u < m->usages + m->n_usages && r >= 0; u++) {
                u->measuring = is_due(m, u);
                if (u->measuring)
                        r = strv_extend(&argv, u->directory);
        }
        if (r < 0 || strv_length(argv) == 1)
                return r;
        r = worker_spawn(&m->usage_worker, &m->usage_fd, m->event, argv, USAGE_TIMEOUT_USEC, on_measured, m);
        return r < 0 ? r
                     : sd_event_add_io(m->event, &m->usage_input, m->usage_fd, EPOLLIN, on_usage_input, m);
}
