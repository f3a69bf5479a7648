/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The providers on the bus: their comings and goings, their signals. */
#include "agent/agent-journal.h"
#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/base/str.h"

/* --- What a provider has when it appears: open promises, notify rules, values to compare --- */

struct Arrival {
        Arrival *next; /* in the agent's list */
        Agent *agent;
        ProviderCall call;
};

static void arrival_free(Arrival *arrival) {
        Arrival **p = &arrival->agent->arrivals;

        while (*p != arrival)
                p = &(*p)->next;
        *p = arrival->next;
        provider_call_done(&arrival->call);
        free(arrival);
}

void agent_providers_forget(Agent *a) {
        while (a->arrivals)
                arrival_free(a->arrivals);
}

static void arrival_end(Arrival *arrival) {
        Agent *a = arrival->agent;

        arrival_free(arrival);
        a->comparisons--;
        agent_consider_session(a);
}

/* News that the ACS wants at once end the wait after a failed session (TR-069 3.2.1.1). */
static void observe(Agent *a, const Parameter *p) {
        int r = notifications_observe(a->notifications, p);
        if (r < 0)
                (void) log_oom();
        if (r == NOTIFICATION_ACTIVE)
                agent_end_retry_wait(a);
}

static void values_compared(ProviderReply *reply, void *userdata) {
        Arrival *arrival = userdata;

        if (reply->fault)
                log_warning("Provider %s does not give its values.",
                            arrival->agent->providers.providers[arrival->call.provider].name);
        provider_table_withhold(&arrival->agent->providers, &reply->parameters);
        for (size_t i = 0; i < reply->parameters.n; i++)
                observe(arrival->agent, reply->parameters.items + i);
        arrival_end(arrival);
}

static void compare_values(Arrival *arrival) {
        const Provider *p = arrival->agent->providers.providers + arrival->call.provider;

        parameter_list_done(&arrival->call.parameters);
        arrival->call.method = PROVIDER_GET_VALUES;
        STRV_FOREACH(s, p->prefixes)
                if (!parameter_list_add(&arrival->call.parameters, *s, NULL, NULL)) {
                        (void) log_oom();
                        arrival_end(arrival);
                        return;
                }
        agent_provider_call(arrival->agent, &arrival->call, values_compared, arrival);
}

/* The ParameterKey is the last thing of a SetParameterValues (TR-069 A.3.2.1). */
static void promise_kept(Agent *a, const char *provider) {
        const char *key = journal_parameter_key(a->journal);

        int r = 0;
        if (key && journal_is_last(a->journal, provider))
                r = agent_model_set(a, "ManagementServer.ParameterKey", key);
        if (r >= 0)
                r = journal_complete(a->journal, provider);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot complete an interrupted SetParameterValues: %m");
}

static void promise_committed(ProviderReply *reply, void *userdata) {
        Arrival *arrival = userdata;
        Agent *a = arrival->agent;

        if (reply->fault == 0)
                promise_kept(a, a->providers.providers[arrival->call.provider].name);
        compare_values(arrival);
}

static void promise_prepared(ProviderReply *reply, void *userdata) {
        Arrival *arrival = userdata;
        Agent *a = arrival->agent;
        const char *name = a->providers.providers[arrival->call.provider].name;

        if (reply->token == 0) {
                if (reply->fault == 0) {
                        log_warning("Provider %s no longer accepts what it had prepared before it went away.", name);
                        (void) journal_complete(a->journal, name);
                }
                compare_values(arrival);
                return;
        }

        arrival->call.method = PROVIDER_COMMIT;
        arrival->call.token = reply->token;
        agent_provider_call(a, &arrival->call, promise_committed, arrival);
}

/* A SetParameterValues that was interrupted between its commits is completed before anything else. */
static void keep_promise(Arrival *arrival) {
        Agent *a = arrival->agent;
        const ParameterList *l = journal_open_settings(a->journal, a->providers.providers[arrival->call.provider].name);

        if (!l) {
                compare_values(arrival);
                return;
        }

        arrival->call.method = PROVIDER_PREPARE;
        for (size_t i = 0; i < l->n; i++)
                if (!parameter_list_add(
                                    &arrival->call.parameters,
                                    l->items[i].name,
                                    l->items[i].type,
                                    l->items[i].value)) {
                        (void) log_oom();
                        arrival_end(arrival);
                        return;
                }
        agent_provider_call(a, &arrival->call, promise_prepared, arrival);
}

static int read_rules(Agent *a, sd_bus_message *m) {
        _cleanup_parameter_list_ ParameterList rules = {};
        const char *name, *rule;

        int r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &name, &rule)) > 0)
                if (!parameter_list_add(&rules, name, NULL, rule))
                        return -ENOMEM;
        return r < 0 ? r : notifications_set_rules(a->notifications, &rules);
}

static int on_rules(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Arrival *arrival = userdata;

        int r = sd_bus_message_is_method_error(m, NULL) ? -sd_bus_message_get_errno(m) : read_rules(arrival->agent, m);
        if (r < 0)
                (void) log_warning_errno(r, "Provider %s does not give its rules of notification: %m",
                                         arrival->agent->providers.providers[arrival->call.provider].name);
        keep_promise(arrival);
        return 0;
}

