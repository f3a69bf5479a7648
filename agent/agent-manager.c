/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent-manager.h"

#include <fcntl.h>
#include <sys/random.h>

#include "agent/agent-http.h"
#include "agent/helper.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/daemon/daemon-run.h"

/* The boot that was queued for the ACS. */
#define BOOT_ID_FILE "boot-id"

char *agent_state_path(const Agent *a, const char *name) {
        return strfmt("%s/%s", a->config.state_directory, name);
}

int agent_random(char ret[static AGENT_RANDOM_SIZE]) {
        unsigned char random[(AGENT_RANDOM_SIZE - 1) / 2];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return -errno;
        format_hex(random, sizeof(random), ret);
        return 0;
}

Agent *agent_free(Agent *a) {
        if (!a)
                return NULL;

        agent_cancel_schedules(a);
        agent_transfers_done(a);
        sd_event_source_disable_unref(a->restart_timer);
        sd_event_source_disable_unref(a->discovery_source);
        helper_free(a->restart_helper);
        a->rpc = rpc_cancel(a->rpc);
        sd_event_source_disable_unref(a->worker_io);
        sd_event_source_disable_unref(a->worker_deadline);
        sd_event_source_disable_unref(a->retry_timer);
        sd_event_source_disable_unref(a->throttle_timer);
        sd_event_source_disable_unref(a->start_source);
        worker_free(a->worker);
        safe_close(a->worker_socket);
        session_free(a->session);
        listener_free(a->connection_request_listener);
        listener_free(a->document_listener);
        connection_requests_free(a->connection_requests);
        free(a->connection_request_path);

        dm_bus_free(a->model_bus);
        sd_bus_flush_close_unref(a->bus);
        agent_providers_forget(a);
        dm_model_free(a->model);
        notifications_free(a->notifications);
        inform_queue_free(a->queue);
        journal_free(a->journal);
        provider_table_done(&a->providers);
        free(a->challenge);
        tls_ticket_done(&a->tickets.ticket);
        free(a->last_error);
        sd_event_unref(a->event);
        agent_config_done(&a->config);
        return mfree(a);
}

static int set_parameter_key(void *userdata, const char *key) {
        return agent_model_set(userdata, "ManagementServer.ParameterKey", key);
}

/* The state files; damage costs what is in the file, not the service. */
static int load_state(Agent *a) {
        _cleanup_free_ char *notifications = agent_state_path(a, "notifications");
        _cleanup_free_ char *queue = agent_state_path(a, "events"), *journal = agent_state_path(a, "journal");

        if (!notifications || !queue || !journal)
                return log_oom();

        int r = notifications_new(&a->notifications, notifications);
        if (r == -EBADMSG)
                log_warning("The state of notifications was damaged: all notified values will be told again.");
        else if (r < 0)
                return log_error_errno(r, "Cannot read the state of notifications: %m");

        r = inform_queue_new(&a->queue, queue);
        if (r == -EBADMSG)
                log_warning("The queue of events was damaged: the ACS will see a first contact.");
        else if (r < 0)
                return log_error_errno(r, "Cannot read the queue of events: %m");

        r = journal_new(&a->journal, journal);
        return r < 0 ? log_error_errno(r, "Cannot read the journal of SetParameterValues: %m") : 0;
}

int agent_new(Agent **ret, AgentConfig *config) {
        _cleanup_(agent_freep) Agent *a = calloc(1, sizeof(*a));

        if (!a)
                return log_oom();
        a->worker_socket = -EBADF;
        a->config = *config;
        *config = (AgentConfig) {};

        int r = mkdir_parents(a->config.state_directory, 0700);
        if (r < 0)
                return log_error_errno(r, "Cannot create %s: %m", a->config.state_directory);
        r = daemon_event_new(&a->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make the event loop: %m");
        r = provider_table_load(&a->providers, a->config.root_object, a->config.provider_directories);
        if (r < 0)
                return log_error_errno(r, "Cannot read the provider files: %m");
        if (strv_copy(a->config.withheld, &a->providers.withheld) < 0)
                return log_oom();
        if ((r = load_state(a)) < 0 || (r = agent_transfers_setup(a)) < 0 ||
            (r = agent_http_setup(a)) < 0 || (r = agent_model_setup(a)) < 0 || (r = agent_discover(a)) < 0 ||
            (r = agent_documents_publish(a)) < 0)
                return r;

        a->rpc_context = (RpcContext) {
                .providers = &a->providers,
                .model = { .call = agent_provider_call, .userdata = a },
                .notifications = a->notifications,
                .journal = a->journal,
                .set_parameter_key = set_parameter_key,
                .schedule_inform = agent_schedule_inform,
                .reboot = agent_order_reboot,
                .factory_reset = agent_order_factory_reset,
                .transfers = a->transfers,
                .transfers_changed = agent_transfers_changed,
                .userdata = a,
        };
        *ret = TAKE_PTR(a);
        return 0;
}

/* A restart of the service is not a boot of the device. */
static int queue_boot_events(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, BOOT_ID_FILE), *known = NULL, *boot_id = NULL;

        if (!path)
                return -ENOMEM;
        int r = agent_boot_id(a, &boot_id);
        if (r < 0)
                return r;
        if (read_file(AT_FDCWD, path, AGENT_RANDOM_SIZE, &known, NULL) < 0 || !streq(known, boot_id)) {
                r = inform_queue_add(a->queue, INFORM_BOOT, NULL);
                if (r >= 0)
                        r = write_file_atomic(AT_FDCWD, path, boot_id, strlen(boot_id), 0600);
                if (r < 0)
                        return r;
        }

        if (!agent_model_needs_bootstrap(a))
                return 0;
        notifications_reset(a->notifications);
        return inform_queue_add(a->queue, INFORM_BOOTSTRAP, NULL);
}

int agent_start(Agent *a) {
        int r = bus_error_register();
        if (r >= 0)
                r = sd_bus_default_system(&a->bus);
        if (r >= 0)
                r = sd_bus_attach_event(a->bus, a->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(a->bus, true);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus: %m");

        r = dm_bus_new(&a->model_bus, a->bus, a->model, AGENT_BUS_NAME);
        if (r >= 0)
                r = agent_bus_export(a);
        if (r >= 0)
                r = sd_bus_request_name(a->bus, AGENT_BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "Cannot take the bus name " AGENT_BUS_NAME ": %m");

        r = agent_restart_load(a);
        if (r < 0)
                return log_error_errno(r, "Cannot read what the ACS ordered: %m");
        r = queue_boot_events(a);
        if (r < 0)
                return log_error_errno(r, "Cannot note the boot of the device: %m");
        if ((r = agent_http_listen(a)) < 0 || (r = agent_providers_watch(a)) < 0)
                return r;
        r = agent_schedule_load(a);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot read the scheduled informs, they are forgotten: %m");
        r = agent_schedule_periodic(a);
        if (r < 0)
                return log_error_errno(r, "Cannot schedule the periodic inform: %m");
        r = agent_discovery_watch(a);
        if (r < 0)
                return log_error_errno(r, "Cannot watch %s: %m", a->config.discovery_file);

        if (!agent_restart(a)) {
                agent_consider_transfers(a);
                agent_consider_session(a);
        }
        return 0;
}
