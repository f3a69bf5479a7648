/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/random.h>
#include <time.h>

#include "common/base/log.h"
#include "operator/common/topic.h"
#include "operator/frontend/manager.h"
#include "operator/frontend/store-task.h"

/* Devices that are looked at in one transaction of the timer. */
#define DUE_MAX 100U
/* A command without a result is published again, first soon after a (re)connect: a broker that forgot the
 * ACS's session drops what comes before the ACS is back. The ACS knows it by its id. */
#define REPUBLISH_MIN_USEC (5 * 1000000ULL)
#define REPUBLISH_MAX_USEC (600 * 1000000ULL)
/* After a failure of the database. */
#define RETRY_USEC (10 * 1000000ULL)
/* Somebody waits for what is due now (0 would be a quarter of a second). */
#define TIMER_ACCURACY_USEC 1000U

int64_t manager_now(void) {
        return (int64_t) time(NULL);
}

uint32_t manager_random(void) {
        uint32_t r = 0;

        (void) getrandom(&r, sizeof(r), GRND_NONBLOCK);
        return r;
}

/* Publishes what was not published yet, as far as the client takes it; drained() goes on. */
static int publish_commands(Manager *m) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int r, published = 0;

        if (!m->mqtt || !mqtt_client_is_connected(m->mqtt))
                return 0;
        r = sqlite_begin(m->db, &transaction);
        if (r < 0)
                return r;
        for (;;) {
                _cleanup_(command_freep) Command *c = NULL;
                _cleanup_free_ char *topic = NULL;

                r = store_command_next(m->db, &c);
                if (r <= 0)
                        break;
                r = topic_new(c->device, TOPIC_COMMAND, &topic);
                if (r >= 0)
                        r = mqtt_client_publish(m->mqtt, topic, c->payload, strlen(c->payload));
                if (r == -EAGAIN || r == -ENOTCONN) {
                        r = 0;
                        break;
                }
                if (r >= 0)
                        r = store_command_published(m->db, c->id, manager_now());
                if (r < 0)
                        break;
                published++;
                m->counters.commands++;
        }
        if (r < 0 || published == 0)
                return r;
        return sqlite_commit(m->db);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata);

static void set_timer(Manager *m) {
        int64_t next, now = manager_now();
        int r;

        r = store_device_next_check(m->db, &next);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to read the next time: %m");
                return;
        }
        if (next == INT64_MAX) {
                (void) sd_event_source_set_enabled(m->timer_source, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(
                        m->timer_source, (uint64_t) MAX(next - now, INT64_C(0)) * 1000000ULL);
        (void) sd_event_source_set_enabled(m->timer_source, SD_EVENT_ONESHOT);
}

void manager_settle(Manager *m) {
        int r;

        /* Before the devices hear of it. */
        manager_write_keys(m);
        r = publish_commands(m);
        if (r < 0)
                (void) log_error_errno(r, "Failed to publish commands: %m");
        STRV_FOREACH(id, m->finished)
                if (m->command_finished)
                        m->command_finished(*id, m->command_finished_userdata);
        m->finished = strv_free(m->finished);
        set_timer(m);
}

/* Takes the next step of each of these devices, in one transaction. */
static int step_devices(Manager *m, char **ids, bool refresh) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r < 0)
                return r;
        STRV_FOREACH(id, ids) {
                _cleanup_(device_freep) Device *d = NULL;

                r = store_device_load(m->db, *id, &d);
                if (r < 0)
                        return r;
                if (refresh && d->n_pending == 0)
                        d->refresh = true;
                r = manager_step(m, d);
                if (r < 0)
                        return r;
        }
        return sqlite_commit(m->db);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        _cleanup_strv_free_ char **ids = NULL;
        Manager *m = userdata;
        int r;

        r = store_device_due(m->db, manager_now(), DUE_MAX, &ids);
        if (r >= 0)
                r = step_devices(m, ids, false);
        if (r < 0) {
                /* They are still due: a full disk must not make this a busy loop. */
                (void) log_error_errno(r, "Failed to look at the devices that are due: %m");
                (void) sd_event_source_set_time_relative(s, RETRY_USEC);
                (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                return 0;
        }
        manager_settle(m);
        return 0;
}

