/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend's state: database, broker, repositories. Everything happens in one step: an event is taken
 * into the database together with the commands that it causes, and only then acted on. */
#pragma once

#include <systemd/sd-event.h>

#include "operator/common/mqtt-client.h"
#include "operator/frontend/frontend-config.h"
#include "operator/frontend/report.h"
#include "operator/frontend/store.h"

typedef struct Manager Manager;
typedef struct RepositoryJob RepositoryJob;
typedef struct TaskJob TaskJob;

/* Workers on repositories at a time. */
#define REPOSITORY_JOBS_MAX 4U

/* Tasks (operator/frontend/store-task.h) at a time: they are in no hurry, and pushes go on meanwhile. */
#define TASKS_MAX 2U
/* The one-line answer of a task's program. */
#define TASK_ANSWER_MAX 4096U

/* An administrator's command or task has its result. */
typedef void (*CommandFinishedHandler)(const char *id, void *userdata);

struct Manager {
        sd_event *event;
        sqlite3 *db;
        const FrontendConfig *config;
        MqttClient *mqtt;
        sd_event_source *timer_source, *hook_source, *housekeeping_source;
        int hook_fd;
        uint64_t republish_usec; /* until commands without a result are published once more; doubles */
        RepositoryJob *jobs;
        TaskJob *task_jobs;
        unsigned n_exports;
        CommandFinishedHandler command_finished;
        void *command_finished_userdata;
        struct {
                uint64_t informs, results, commands, pushes;
        } counters; /* since the start, for metrics */
        char **keys_changed; /* subscriptions whose keys changed in the open transaction */
        char **finished;     /* commands that were finished in the open transaction */
};

/* hook_fd (a bound SOCK_DGRAM socket, or -EBADF) is taken over. 0 or a negative errno; logs. */
int manager_new(Manager **ret, sd_event *event, const FrontendConfig *config, int hook_fd);
Manager *manager_free(Manager *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(Manager *, manager_free);

/* Seconds since 1970, UTC. */
int64_t manager_now(void);
/* To spread waits; 0 as long as the kernel has none. */
uint32_t manager_random(void);

/* After a commit: publishes what waits, sets the timer, wakes who waits for results. */
void manager_settle(Manager *m);

/* manager-device.c. All inside a transaction. */

/* Decides and carries out the device's next step and saves it. */
int manager_step(Manager *m, Device *d);
/* The same for every device of the subscription. */
int manager_step_subscription(Manager *m, const char *subscription);
/* The value of an object of the profile's variables that is fixed: RepositoryURL. NULL if memory ran out. */
char *manager_repository_url(const Manager *m, const char *subscription);
/* Profile and variables of a device; either result may be NULL. Logs. */
int manager_profile(
                const Manager *m,
                const Device *d,
                const Subscription *s,
                json_t **ret_profile,
                json_t **ret_variables);
/* A subscribed device has another key than before: it is authorized as well. */
int manager_key_changed(Manager *m, Device *d);
int manager_push_started(Manager *m, const Device *pusher);

/* manager-keys.c */

/* The keys that open the subscription's repository may have changed: after the commit the list beside it is
 * written. 0 or -ENOMEM. */
int manager_note_keys(Manager *m, const char *subscription);
void manager_write_keys(Manager *m);

/* manager-message.c */
int manager_handle_message(
                MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata);

/* manager-repository.c */

/* Makes the repository, reads its tip, or removes it, whatever is to be done; one worker for each at a time.
 */
int manager_check_repository(Manager *m, const char *subscription);
/* Reads every tip, and ends what was interrupted; unfinished: only the latter. */
int manager_check_repositories(Manager *m, bool unfinished);
/* The largest size of the subscription's repository in MiB; 0: no limit. */
uint64_t manager_quota(const Manager *m, const Subscription *s);
/* One datagram of the post-receive hook. */
int manager_handle_hook(sd_event_source *s, int fd, uint32_t revents, void *userdata);
void manager_free_jobs(Manager *m);
/* Repositories that are being looked at, or wait for it. */
unsigned manager_n_jobs(const Manager *m);

/* manager-task.c */

/* Starts what waits, as far as there is room. Logs. */
void manager_start_tasks(Manager *m);
/* Orders a copy to the mirror, if there is one: of the subscription, or of all (NULL). */
int manager_mirror(Manager *m, const char *subscription);
/* Makes the directory where files wait for publication. Logs. */
void manager_make_spool(Manager *m);
/* Orders maintenance where it is due, and removes files that nobody published. */
int manager_schedule_maintenance(Manager *m);
void manager_free_task_jobs(Manager *m);
