/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/rpc-private.h"

#include "common/base/str.h"

/* TR-069 A.3.1.1: what GetRPCMethods lists is what is implemented. */
static const CwmpMessageType methods[] = {
        CWMP_GET_RPC_METHODS,
        CWMP_SET_PARAMETER_VALUES,
        CWMP_GET_PARAMETER_VALUES,
        CWMP_GET_PARAMETER_NAMES,
        CWMP_SET_PARAMETER_ATTRIBUTES,
        CWMP_GET_PARAMETER_ATTRIBUTES,
        CWMP_ADD_OBJECT,
        CWMP_DELETE_OBJECT,
        CWMP_SCHEDULE_INFORM,
        CWMP_REBOOT,
        CWMP_FACTORY_RESET,
        CWMP_DOWNLOAD,
        CWMP_UPLOAD,
        CWMP_SCHEDULE_DOWNLOAD,
        CWMP_CANCEL_TRANSFER,
        CWMP_GET_QUEUED_TRANSFERS,
        CWMP_GET_ALL_QUEUED_TRANSFERS,
};

static void rpc_free(Rpc *rpc) {
        rpc_begin_step(rpc);
        free(rpc->calls);
        cwmp_message_free(rpc->request);
        cwmp_message_free(rpc->response);
        free(rpc);
}

void rpc_begin_step(Rpc *rpc) {
        for (size_t i = 0; i < rpc->n_calls; i++) {
                provider_call_done(&rpc->calls[i]->call);
                provider_reply_done(&rpc->calls[i]->reply);
                free(rpc->calls[i]);
        }
        rpc->n_calls = 0;
}

ProviderCall *rpc_call(Rpc *rpc, size_t provider, ProviderMethod method) {
        RpcCall **calls = reallocarray(rpc->calls, rpc->n_calls + 1, sizeof(*calls));
        if (!calls)
                return NULL;
        rpc->calls = calls;

        RpcCall *c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        c->rpc = rpc;
        c->tag = rpc->tag;
        c->call.provider = provider;
        c->call.method = method;
        calls[rpc->n_calls++] = c;
        return &c->call;
}

ProviderCall *rpc_find_call(Rpc *rpc, size_t provider) {
        for (size_t i = 0; i < rpc->n_calls; i++)
                if (rpc->calls[i]->call.provider == provider)
                        return &rpc->calls[i]->call;
        return NULL;
}

static void rpc_answered(Rpc *rpc) {
        if (--rpc->outstanding == 0)
                rpc->next(rpc);
}

static void on_reply(ProviderReply *reply, void *userdata) {
        RpcCall *c = userdata;

        c->reply = *reply;
        reply->parameters = (ParameterList) {};
        provider_table_withhold(c->rpc->context->providers, &c->reply.parameters);
        rpc_answered(c->rpc);
}

void rpc_run(Rpc *rpc, RpcStep next) {
        const DataModel *model = &rpc->context->model;

        rpc->next = next;
        /* One more than there are calls, so that answers given at once do not end the step too early. */
        rpc->outstanding = rpc->n_calls + 1;
        for (size_t i = 0; i < rpc->n_calls; i++)
                model->call(model->userdata, &rpc->calls[i]->call, on_reply, rpc->calls[i]);
        rpc_answered(rpc);
}

void rpc_finish(Rpc *rpc, CwmpMessage *response) {
        RpcHandler handler = rpc->handler;
        void *userdata = rpc->userdata;

        if (response && rpc->request->id) {
                response->id = strdup(rpc->request->id);
                if (!response->id)
                        response = cwmp_message_free(response);
        }

        if (handler)
                *rpc->handle = NULL;
        rpc_free(rpc);
        if (handler)
                handler(response, userdata);
        else
                cwmp_message_free(response);
}

void rpc_fail(Rpc *rpc, uint32_t fault) {
        rpc_finish(rpc, cwmp_message_new_fault(fault));
}

bool rpc_new_response(Rpc *rpc) {
        /* In the enumeration every response follows its request. */
        rpc->response = cwmp_message_new(rpc->request->type + 1);
        if (!rpc->response)
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        return rpc->response;
}

bool rpc_failed(Rpc *rpc) {
        const ProviderTable *t = rpc->context->providers;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const RpcCall *c = rpc->calls[i];
                bool asked_by_name = !c->call.path ||
                                     provider_table_route(t, c->call.path) == (int) c->call.provider;

                if (c->reply.fault == 0)
                        continue;
                if (!t->providers[c->call.provider].available && !asked_by_name)
                        continue;
                rpc_fail(rpc, c->reply.fault);
                return true;
        }
        return false;
}

int rpc_set_parameter_key(Rpc *rpc) {
        const RpcContext *context = rpc->context;
        return rpc->request->key ? context->set_parameter_key(context->userdata, rpc->request->key) : 0;
}

char *rpc_full_name(const Rpc *rpc, const char *relative) {
        return strfmt("%s%s", rpc->context->providers->root, relative);
}

static int ask_provider(Rpc *rpc, size_t provider, ProviderMethod method, const char *path, bool next_level) {
        ProviderCall *c = rpc_call(rpc, provider, method);
        if (!c)
                return -ENOMEM;

        c->next_level = next_level;
        c->path = strdup(path);
        if (!c->path || (method == PROVIDER_GET_VALUES && !parameter_list_add(&c->parameters, path, NULL, NULL)))
                return -ENOMEM;
        return 0;
}

