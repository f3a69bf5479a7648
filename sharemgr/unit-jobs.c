/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/unit-jobs.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_UNIT "org.freedesktop.systemd1.Unit"

typedef struct Job Job;
typedef struct Watch Watch;

struct Job {
        UnitJobs *jobs;
        char *unit, *path; /* path: of systemd's job object, NULL until it answered */
        char *method;      /* to be called after the reload; NULL otherwise */
        UnitJobHandler handler;
        void *userdata;
        sd_bus_slot *slot;
        Job *next;
};

struct Watch {
        char *unit;
        UnitStateHandler handler;
        void *userdata;
        sd_bus_slot *get, *match;
        Watch *next;
};

struct UnitJobs {
        sd_bus *bus;
        sd_bus_slot *removed;
        Job *list;
        Watch *watches;
};

static Job *job_free(Job *job) {
        if (!job)
                return NULL;
        sd_bus_slot_unref(job->slot);
        free(job->unit);
        free(job->path);
        free(job->method);
        return mfree(job);
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Job *, job_free);

static Watch *watch_free(Watch *w) {
        if (!w)
                return NULL;
        sd_bus_slot_unref(w->get);
        sd_bus_slot_unref(w->match);
        free(w->unit);
        return mfree(w);
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Watch *, watch_free);

UnitJobs *unit_jobs_free(UnitJobs *j) {
        if (!j)
                return NULL;
        while (j->list) {
                Job *job = j->list;

                j->list = job->next;
                job_free(job);
        }
        while (j->watches) {
                Watch *w = j->watches;

                j->watches = w->next;
                watch_free(w);
        }
        sd_bus_slot_unref(j->removed);
        return mfree(j);
}

/* Takes the job off the list, frees it and tells who waits for it; he may queue the next one at once. */
static void job_finish(Job *job, const char *result) {
        for (Job **p = &job->jobs->list; *p; p = &(*p)->next)
                if (*p == job) {
                        *p = job->next;
                        break;
                }
        job->handler(job->unit, result, job->userdata);
        job_free(job);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        UnitJobs *j = userdata;
        const char *path, *unit, *result;
        uint32_t id;
        int r;

        r = sd_bus_message_read(m, "uoss", &id, &path, &unit, &result);
        if (r < 0)
                return log_error_errno(r, "Failed to read systemd's JobRemoved: %m");
        for (Job *job = j->list; job; job = job->next)
                if (streq_ptr(job->path, path)) {
                        job_finish(job, result);
                        return 0;
                }
        return 0;
}