static int on_housekeeping(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        r = store_command_republish(m->db, manager_now() - (int64_t) (REPUBLISH_MIN_USEC / 1000000ULL) + 1);
        if (r >= 0)
                r = store_expire(m->db, manager_now());
        if (r >= 0)
                r = manager_check_repositories(m, true);
        if (r >= 0)
                r = manager_schedule_maintenance(m);
        if (r < 0)
                (void) log_error_errno(r, "Failed to tidy up the database: %m");
        manager_settle(m);
        m->republish_usec = MIN(m->republish_usec * 2, REPUBLISH_MAX_USEC);
        (void) sd_event_source_set_time_relative(s, m->republish_usec);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* The broker may have lost what it acknowledged, in both directions. */
static void on_connected(MqttClient *c, void *userdata) {
        _cleanup_strv_free_ char **ids = NULL;
        Manager *m = userdata;
        int r;

        m->republish_usec = REPUBLISH_MIN_USEC;
        (void) sd_event_source_set_time_relative(m->housekeeping_source, m->republish_usec);
        r = store_command_republish(m->db, INT64_MAX);
        if (r >= 0)
                r = store_device_unequal(m->db, &ids);
        if (r >= 0)
                r = step_devices(m, ids, true);
        if (r < 0)
                (void) log_error_errno(r, "Failed to look around after connecting: %m");
        manager_settle(m);
}

static void on_drained(MqttClient *c, void *userdata) {
        Manager *m = userdata;
        int r;

        r = publish_commands(m);
        if (r < 0)
                (void) log_error_errno(r, "Failed to publish commands: %m");
}

static int connect_broker(Manager *m) {
        const MqttSettings settings = broker_config_settings(&m->config->broker, "ispstorage-frontend");
        const char *filters[] = { topic_filter(TOPIC_INFORM), topic_filter(TOPIC_RESULT), NULL };
        const MqttHandlers handlers = {
                .connected = on_connected,
                .message = manager_handle_message,
                .drained = on_drained,
        };
        int r;

        r = mqtt_client_new(&m->mqtt, m->event, &settings, filters, &handlers, m);
        return r < 0 ? log_error_errno(r, "Failed to set up the connection to the broker: %m") : 0;
}

int manager_new(Manager **ret, sd_event *event, const FrontendConfig *config, int hook_fd) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return log_oom();
        m->event = sd_event_ref(event);
        m->config = config;
        m->hook_fd = hook_fd;
        m->republish_usec = REPUBLISH_MIN_USEC;
        r = store_open(config->database, &m->db);
        if (r < 0)
                return log_error_errno(r, "Failed to open %s: %m", config->database);
        r = sd_event_add_time_relative(event, &m->timer_source, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, on_timer, m);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                event,
                                &m->housekeeping_source,
                                CLOCK_MONOTONIC,
                                m->republish_usec,
                                0,
                                on_housekeeping,
                                m);
        if (r >= 0 && hook_fd >= 0)
                r = sd_event_add_io(event, &m->hook_source, hook_fd, EPOLLIN, manager_handle_hook, m);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        r = connect_broker(m);
        if (r < 0)
                return r;
        manager_make_spool(m);
        r = store_task_restart(m->db);
        if (r >= 0)
                r = manager_check_repositories(m, false);
        if (r < 0)
                return log_error_errno(r, "Failed to look at the repositories: %m");
        manager_start_tasks(m);
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        manager_free_jobs(m);
        manager_free_task_jobs(m);
        (void) mqtt_client_free(m->mqtt);
        (void) sd_event_source_disable_unref(m->timer_source);
        (void) sd_event_source_disable_unref(m->hook_source);
        (void) sd_event_source_disable_unref(m->housekeeping_source);
        (void) safe_close(m->hook_fd);
        sqlite_close(m->db);
        (void) sd_event_unref(m->event);
        (void) strv_free(m->finished);
        (void) strv_free(m->keys_changed);
        return mfree(m);
}
