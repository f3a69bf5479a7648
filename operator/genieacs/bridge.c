/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <libgen.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/queue.h"
#include "operator/genieacs/bridge.h"
#include "operator/genieacs/inform.h"
#include "operator/genieacs/job.h"
#include "operator/genieacs/listener.h"
#include "operator/genieacs/nbi.h"
#include "operator/genieacs/recovery.h"

struct Bridge {
        Store *store;
        Queue *queue;
        Nbi *nbi;
        Jobs *jobs;
        Listener *listener;
        Recovery *recovery;
};

static void on_serve(const char *device, void *userdata) {
        Bridge *b = userdata;

        jobs_serve(b->jobs, device);
}

static void on_dropped(const char *device, const char *id, void *userdata) {
        Bridge *b = userdata;

        jobs_drop(b->jobs, device, id);
}

static void on_answered(void *userdata) {
        Bridge *b = userdata;

        queue_flush(b->queue);
}

static int on_inform(const char *line, size_t size, void *userdata) {
        Bridge *b = userdata;
        _cleanup_message_ Message m = {};
        _cleanup_free_ char *device = NULL;
        int64_t now = (int64_t) time(NULL);
        int r;

        r = inform_read(line, size, now, &device, &m);
        if (r >= 0)
                r = store_outbox_add(b->store, now, &m);
        if (r < 0)
                return log_error_errno(r, "A report on an Inform could not be taken: %m");
        queue_flush(b->queue);
        jobs_nudge(b->jobs, device);
        return 0;
}

static int open_store(Bridge *b, const BridgeConfig *config) {
        _cleanup_free_ char *copy = strdup(config->database);
        int r;

        if (!copy)
                return log_oom();
        r = mkdir_parents(dirname(copy), 0700);
        if (r >= 0)
                r = store_open(&b->store, config->database);
        return r < 0 ? log_error_errno(r, "Failed to open %s: %m", config->database) : 0;
}

static int start_jobs(Bridge *b, sd_event *event, const BridgeConfig *config) {
        int r;

        r = nbi_new(&b->nbi,
                    event,
                    &(NbiSettings) {
                                    .url = config->url,
                                    .ca_file = config->nbi_ca_file,
                                    .requests = config->requests,
                    });
        if (r >= 0)
                r = jobs_new(&b->jobs, event, b->store, b->nbi, on_answered, b);
        return r < 0 ? log_error_errno(r, "Failed to start: %m") : 0;
}

static int start_queue(Bridge *b, sd_event *event, const BridgeConfig *c) {
        const MqttSettings settings = broker_config_settings(&c->broker, ACS_CLIENT_ID);

        return queue_new(
                        &b->queue,
                        event,
                        b->store,
                        &settings,
                        &(QueueHandlers) { .serve = on_serve, .dropped = on_dropped, .any_device = true },
                        b);
}

int bridge_new(Bridge **ret, sd_event *event, const BridgeConfig *config, int fd) {
        _cleanup_(bridge_freep) Bridge *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return log_oom();
        r = open_store(b, config);
        if (r >= 0)
                r = start_jobs(b, event, config);
        if (r >= 0)
                r = start_queue(b, event, config);
        if (r < 0)
                return r;
        r = listener_new(&b->listener, event, fd, on_inform, b);
        if (r < 0)
                return log_error_errno(r, "Failed to listen: %m");
        r = recovery_new(&b->recovery, event, b->nbi);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        *ret = TAKE_PTR(b);
        return 0;
}

Bridge *bridge_free(Bridge *b) {
        if (!b)
                return NULL;
        (void) recovery_free(b->recovery);
        (void) listener_free(b->listener);
        (void) queue_free(b->queue);
        (void) jobs_free(b->jobs);
        (void) nbi_free(b->nbi);
        (void) store_free(b->store);
        free(b);
        return NULL;
}
