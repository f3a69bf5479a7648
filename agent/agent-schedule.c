/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "2 PERIODIC" and "3 SCHEDULED". */
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>

#include "agent/agent-manager.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"

#define USEC_PER_SEC 1000000ULL

#define SCHEDULE_FILE "scheduled-informs"
#define SCHEDULE_FILE_MAX 4096U

struct ScheduledInform {
        Agent *agent;
        int64_t due; /* UTC seconds */
        sd_event_source *timer;
        char *command_key;
};

/* Seconds until the next inform: PeriodicInformTime is any instant of the grid; without one the phase is
 * the device's own. */
static uint64_t seconds_to_next(Agent *a, uint32_t interval) {
        _cleanup_free_ char *text = agent_model_string(a, "ManagementServer.PeriodicInformTime");
        int64_t phase = INT64_MIN, now = (int64_t) time(NULL);
        uint64_t random = 0;

        if (text && parse_datetime(text, &phase) >= 0 && phase != INT64_MIN) {
                int64_t since = (now - phase) % (int64_t) interval;
                return (uint64_t) (since < 0 ? -since : (int64_t) interval - since);
        }

        /* The first one anywhere in the interval, so that gateways that start together do not report together. */
        if (a->periodic_timer || getrandom(&random, sizeof(random), 0) != sizeof(random))
                return interval;
        return random % interval + 1;
}

static int on_periodic(sd_event_source *s, uint64_t usec, void *userdata) {
        Agent *a = userdata;

        agent_add_event(a, INFORM_PERIODIC, NULL);
        int r = agent_schedule_periodic(a);
        if (r < 0)
                (void) log_error_errno(r, "Cannot schedule the next periodic inform: %m");
        return 0;
}

int agent_schedule_periodic(Agent *a) {
        uint32_t interval = agent_model_uint32(a, "ManagementServer.PeriodicInformInterval");
        bool enabled = false;

        (void) dm_get_bool(a->model, &enabled, "ManagementServer.PeriodicInformEnable");
        uint64_t wait = enabled && interval > 0 ? seconds_to_next(a, interval) : 0;

        a->periodic_timer = sd_event_source_disable_unref(a->periodic_timer);
        if (wait == 0)
                return 0;
        return sd_event_add_time_relative(
                        a->event,
                        &a->periodic_timer,
                        CLOCK_BOOTTIME,
                        wait * USEC_PER_SEC,
                        USEC_PER_SEC,
                        on_periodic,
                        a);
}

static ScheduledInform *scheduled_inform_free(ScheduledInform *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        free(s->command_key);
        return mfree(s);
}
DEFINE_TRIVIAL_CLEANUP_FUNC(ScheduledInform *, scheduled_inform_free);

/* What is scheduled survives a restart of the device, by the wall clock. */
static int save_scheduled(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, SCHEDULE_FILE);
        _cleanup_wire_writer_ WireWriter w = {};
        uint32_t n = 0;

        for (size_t i = 0; i < SCHEDULED_INFORMS_MAX; i++)
                n += a->scheduled[i] != NULL;
        wire_put_u32(&w, n);
        for (size_t i = 0; i < SCHEDULED_INFORMS_MAX; i++)
                if (a->scheduled[i]) {
                        wire_put_u64(&w, (uint64_t) a->scheduled[i]->due);
                        wire_put_string(&w, a->scheduled[i]->command_key);
                }
        int r = path ? wire_finish(&w) : -ENOMEM;
        return r < 0 ? r : write_file_atomic(AT_FDCWD, path, w.data, w.size, 0600);
}

static int on_scheduled(sd_event_source *source, uint64_t usec, void *userdata) {
        ScheduledInform *s = userdata;
        Agent *a = s->agent;

        int r = inform_queue_add(a->queue, INFORM_SCHEDULED, NULL);
        if (r < 0)
                (void) log_error_errno(r, "Cannot queue an event for the ACS: %m");
        agent_add_event(a, INFORM_M_SCHEDULE_INFORM, s->command_key);

        for (size_t i = 0; i < SCHEDULED_INFORMS_MAX; i++)
                if (a->scheduled[i] == s)
                        a->scheduled[i] = scheduled_inform_free(s);
        r = save_scheduled(a);
        if (r < 0)
                (void) log_error_errno(r, "Cannot note that a scheduled inform is due: %m");
        return 0;
}

/* *ret_index is where it is. */
static int schedule(Agent *a, int64_t due, const char *command_key, size_t *ret_index) {
        _cleanup_(scheduled_inform_freep) ScheduledInform *s = NULL;
        size_t i = 0;

        while (i < SCHEDULED_INFORMS_MAX && a->scheduled[i])
                i++;
        if (i == SCHEDULED_INFORMS_MAX)
                return -ENOSPC;

        s = calloc(1, sizeof(*s));
        if (!s || !(s->command_key = strdup(command_key)))
                return -ENOMEM;
        s->agent = a;
        s->due = due;
        int r = sd_event_add_time(a->event, &s->timer, CLOCK_REALTIME, (uint64_t) MAX(due, 0) * USEC_PER_SEC,
                                  SESSION_TIMER_ACCURACY_USEC, on_scheduled, s);
        if (r < 0)
                return r;

        a->scheduled[i] = TAKE_PTR(s);
        *ret_index = i;
        return 0;
}

int agent_schedule_inform(void *userdata, uint32_t delay_sec, const char *command_key) {
        Agent *a = userdata;
        size_t i;

        int r = schedule(a, (int64_t) time(NULL) + delay_sec, command_key, &i);
        if (r < 0)
                return r;
        r = save_scheduled(a);
        if (r < 0)
                a->scheduled[i] = scheduled_inform_free(a->scheduled[i]);
        return r;
}

int agent_schedule_load(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, SCHEDULE_FILE), *data = NULL;
        size_t size, i;

        int r = path ? read_file(AT_FDCWD, path, SCHEDULE_FILE_MAX, &data, &size) : -ENOMEM;
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        WireReader reader = { .data = data, .size = size };
        for (size_t n = wire_get_count(&reader, sizeof(uint64_t) + sizeof(uint32_t)); n > 0 && r >= 0; n--) {
                int64_t due = (int64_t) wire_get_u64(&reader);
                _cleanup_free_ char *key = wire_get_string(&reader);
                r = key ? schedule(a, due, key, &i) : -EBADMSG;
        }
        return r < 0 ? r : wire_reader_end(&reader);
}

void agent_cancel_schedules(Agent *a) {
        for (size_t i = 0; i < SCHEDULED_INFORMS_MAX; i++)
                a->scheduled[i] = scheduled_inform_free(a->scheduled[i]);
        a->periodic_timer = sd_event_source_disable_unref(a->periodic_timer);
}