int unit_jobs_new(UnitJobs **ret, sd_bus *bus) {
        _cleanup_(unit_jobs_freep) UnitJobs *j = calloc(1, sizeof(UnitJobs));
        int r;

        if (!j)
                return -ENOMEM;
        j->bus = bus;
        r = sd_bus_match_signal_async(
                        bus,
                        &j->removed,
                        SYSTEMD_NAME,
                        SYSTEMD_PATH,
                        SYSTEMD_MANAGER,
                        "JobRemoved",
                        on_job_removed,
                        NULL,
                        j);
        if (r < 0)
                return r;
        /* systemd sends signals only while somebody asked for them. */
        r = sd_bus_call_method_async(
                        bus,
                        NULL,
                        SYSTEMD_NAME,
                        SYSTEMD_PATH,
                        SYSTEMD_MANAGER,
                        "Subscribe",
                        NULL,
                        NULL,
                        NULL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

static int on_queued(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Job *job = userdata;
        const char *path;
        int r;

        if (sd_bus_message_is_method_error(m, NULL)) {
                log_error("systemd refused a job for %s: %s",
                          job->unit,
                          sd_bus_message_get_error(m)->message);
                job_finish(job, "error");
                return 0;
        }
        r = sd_bus_message_read(m, "o", &path);
        if (r >= 0)
                r = free_and_strdup(&job->path, path);
        if (r < 0) {
                log_error_errno(r, "Failed to read systemd's answer about %s: %m", job->unit);
                job_finish(job, "error");
        }
        return 0;
}

static int job_new(Job **ret, UnitJobs *j, const char *unit, UnitJobHandler handler, void *userdata) {
        _cleanup_(job_freep) Job *job = calloc(1, sizeof(Job));

        if (!job)
                return -ENOMEM;
        job->jobs = j;
        job->unit = strdup(unit);
        if (!job->unit)
                return -ENOMEM;
        job->handler = handler;
        job->userdata = userdata;
        *ret = TAKE_PTR(job);
        return 0;
}

static void job_link(Job *job) {
        job->next = job->jobs->list;
        job->jobs->list = job;
}

static int job_call(Job *job, const char *method) {
        job->slot = sd_bus_slot_unref(job->slot);
        return sd_bus_call_method_async(
                        job->jobs->bus,
                        &job->slot,
                        SYSTEMD_NAME,
                        SYSTEMD_PATH,
                        SYSTEMD_MANAGER,
                        method,
                        on_queued,
                        job,
                        "ss",
                        job->unit,
                        "replace");
}

int unit_jobs_queue(
                UnitJobs *j, const char *method, const char *unit, UnitJobHandler handler, void *userdata) {
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_new(&job, j, unit, handler, userdata);
        if (r < 0)
                return r;
        r = job_call(job, method);
        if (r < 0)
                return r;
        job_link(TAKE_PTR(job));
        return 0;
}

static int append_mount(
                sd_bus_message *m,
                const char *unit,
                const char *what,
                const char *type,
                const char *options) {
        return sd_bus_message_append(
                        m,
                        "ssa(sv)a(sa(sv))",
                        unit,
                        "replace",
                        5,
                        "Description",
                        "s",
                        "ISPStorage volume",
                        "What",
                        "s",
                        what,
                        "Type",
                        "s",
                        type,
                        "Options",
                        "s",
                        options,
                        /* A failed mount must not stand in the way of the next try. */
                        "CollectMode",
                        "s",
                        "inactive-or-failed",
                        0);
}

int unit_jobs_mount(
                UnitJobs *j,
                const char *unit,
                const char *what,
                const char *type,
                const char *options,
                UnitJobHandler handler,
                void *userdata) {

        _cleanup_(job_freep) Job *job = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if ((r = job_new(&job, j, unit, handler, userdata)) < 0 ||
            (r = sd_bus_message_new_method_call(
                             j->bus,
                             &m,
                             SYSTEMD_NAME,
                             SYSTEMD_PATH,
                             SYSTEMD_MANAGER,
                             "StartTransientUnit")) < 0 ||
            (r = append_mount(m, unit, what, type, options)) < 0 ||
            (r = sd_bus_call_async(j->bus, &job->slot, m, on_queued, job, 0)) < 0)
                return r;
        job_link(TAKE_PTR(job));
        return 0;
}

static int on_reloaded(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Job *job = userdata;
        int r;

        if (sd_bus_message_is_method_error(m, NULL))
                log_warning("systemd could not reload: %s", sd_bus_message_get_error(m)->message);
        r = job_call(job, job->method);
        if (r < 0) {
                log_error_errno(r, "Failed to ask systemd for a job for %s: %m", job->unit);
                job_finish(job, "error");
        }
        return 0;
}

int unit_jobs_reload_and_queue(
                UnitJobs *j, const char *method, const char *unit, UnitJobHandler handler, void *userdata) {
        _cleanup_(job_freep) Job *job = NULL;
        int r;

        r = job_new(&job, j, unit, handler, userdata);
        if (r < 0)
                return r;
        job->method = strdup(method);
        if (!job->method)
                return -ENOMEM;
        r = sd_bus_call_method_async(
                        j->bus,
                        &job->slot,
                        SYSTEMD_NAME,
                        SYSTEMD_PATH,
                        SYSTEMD_MANAGER,
                        "Reload",
                        on_reloaded,
                        job,
                        NULL);
        if (r < 0)
                return r;
        job_link(TAKE_PTR(job));
        return 0;
}

static int on_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *w = userdata;
        const char *state;

        if (sd_bus_message_is_method_error(m, NULL)) {
                log_warning("systemd does not tell the state of %s: %s",
                            w->unit,
                            sd_bus_message_get_error(m)->message);
                return 0;
        }
        if (sd_bus_message_read(m, "v", "s", &state) >= 0)
                w->handler(w->unit, state, w->userdata);
        return 0;
}

/* Finds ActiveState among the changed properties. */
static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Watch *w = userdata;
        const char *interface, *name, *state;
        int r;

        r = sd_bus_message_read(m, "s", &interface);
        if (r < 0 || !streq(interface, SYSTEMD_UNIT))
                return 0;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return 0;
                if (streq(name, "ActiveState")) {
                        if (sd_bus_message_read(m, "v", "s", &state) >= 0)
                                w->handler(w->unit, state, w->userdata);
                        return 0;
                }
                if ((r = sd_bus_message_skip(m, "v")) >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return 0;
}

int unit_jobs_watch(UnitJobs *j, const char *unit, UnitStateHandler handler, void *userdata) {
        _cleanup_(watch_freep) Watch *w = calloc(1, sizeof(Watch));
        _cleanup_free_ char *path = NULL;
        int r;

        if (!w)
                return -ENOMEM;
        w->unit = strdup(unit);
        if (!w->unit)
                return -ENOMEM;
        w->handler = handler;
        w->userdata = userdata;
        if ((r = sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, &path)) < 0 ||
            (r = sd_bus_match_signal_async(
                             j->bus,
                             &w->match,
                             SYSTEMD_NAME,
                             path,
                             "org.freedesktop.DBus.Properties",
                             "PropertiesChanged",
                             on_properties,
                             NULL,
                             w)) < 0 ||
            (r = sd_bus_call_method_async(
                             j->bus,
                             &w->get,
                             SYSTEMD_NAME,
                             path,
                             "org.freedesktop.DBus.Properties",
                             "Get",
                             on_state,
                             w,
                             "ss",
                             SYSTEMD_UNIT,
                             "ActiveState")) < 0)
                return r;
        w->next = j->watches;
        j->watches = TAKE_PTR(w);
        return 0;
}
