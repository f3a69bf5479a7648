/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When sessions start, and what follows from their ends (TR-069 sections 3.2.1 and 3.7). */
#include <sys/random.h>

#include "agent/agent-journal.h"
#include "agent/agent-manager.h"
#include "agent/core/backoff.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define USEC_PER_SEC 1000000ULL

static uint64_t now_usec(Agent *a) {
        uint64_t now = 0;
        (void) sd_event_now(a->event, CLOCK_MONOTONIC, &now);
        return now;
}

static int on_start(sd_event_source *s, void *userdata) {
        Agent *a = userdata;

        a->start_source = sd_event_source_disable_unref(a->start_source);
        a->retry_timer = sd_event_source_disable_unref(a->retry_timer);
        a->throttle_timer = sd_event_source_disable_unref(a->throttle_timer);
        a->informed = a->retry = false;

        int r = agent_worker_start(a);
        if (r < 0) {
                (void) log_error_errno(r, "Cannot start a session worker: %m");
                agent_end_session(a, "The session worker did not start");
        }
        return 0;
}

/* Not at once: what else is ready in this turn of the event loop, like the response to a connection
 * request, goes first. */
static void start_soon(Agent *a) {
        if (a->start_source)
                return;

        int r = sd_event_add_defer(a->event, &a->start_source, on_start, a);
        if (r >= 0)
                r = sd_event_source_set_priority(a->start_source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                (void) log_error_errno(r, "Cannot schedule a session: %m");
}

static int on_throttle(sd_event_source *s, uint64_t usec, void *userdata) {
        Agent *a = userdata;

        a->throttle_timer = sd_event_source_disable_unref(a->throttle_timer);
        agent_consider_session(a);
        return 0;
}

/* ManagementServer.DefaultActiveNotificationThrottle: sessions for value changes only keep their distance. */
static bool is_throttled(Agent *a) {
        uint64_t distance = agent_model_uint32(a, "ManagementServer.DefaultActiveNotificationThrottle") * USEC_PER_SEC;
        uint64_t now = now_usec(a), due = a->last_session_end_usec + distance;

        if (a->retry || !inform_queue_is_empty(a->queue) || transfer_queue_has_news(a->transfers))
                return false;
        if (a->last_session_end_usec == 0 || now >= due)
                return false;
        if (!a->throttle_timer) {
                int r = sd_event_add_time(a->event, &a->throttle_timer, CLOCK_MONOTONIC, due,
                                          SESSION_TIMER_ACCURACY_USEC, on_throttle, a);
                if (r < 0) {
                        (void) log_error_errno(r, "Cannot throttle sessions: %m");
                        return false;
                }
        }
        return true;
}

static bool may_start(Agent *a) {
        _cleanup_free_ char *url = agent_model_string(a, "ManagementServer.URL");
        bool enabled = false;

        (void) dm_get_bool(a->model, &enabled, "ManagementServer.EnableCWMP");
        return enabled && !isempty(url);
}

void agent_consider_session(Agent *a) {
        if (a->worker || a->retry_timer || a->comparisons > 0 || a->restart_helper)
                return;
        if (!a->retry && inform_queue_is_empty(a->queue) && !notifications_pending_active(a->notifications) &&
            !transfer_queue_has_news(a->transfers))
                return;
        if (!may_start(a) || is_throttled(a))
                return;
        start_soon(a);
}

void agent_end_retry_wait(Agent *a) {
        a->retry_timer = sd_event_source_disable_unref(a->retry_timer);
}

void agent_add_event(Agent *a, InformEvent event, const char *command_key) {
        int r = inform_queue_add(a->queue, event, command_key);
        if (r < 0)
                (void) log_error_errno(r, "Cannot queue an event for the ACS: %m");
        agent_end_retry_wait(a);
        agent_consider_session(a);
}

void agent_new_acs(Agent *a) {
        if (!agent_model_needs_bootstrap(a))
                return;
        notifications_reset(a->notifications);
        agent_add_event(a, INFORM_BOOTSTRAP, NULL);
        agent_providers_compare(a);
}

void agent_informed(Agent *a) {
        if (a->informed)
                return;

        a->informed = true;
        int r = agent_model_needs_bootstrap(a) ? agent_model_bootstrapped(a) : 0;
        if (r >= 0)
                r = inform_queue_acknowledge(a->queue);
        if (r >= 0)
                r = notifications_acknowledge(a->notifications);
        if (r < 0)
                (void) log_error_errno(r, "Cannot note what was delivered; it will be told again: %m");
}

/* TR-069 3.2.1.1: also for the sake of what the ACS had to say; A.3.3.1: without events, if there are none any more. */
static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        Agent *a = userdata;

        agent_end_retry_wait(a);
        a->retry = true;
        agent_consider_session(a);
        return 0;
}

static void schedule_retry(Agent *a, const char *error) {
        uint64_t random = 0;

        a->retry_count++;
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                log_warning("No random numbers: the retry comes at its earliest time.");
        uint64_t wait = backoff_interval_usec(
                        a->retry_count, agent_model_uint32(a, "ManagementServer.CWMPRetryMinimumWaitInterval"),
                        agent_model_uint32(a, "ManagementServer.CWMPRetryIntervalMultiplier"), random);

        _cleanup_free_ char *url = agent_model_string(a, "ManagementServer.URL");
        _cleanup_free_ char *acs = strfmt("ISPSTORAGE_ACS=%s", strempty(url));
        _cleanup_free_ char *count = strfmt("ISPSTORAGE_RETRY_COUNT=%u", a->retry_count);
        agent_journal(LOG_WARNING, MESSAGE_SESSION_FAILED, (const char *const[]) { acs, acs ? count : NULL, NULL },
                      "Session with the ACS failed: %s. Retry %u in %llu s.", error, a->retry_count,
                      (unsigned long long) wait / USEC_PER_SEC);
        agent_end_retry_wait(a);
        int r = sd_event_add_time_relative(a->event, &a->retry_timer, CLOCK_BOOTTIME, wait, SESSION_TIMER_ACCURACY_USEC,
                                           on_retry, a);
        if (r < 0)
                (void) log_error_errno(r, "Cannot schedule the retry: %m");
}

void agent_end_session(Agent *a, const char *error) {
        a->rpc = rpc_cancel(a->rpc);
        a->session = session_free(a->session);
        agent_worker_stop(a);
        transfer_queue_session_ended(a->transfers);
        a->last_session_end_usec = now_usec(a);
        (void) free_and_strdup(&a->last_error, strempty(error));
        agent_providers_keep_promises(a);

        if (error) {
                /* Whatever was wrong, the next one does not depend on what this one left. */
                tls_ticket_done(&a->tickets.ticket);
                inform_queue_session_failed(a->queue);
                schedule_retry(a, error);
        } else {
                a->retry_count = 0;
                agent_consider_session(a);
        }
        agent_bus_changed(a);
}
