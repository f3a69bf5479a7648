/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent: what it owns, and the pieces that its bus files share. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "agent/agent-config.h"
#include "agent/core/channel.h"
#include "agent/core/configuration.h"
#include "agent/core/connection-request.h"
#include "agent/core/inform-queue.h"
#include "agent/core/rpc.h"
#include "agent/core/session.h"
#include "agent/core/ticket-keeper.h"
#include "common/bus/dm-bus.h"
#include "common/daemon/worker.h"

#define AGENT_BUS_NAME "org.ispstorage.Agent1"
#define AGENT_OBJECT_PATH "/org/ispstorage/Agent1"
#define DATA_MODEL_INTERFACE "org.ispstorage.DataModel1"

/* TR-069 3.2.2: registered for connection requests; the documents are beside. */
#define CONNECTION_REQUEST_PORT 7547U
#define DOCUMENT_PORT 7548U

/* How late a session may begin that a time was said for (a retry, a ScheduleInform, the end of the throttle, a
 * transfer's window): sd-event takes 0 for a quarter of a second, which is much where TR-069 counts whole ones. */
#define SESSION_TIMER_ACCURACY_USEC 10000U

/* ScheduleInforms that can wait; an ACS has use for one or two. */
#define SCHEDULED_INFORMS_MAX 8U

/* What happens to the device when the session is over. */
typedef enum RestartKind {
        RESTART_NONE,
        RESTART_REBOOT,
        RESTART_FACTORY_RESET,
        RESTART_MAX,
} RestartKind;

typedef struct ScheduledInform ScheduledInform;
typedef struct TransferRun TransferRun;
typedef struct Helper Helper;
typedef struct Arrival Arrival;
typedef struct Listener Listener;
typedef struct Agent Agent;

struct Agent {
        AgentConfig config;
        sd_event *event;
        sd_bus *bus;
        DmModel *model;
        DmBus *model_bus;

        ProviderTable providers;
        Notifications *notifications;
        InformQueue *queue;
        Journal *journal;
        RpcContext rpc_context;
        unsigned comparisons; /* providers whose values are being compared */
        Arrival *arrivals;    /* those, and what is known of them so far */

        ConnectionRequests *connection_requests;
        Listener *connection_request_listener, *document_listener;
        char *connection_request_path;

        Worker *worker; /* of the running session, until its process ended */
        int worker_socket;
        sd_event_source *worker_io, *worker_deadline;
        bool informed; /* the running session's InformResponse came */
        Session *session;
        Rpc *rpc;
        char *challenge; /* of the ACS, from the last session */
        uint32_t nonce_count;
        TicketKeeper tickets;

        TransferQueue *transfers;
        TransferRun *transfer_run; /* the one in progress */
        sd_event_source *transfer_timer;
        sd_event_source *discovery_source;
        RestartKind restart;
        Helper *restart_helper;
        sd_event_source *restart_timer;

        sd_event_source *retry_timer, *throttle_timer, *start_source, *periodic_timer;
        ScheduledInform *scheduled[SCHEDULED_INFORMS_MAX];
        unsigned retry_count;
        bool retry; /* the time for it has come, also if all events were delivered before the session failed */
        unsigned inform_id; /* of the last session's Inform */
        uint64_t last_session_end_usec; /* CLOCK_MONOTONIC */
        char *last_error;
};