int rpc_ask(Rpc *rpc, ProviderMethod method, const char *path, bool next_level) {
        const ProviderTable *t = rpc->context->providers;
        const char *relative = isempty(path) ? "" : provider_table_strip_root(t, path);
        bool found = false;

        if (!relative || strlen(path) > PARAMETER_NAME_MAX)
                return FAULT_INVALID_PARAMETER_NAME;

        /* Whoever serves the path, and for an object whoever serves something below it. */
        int owner = provider_table_route(t, relative);
        bool partial = !relative[0] || endswith(relative, ".");
        for (size_t i = 0; i < t->n; i++) {
                if (owner != (int) i && !(partial && provider_is_below(t->providers + i, relative)))
                        continue;
                found = true;
                int r = ask_provider(rpc, i, method, relative, next_level);
                if (r < 0)
                        return r;
        }
        return found || !relative[0] ? 0 : FAULT_INVALID_PARAMETER_NAME;
}

static void get_rpc_methods(Rpc *rpc) {
        if (!rpc_new_response(rpc))
                return;
        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (!parameter_list_add(
                                    &rpc->response->parameters,
                                    cwmp_message_type_to_string(methods[i]),
                                    NULL,
                                    NULL)) {
                        rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                        return;
                }
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}

static void schedule_inform(Rpc *rpc) {
        const CwmpMessage *q = rpc->request;

        if (q->number == 0 || strlen(strempty(q->key)) > CWMP_KEY_MAX) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }

        int r = rpc->context->schedule_inform(rpc->context->userdata, q->number, strempty(q->key));
        if (r < 0)
                rpc_fail(rpc, r == -ENOSPC ? FAULT_RESOURCES_EXCEEDED : FAULT_INTERNAL_ERROR);
        else if (rpc_new_response(rpc))
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

/* Both answer first and act when the session is over (TR-069 A.3.2.9, A.4.1.6). */
static void restart(Rpc *rpc, int (*order)(Rpc *rpc)) {
        if (strlen(strempty(rpc->request->key)) > CWMP_KEY_MAX) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }

        int r = order(rpc);
        if (r < 0)
                rpc_fail(rpc, r == -EOPNOTSUPP ? FAULT_REQUEST_DENIED :
                              r == -ENOSPC ? FAULT_RESOURCES_EXCEEDED : FAULT_INTERNAL_ERROR);
        else if (rpc_new_response(rpc))
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

static int order_reboot(Rpc *rpc) {
        return rpc->context->reboot(rpc->context->userdata, strempty(rpc->request->key));
}

static int order_factory_reset(Rpc *rpc) {
        return rpc->context->factory_reset(rpc->context->userdata);
}

static void rpc_dispatch(Rpc *rpc) {
        switch (rpc->request->type) {
        case CWMP_GET_RPC_METHODS:
                get_rpc_methods(rpc);
                break;
        case CWMP_SET_PARAMETER_VALUES:
                rpc_set_parameter_values(rpc);
                break;
        case CWMP_GET_PARAMETER_VALUES:
                rpc_get_parameter_values(rpc);
                break;
        case CWMP_GET_PARAMETER_NAMES:
                rpc_get_parameter_names(rpc);
                break;
        case CWMP_SET_PARAMETER_ATTRIBUTES:
                rpc_set_parameter_attributes(rpc);
                break;
        case CWMP_GET_PARAMETER_ATTRIBUTES:
                rpc_get_parameter_attributes(rpc);
                break;
        case CWMP_ADD_OBJECT:
                rpc_add_object(rpc);
                break;
        case CWMP_DELETE_OBJECT:
                rpc_delete_object(rpc);
                break;
        case CWMP_SCHEDULE_INFORM:
                schedule_inform(rpc);
                break;
        case CWMP_REBOOT:
                restart(rpc, order_reboot);
                break;
        case CWMP_FACTORY_RESET:
                restart(rpc, order_factory_reset);
                break;
        case CWMP_DOWNLOAD:
        case CWMP_UPLOAD:
        case CWMP_SCHEDULE_DOWNLOAD:
                rpc_order_transfer(rpc);
                break;
        case CWMP_CANCEL_TRANSFER:
                rpc_cancel_transfer(rpc);
                break;
        case CWMP_GET_QUEUED_TRANSFERS:
        case CWMP_GET_ALL_QUEUED_TRANSFERS:
                rpc_get_queued_transfers(rpc);
                break;
        default:
                rpc_fail(rpc, FAULT_METHOD_NOT_SUPPORTED);
        }
}

void rpc_start(Rpc **ret, const RpcContext *context, CwmpMessage *request, RpcHandler handler, void *userdata) {
        Rpc *rpc = calloc(1, sizeof(*rpc));

        *ret = rpc;
        if (!rpc) {
                cwmp_message_free(request);
                handler(NULL, userdata);
                return;
        }

        rpc->context = context;
        rpc->request = request;
        rpc->handler = handler;
        rpc->userdata = userdata;
        rpc->handle = ret;
        rpc_dispatch(rpc);
}

Rpc *rpc_cancel(Rpc *rpc) {
        if (rpc)
                rpc->handler = NULL;
        return NULL;
}
