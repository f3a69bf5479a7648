/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AddObject, DeleteObject (TR-069 A.3.2.6, A.3.2.7). */
#include "agent/core/rpc-private.h"

#include "common/base/str.h"

static void finish_with_kept_response(Rpc *rpc) {
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}

/* The ACS does not hear of the row, or hears a fault: it is not to be there. */
static void take_back(Rpc *rpc) {
        const ProviderTable *t = rpc->context->providers;
        const char *table = provider_table_strip_root(t, rpc->request->path);
        char *row = strfmt("%s%u.", table, rpc->response->number);
        ProviderCall *c = NULL;

        cwmp_message_free(rpc->response);
        rpc->response = cwmp_message_new_fault(FAULT_INTERNAL_ERROR);
        rpc_begin_step(rpc);
        if (row)
                c = rpc_call(rpc, (size_t) provider_table_route(t, table), PROVIDER_DELETE_OBJECT);
        if (c)
                c->path = row;
        else
                free(row);
        rpc_run(rpc, finish_with_kept_response);
}

/* The new row's values are the model's defaults, which the ACS knows. */
static void row_read(Rpc *rpc) {
        Notifications *n = rpc->context->notifications;

        if (!rpc->handler || rpc_set_parameter_key(rpc) < 0) {
                take_back(rpc);
                return;
        }
        for (size_t i = 0; i < rpc->n_calls; i++) {
                const ParameterList *l = &rpc->calls[i]->reply.parameters;

                for (size_t k = 0; k < l->n; k++)
                        (void) notifications_set_told(n, l->items + k);
        }
        (void) notifications_save(n);
        finish_with_kept_response(rpc);
}

static void read_row(Rpc *rpc) {
        const ProviderTable *t = rpc->context->providers;
        _cleanup_free_ char *row = strfmt("%s%u.", provider_table_strip_root(t, rpc->request->path),
                                          rpc->response->number);
        ProviderCall *c = NULL;

        rpc_begin_step(rpc);
        if (row)
                c = rpc_call(rpc, (size_t) provider_table_route(t, row), PROVIDER_GET_VALUES);
        if (c)
                (void) parameter_list_add(&c->parameters, row, NULL, NULL);
        rpc_run(rpc, row_read);
}

static void row_added(Rpc *rpc) {
        if (rpc_failed(rpc))
                return;
        rpc->response->number = rpc->calls[0]->reply.instance;
        rpc->response->status = rpc->calls[0]->reply.status > 0;
        if (rpc->handler)
                read_row(rpc);
        else
                take_back(rpc);
}

static void object_deleted(Rpc *rpc) {
        const RpcContext *context = rpc->context;

        if (rpc_failed(rpc))
                return;
        if (rpc_set_parameter_key(rpc) < 0) {
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                return;
        }
        rpc->response->status = rpc->calls[0]->reply.status > 0;
        notifications_forget(context->notifications, rpc->calls[0]->call.path);
        (void) notifications_save(context->notifications);
        finish_with_kept_response(rpc);
}

static void call_provider(Rpc *rpc, ProviderMethod method, RpcStep done) {
        const ProviderTable *t = rpc->context->providers;
        const char *path = strempty(rpc->request->path), *relative = provider_table_strip_root(t, path);

        if (strlen(strempty(rpc->request->key)) > CWMP_KEY_MAX) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }

        int provider = relative && endswith(path, ".") && strlen(path) <= PARAMETER_NAME_MAX ?
                                       provider_table_route(t, relative) : -ENOENT;
        if (provider < 0) {
                rpc_fail(rpc, FAULT_INVALID_PARAMETER_NAME);
                return;
        }

        /* Now, and not when there is a row that nobody would hear of. */
        if (!rpc_new_response(rpc))
                return;
        ProviderCall *c = rpc_call(rpc, (size_t) provider, method);
        if (!c || !(c->path = strdup(relative)))
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else
                rpc_run(rpc, done);
}

void rpc_add_object(Rpc *rpc) {
        call_provider(rpc, PROVIDER_ADD_OBJECT, row_added);
}

void rpc_delete_object(Rpc *rpc) {
        call_provider(rpc, PROVIDER_DELETE_OBJECT, object_deleted);
}
