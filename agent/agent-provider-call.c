/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of org.ispstorage.DataModel1, and what becomes of those that are answered too late. */
#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"

/* Shorter than the time in which an ACS gives up waiting (30 s and more); a provider answers in milliseconds. */
#define PROVIDER_TIMEOUT_USEC (15ULL * 1000000U)
/* A provider that says nothing for so long never will; it is asked again. */
#define PROVIDER_FORGOTTEN_USEC (600ULL * 1000000U)

/* Lives until the reply is there, also if the caller was told before that there is none. */
typedef struct PendingCall {
        Agent *agent;
        size_t provider;
        ProviderMethod method;
        char *path; /* AddObject: the table */
        ProviderReplyHandler handler; /* NULL once it was told */
        void *userdata;
        sd_event_source *timeout;
} PendingCall;

static void pending_free(void *userdata) {
        PendingCall *p = userdata;

        (void) sd_event_source_disable_unref(p->timeout);
        free(p->path);
        free(p);
}

static int read_names(sd_bus_message *m, ParameterList *l) {
        const char *name;
        int writable, r;

        r = sd_bus_message_enter_container(m, 'a', "(sb)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sb)", &name, &writable)) > 0) {
                Parameter *p = parameter_list_add(l, name, NULL, NULL);
                if (!p)
                        return -ENOMEM;
                p->writable = writable;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int agent_read_values(sd_bus_message *m, ParameterList *l) {
        const char *name, *type, *value;

        int r = sd_bus_message_enter_container(m, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sss)", &name, &type, &value)) > 0)
                if (!parameter_list_add(l, name, type, value))
                        return -ENOMEM;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_faults(sd_bus_message *m, ParameterList *l) {
        const char *name, *text;
        uint32_t code;

        int r = sd_bus_message_enter_container(m, 'a', "(sus)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sus)", &name, &code, &text)) > 0) {
                Parameter *p = parameter_list_add(l, name, NULL, text);
                if (!p)
                        return -ENOMEM;
                p->fault = code;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_reply(sd_bus_message *m, ProviderMethod method, ProviderReply *reply) {
        int32_t status = 0;
        int r = -EINVAL;

        switch (method) {
        case PROVIDER_GET_NAMES:
                return read_names(m, &reply->parameters);
        case PROVIDER_GET_VALUES:
                return agent_read_values(m, &reply->parameters);
        case PROVIDER_PREPARE:
                r = sd_bus_message_read(m, "t", &reply->token);
                return r < 0 ? r : read_faults(m, &reply->parameters);
        case PROVIDER_COMMIT:
        case PROVIDER_DELETE_OBJECT:
                r = sd_bus_message_read(m, "i", &status);
                break;
        case PROVIDER_ADD_OBJECT:
                r = sd_bus_message_read(m, "ui", &reply->instance, &status);
                break;
        case PROVIDER_ABORT:
                return 0;
        }
        reply->status = status > 0;
        return r;
}

static void undone(ProviderReply *reply, void *userdata) {
        const Provider *p = userdata;

        if (reply->fault)
                log_warning("Provider %s does not take back what it did too late.", p->name);
}

/* What the ACS was told has failed is taken back. */
static void undo(const PendingCall *p, const ProviderReply *reply) {
        _cleanup_free_ char *row = NULL;
        ProviderCall call = { .provider = p->provider, .method = PROVIDER_ABORT, .token = reply->token };

        if (p->method == PROVIDER_ADD_OBJECT) {
                row = strfmt("%s%u.", p->path, reply->instance);
                if (!row) {
                        (void) log_oom();
                        return;
                }
                call.method = PROVIDER_DELETE_OBJECT;
                call.path = row;
        }
        agent_provider_call(p->agent, &call, undone, p->agent->providers.providers + p->provider);
}

/* The caller has gone on without this answer. */
static void answered_late(const PendingCall *p, const ProviderReply *reply) {
        switch (p->method) {
        case PROVIDER_PREPARE:
                if (reply->token != 0)
                        undo(p, reply);
                break;
        case PROVIDER_ADD_OBJECT:
                if (reply->fault == 0)
                        undo(p, reply);
                break;
        case PROVIDER_COMMIT:
                agent_provider_committed_late(p->agent, p->provider, reply->fault == 0);
                break;
        default:
                break;
        }
}

static void give_reply(PendingCall *p, ProviderReply *reply) {
        ProviderReplyHandler handler = p->handler;

        p->handler = NULL;
        handler(reply, p->userdata);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        PendingCall *p = userdata;
        Provider *provider = p->agent->providers.providers + p->provider;
        ProviderReply reply = { .fault = FAULT_INTERNAL_ERROR, .unanswered = true };

        log_warning("Provider %s does not answer.", provider->name);
        if (p->method == PROVIDER_COMMIT)
                provider->commits_late++;
        give_reply(p, &reply);
        return 0;
}

static bool is_no_answer(const sd_bus_error *e) {
        return sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT, SD_BUS_ERROR_DISCONNECTED);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        PendingCall *p = userdata;
        ProviderReply reply = {};

        const sd_bus_error *e = sd_bus_message_get_error(m);
        if (e) {
                reply.fault = bus_error_to_fault(e);
                reply.unanswered = is_no_answer(e);
                log_debug("Provider call failed: %s: %s", e->name, strempty(e->message));
        } else if (read_reply(m, p->method, &reply) < 0)
                reply.fault = FAULT_INTERNAL_ERROR;

        p->timeout = sd_event_source_disable_unref(p->timeout);
        if (p->handler)
                give_reply(p, &reply);
        else
                answered_late(p, &reply);
        provider_reply_done(&reply);
        return 0;
}

static int append_arguments(sd_bus_message *m, const ProviderCall *call) {
        const ParameterList *l = &call->parameters;
        int r;

        switch (call->method) {
        case PROVIDER_GET_NAMES:
                return sd_bus_message_append(m, "sb", call->path, call->next_level);
        case PROVIDER_GET_VALUES:
                r = sd_bus_message_open_container(m, 'a', "s");
                for (size_t i = 0; i < l->n && r >= 0; i++)
                        r = sd_bus_message_append(m, "s", l->items[i].name);
                return r < 0 ? r : sd_bus_message_close_container(m);
        case PROVIDER_PREPARE:
                r = sd_bus_message_open_container(m, 'a', "(sss)");
                for (size_t i = 0; i < l->n && r >= 0; i++)
                        r = sd_bus_message_append(m, "(sss)", l->items[i].name, strempty(l->items[i].type),
                                                  strempty(l->items[i].value));
                return r < 0 ? r : sd_bus_message_close_container(m);
        case PROVIDER_COMMIT:
        case PROVIDER_ABORT:
                return sd_bus_message_append(m, "t", call->token);
        case PROVIDER_ADD_OBJECT:
        case PROVIDER_DELETE_OBJECT:
                return sd_bus_message_append(m, "s", call->path);
        }
        return -EINVAL;
}

static int provider_call(Agent *a, const ProviderCall *call, PendingCall *pending) {
        static const char *const members[] = {
                [PROVIDER_GET_NAMES] = "GetNames", [PROVIDER_GET_VALUES] = "GetValues",
                [PROVIDER_PREPARE] = "Prepare",    [PROVIDER_COMMIT] = "Commit",
                [PROVIDER_ABORT] = "Abort",        [PROVIDER_ADD_OBJECT] = "AddObject",
                [PROVIDER_DELETE_OBJECT] = "DeleteObject",
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        const Provider *p = a->providers.providers + call->provider;

        if (!p->available)
                return -EHOSTDOWN;
        int r = sd_event_add_time_relative(
                        a->event, &pending->timeout, CLOCK_MONOTONIC, PROVIDER_TIMEOUT_USEC, 0, on_timeout, pending);
        if (r >= 0)
                r = sd_bus_message_new_method_call(a->bus, &m, p->bus_name, p->object_path, DATA_MODEL_INTERFACE,
                                                   members[call->method]);
        if (r >= 0)
                r = append_arguments(m, call);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_call_async(a->bus, &slot, m, on_reply, pending, PROVIDER_FORGOTTEN_USEC);
        if (r < 0)
                return r;

        /* The slot lives as long as the call, and the call's data as long as the slot. */
        (void) sd_bus_slot_set_destroy_callback(slot, pending_free);
        (void) sd_bus_slot_set_floating(slot, true);
        return 0;
}

static int pending_new(
                PendingCall **ret,
                Agent *a,
                const ProviderCall *call,
                ProviderReplyHandler handler,
                void *userdata) {
        PendingCall *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        *p = (PendingCall) {
                .agent = a,
                .provider = call->provider,
                .method = call->method,
                .handler = handler,
                .userdata = userdata,
        };
        if (call->method == PROVIDER_ADD_OBJECT && !(p->path = strdup(call->path))) {
                pending_free(p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

void agent_provider_call(
                void *userdata,
                const ProviderCall *call,
                ProviderReplyHandler handler,
                void *handler_userdata) {
        PendingCall *pending = NULL;

        int r = pending_new(&pending, userdata, call, handler, handler_userdata);
        if (r >= 0)
                r = provider_call(userdata, call, pending);
        if (r < 0) {
                ProviderReply reply = { .fault = FAULT_INTERNAL_ERROR };
                log_debug("Cannot call provider: %s", strerror(-r));
                if (pending)
                        pending_free(pending);
                handler(&reply, handler_userdata);
        }
}