/* Takes the configuration over, whose place is empty then. 0 or a negative errno. This function logs. */
int agent_new(Agent **ret, AgentConfig *config);
Agent *agent_free(Agent *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(Agent *, agent_free);
/* Connects to the bus, takes the name, listens. 0 or a negative errno. This function logs. */
int agent_start(Agent *a);
/* "<state directory>/<name>" in a new string. */
char *agent_state_path(const Agent *a, const char *name);
/* What nobody guesses, in hexadecimal digits. 0 or a negative errno. */
#define AGENT_RANDOM_SIZE 33U
int agent_random(char ret[static AGENT_RANDOM_SIZE]);

/* agent-model.c: DeviceInfo. and ManagementServer. */
int agent_model_setup(Agent *a);
/* Values as the model has them; NULL if memory ran out, "" if there is no such parameter. */
char *agent_model_string(Agent *a, const char *path);
uint32_t agent_model_uint32(Agent *a, const char *path);
int agent_model_set(Agent *a, const char *path, const char *value);
/* Appends the parameters that every Inform carries (TR-069 3.7.1.5, forcedInform). 0 or a negative errno. */
int agent_model_forced_inform(Agent *a, ParameterList *l);
/* True if the ACS that the model names has not had its BOOTSTRAP; agent_model_bootstrapped() notes that it had. */
bool agent_model_needs_bootstrap(Agent *a);
int agent_model_bootstrapped(Agent *a);

/* agent-documents.c: rows of DeviceInfo.SupportedDataModel for the documents of all providers. */
int agent_documents_publish(Agent *a);

/* agent-provider-call.c: calls to the providers. */
/* For DataModel. A provider that says nothing for 15 s has not answered; if it does later, a Prepare is aborted and a
 * row that AddObject made is deleted, since the ACS heard a fault, and a Commit counts. */
void agent_provider_call(
                void *userdata,
                const ProviderCall *call,
                ProviderReplyHandler handler,
                void *handler_userdata);
/* Adds names, types and values, the next in the message, to the list. 0 or a negative errno. */
int agent_read_values(sd_bus_message *m, ParameterList *l);

/* agent-providers.c: the data model over the bus. */
/* Watches all providers' names and signals, and compares the values of those that are there. */
int agent_providers_watch(Agent *a);
/* Ends what is being compared; the bus is closed. */
void agent_providers_forget(Agent *a);
/* Compares the values of all that are there with what the ACS was told. */
void agent_providers_compare(Agent *a);
/* Has those that are there do what a SetParameterValues promised for them and they did not do: one may have come back
 * between Prepare and Commit, or have hung at the Commit. */
void agent_providers_keep_promises(Agent *a);
/* A Commit that had been given up has its answer: what was promised is done, or is asked for again. */
void agent_provider_committed_late(Agent *a, size_t provider, bool done);

/* agent-session.c: sessions and when they start. */
/* Adds the event and starts a session as soon as possible. */
void agent_add_event(Agent *a, InformEvent event, const char *command_key);
/* Starts a session if there is a reason to and none is running; otherwise this is asked again when that ended. */
void agent_consider_session(Agent *a);
/* Something new is to be told: the next session does not wait for the retry's time. */
void agent_end_retry_wait(Agent *a);
/* The ACS got its InformResponse through: events and values are delivered. */
void agent_informed(Agent *a);
/* The session is over; error is NULL if it succeeded. */
void agent_end_session(Agent *a, const char *error);
/* The model names an ACS that does not know us. */
void agent_new_acs(Agent *a);

/* agent-restart.c: Reboot and FactoryReset. */
/* The identity of the device's boot, made by the first start after it, in a new string. 0 or a negative errno. */
int agent_boot_id(const Agent *a, char **ret);
/* "<helper directory>/<name>" in a new string. */
char *agent_helper_path(const Agent *a, const char *helper);
/* The two for RpcContext; agent_order_restart() is what has no CommandKey. 0, -EOPNOTSUPP if the device has no helper
 * for it, or another negative errno. */
int agent_order_reboot(void *userdata, const char *command_key);
int agent_order_factory_reset(void *userdata);
int agent_order_restart(Agent *a, RestartKind kind);
/* Between sessions: begins what was ordered, unless a file is being put into effect. True if it is under way. */
bool agent_restart(Agent *a);
/* What was ordered before the agent was stopped. 0 or a negative errno. */
int agent_restart_load(Agent *a);

/* agent-transfer.c: the queue of file transfers. */
int agent_transfers_setup(Agent *a);
void agent_transfers_done(Agent *a);
/* Begins what is due, if no session runs. */
void agent_consider_transfers(Agent *a);
/* True while a file is being put into effect: not the time to restart. */
bool agent_transfer_is_applied(const Agent *a);
/* For RpcContext. */
bool agent_transfers_changed(void *userdata, const Transfer *running);

/* agent-discovery.c: the ACS that DHCP names. */
/* Reads the file. 0 or a negative errno. This function logs. */
int agent_discover(Agent *a);
/* Does so whenever it changes. 0 or a negative errno. */
int agent_discovery_watch(Agent *a);

/* agent-schedule.c: informs at their time. */
int agent_schedule_periodic(Agent *a);
int agent_schedule_inform(void *userdata, uint32_t delay_sec, const char *command_key);
/* Those that were scheduled before the agent was stopped. 0, -EBADMSG for a damaged file, or another negative errno. */
int agent_schedule_load(Agent *a);
void agent_cancel_schedules(Agent *a);

/* agent-inform.c: the Inform with all that waits; local_address is the own one towards the ACS. */
int agent_make_inform(Agent *a, const char *local_address, CwmpMessage **ret);

/* Adds to the session what the Inform announces: a TransferComplete for each transfer. 0 or a negative errno. */
int agent_add_requests(Agent *a);

/* agent-worker.c: the process of one session and what it says. */
/* Starts it; all else follows from its answers. 0 or a negative errno. */
int agent_worker_start(Agent *a);
/* Asks it to end by closing its socket. */
void agent_worker_stop(Agent *a);

/* agent-bus.c: org.ispstorage.Agent1.Manager. */
int agent_bus_export(Agent *a);
void agent_bus_changed(Agent *a);
