/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/genieacs/recovery.h"

#define ACCURACY_USEC 100000ULL

struct Recovery {
        Nbi *nbi;
        sd_event_source *timer;
        NbiRequest *request;
        json_t *faults; /* what was found, the last one first */
        bool has_more;
};

static void search(Recovery *r);
static void delete_next(Recovery *r);

/* What could not be deleted is found again. */
static void on_deleted(long status, const json_t *body, void *userdata) {
        Recovery *r = userdata;

        r->request = NULL;
        if (status != 200)
                return;
        delete_next(r);
        if (!r->request && r->has_more)
                search(r);
}

static void delete_next(Recovery *r) {
        for (size_t n; (n = json_array_size(r->faults)) > 0;) {
                json_auto_t *fault = json_incref(json_array_get(r->faults, n - 1));
                const char *id = json_string_value(json_object_get(fault, "_id"));

                (void) json_array_remove(r->faults, n - 1);
                if (id && endswith(id, ":" RECOVERY_CHANNEL)) {
                        (void) nbi_delete(r->nbi, "faults", id, on_deleted, r, &r->request);
                        return;
                }
        }
}

static void on_found(long status, const json_t *body, void *userdata) {
        Recovery *r = userdata;

        r->request = NULL;
        if (status != 200 || !json_is_array(body))
                return;
        r->has_more = json_array_size(body) == RECOVERY_FAULTS_MAX;
        if (json_array_size(body) > 0)
                log_notice("%zu devices%s could not report; they do so in their next session.",
                           json_array_size(body),
                           r->has_more ? " or more" : "");
        json_decref(r->faults);
        r->faults = json_copy((json_t *) body);
        delete_next(r);
}

static void search(Recovery *r) {
        json_auto_t *query = json_pack("{s:s}", "channel", RECOVERY_CHANNEL);

        if (query)
                (void) nbi_query(r->nbi, "faults", query, "_id", RECOVERY_FAULTS_MAX, on_found, r, &r->request);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Recovery *r = userdata;

        if (!r->request)
                search(r);
        (void) sd_event_source_set_time_relative(s, RECOVERY_INTERVAL_USEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

int recovery_new(Recovery **ret, sd_event *event, Nbi *nbi) {
        _cleanup_(recovery_freep) Recovery *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->nbi = nbi;
        k = sd_event_add_time_relative(event, &r->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, r);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

Recovery *recovery_free(Recovery *r) {
        if (!r)
                return NULL;
        (void) nbi_cancel(r->request);
        (void) sd_event_source_disable_unref(r->timer);
        json_decref(r->faults);
        free(r);
        return NULL;
}