static void provider_appeared(Agent *a, size_t index) {
        Provider *p = a->providers.providers + index;
        Arrival *arrival = calloc(1, sizeof(*arrival));

        p->available = true;
        if (!arrival) {
                (void) log_oom();
                return;
        }
        *arrival = (Arrival) { .next = a->arrivals, .agent = a, .call.provider = index };
        a->arrivals = arrival;
        a->comparisons++;

        int r = sd_bus_call_method_async(
                        a->bus,
                        NULL,
                        p->bus_name,
                        p->object_path,
                        DATA_MODEL_INTERFACE,
                        "GetNotifyRules",
                        on_rules,
                        arrival,
                        NULL);
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot call provider %s: %m", p->name);
                arrival_end(arrival);
        }
}

static bool is_arriving(const Agent *a, size_t index) {
        for (const Arrival *arrival = a->arrivals; arrival; arrival = arrival->next)
                if (arrival->call.provider == index)
                        return true;
        return false;
}

void agent_providers_keep_promises(Agent *a) {
        for (size_t i = 0; i < a->providers.n; i++) {
                const Provider *p = a->providers.providers + i;
                if (p->available && p->commits_late == 0 && journal_open_settings(a->journal, p->name) &&
                    !is_arriving(a, i))
                        provider_appeared(a, i);
        }
}

void agent_provider_committed_late(Agent *a, size_t index, bool done) {
        Provider *p = a->providers.providers + index;

        p->commits_late--;
        if (!done)
                agent_providers_keep_promises(a);
        else if (journal_open_settings(a->journal, p->name)) {
                promise_kept(a, p->name);
                /* The ACS heard that this follows: values that it wants to know of are news. */
                if (p->available && !is_arriving(a, index))
                        provider_appeared(a, index);
        }
}

/* --- Signals --- */

static void report_departure(const Provider *p) {
        _cleanup_free_ char *field = strfmt("ISPSTORAGE_PROVIDER=%s", p->name);

        agent_journal(LOG_INFO, MESSAGE_PROVIDER_AWAY, (const char *const[]) { field, NULL }, "Provider %s went away.",
                      p->name);
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Agent *a = userdata;
        const char *name, *old_owner, *new_owner;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0)
                return 0;
        for (size_t i = 0; i < a->providers.n; i++) {
                if (!streq(a->providers.providers[i].bus_name, name))
                        continue;
                a->providers.providers[i].available = false;
                if (new_owner[0])
                        provider_appeared(a, i);
                else
                        report_departure(a->providers.providers + i);
        }
        return 0;
}

/* Several services may share a connection, so the path tells who speaks. Only what the provider serves is
 * listened to. */
static int on_values_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        _cleanup_parameter_list_ ParameterList values = {};
        Agent *a = userdata;

        if (agent_read_values(m, &values) < 0)
                return 0;
        for (size_t i = 0; i < values.n; i++) {
                int owner = provider_table_route(&a->providers, values.items[i].name);
                if (owner >= 0 && streq_ptr(sd_bus_message_get_path(m), a->providers.providers[owner].object_path))
                        observe(a, values.items + i);
        }
        agent_consider_session(a);
        return 0;
}

static int on_objects_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Agent *a = userdata;
        const char *row;

        int r = sd_bus_message_skip(m, "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &row)) > 0) {
                int owner = provider_table_route(&a->providers, row);
                if (owner >= 0 && endswith(row, ".") &&
                    streq_ptr(sd_bus_message_get_path(m), a->providers.providers[owner].object_path))
                        notifications_forget(a->notifications, row);
        }
        return 0;
}

static int watch_provider(Agent *a, size_t index) {
        const Provider *p = a->providers.providers + index;
        _cleanup_free_ char *match = strfmt(
                        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                        "member='NameOwnerChanged',arg0='%s'",
                        p->bus_name);
        if (!match)
                return -ENOMEM;

        int r = sd_bus_add_match(a->bus, NULL, match, on_name_owner_changed, a);
        if (r >= 0)
                r = sd_bus_match_signal(
                                a->bus,
                                NULL,
                                p->bus_name,
                                p->object_path,
                                DATA_MODEL_INTERFACE,
                                "ValuesChanged",
                                on_values_changed,
                                a);
        if (r >= 0)
                r = sd_bus_match_signal(
                                a->bus,
                                NULL,
                                p->bus_name,
                                p->object_path,
                                DATA_MODEL_INTERFACE,
                                "ObjectsChanged",
                                on_objects_changed,
                                a);
        if (r < 0)
                return r;

        /* Before the event loop runs, waiting for the bus is allowed. */
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        r = sd_bus_get_name_creds(a->bus, p->bus_name, 0, &creds);
        if (r >= 0)
                provider_appeared(a, index);
        else if (r != -ENXIO && r != -ESRCH)
                return r;
        return 0;
}

int agent_providers_watch(Agent *a) {
        for (size_t i = 0; i < a->providers.n; i++) {
                int r = watch_provider(a, i);
                if (r < 0)
                        return log_error_errno(r, "Cannot watch provider %s: %m", a->providers.providers[i].name);
        }
        return 0;
}

void agent_providers_compare(Agent *a) {
        for (size_t i = 0; i < a->providers.n; i++)
                if (a->providers.providers[i].available)
                        provider_appeared(a, i);
}
