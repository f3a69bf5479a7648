/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GetParameterValues, GetParameterNames (TR-069 A.3.2.2, A.3.2.3). */
#include "agent/core/rpc-private.h"

#include "common/base/str.h"

/* Moves the answers of the step into the response, in the order of the request. */
static int collect_replies(Rpc *rpc) {
        for (size_t i = 0; i < rpc->n_calls; i++) {
                ParameterList *l = &rpc->calls[i]->reply.parameters;
                int r = provider_table_add_root(rpc->context->providers, l);
                if (r < 0)
                        return r;
                r = parameter_list_move(&rpc->response->parameters, l);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void values_ready(Rpc *rpc) {
        if (rpc_failed(rpc) || !rpc_new_response(rpc))
                return;
        if (collect_replies(rpc) < 0)
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

/* Full names that follow each other and have one provider travel in one call. */
static bool join_last_call(Rpc *rpc) {
        if (rpc->n_calls < 2)
                return false;

        RpcCall *last = rpc->calls[rpc->n_calls - 1], *before = rpc->calls[rpc->n_calls - 2];
        if (last->call.provider != before->call.provider || endswith(last->call.path, ".") ||
            endswith(before->call.path, ".") || !last->call.path[0] || !before->call.path[0] ||
            parameter_list_move(&before->call.parameters, &last->call.parameters) < 0)
                return false;

        provider_call_done(&last->call);
        free(last);
        rpc->n_calls--;
        return true;
}

void rpc_get_parameter_values(Rpc *rpc) {
        const ParameterList *names = &rpc->request->parameters;

        if (names->n == 0) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }

        for (size_t i = 0; i < names->n; i++) {
                int r = rpc_ask(rpc, PROVIDER_GET_VALUES, names->items[i].name, false);
                if (r != 0) {
                        rpc_fail(rpc, r < 0 ? FAULT_INTERNAL_ERROR : (uint32_t) r);
                        return;
                }
                (void) join_last_call(rpc);
        }
        rpc_run(rpc, values_ready);
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const Parameter *) a)->name, ((const Parameter *) b)->name);
}

/* Should two providers name the same object, it stays once. */
static void drop_duplicates(ParameterList *l) {
        size_t kept = 0;

        if (l->n < 2)
                return;

        qsort(l->items, l->n, sizeof(Parameter), by_name);
        for (size_t i = 1; i < l->n; i++) {
                Parameter *a = l->items + kept, *b = l->items + i;
                if (streq(a->name, b->name)) {
                        a->writable = a->writable || b->writable;
                        free(b->name);
                        free(b->type);
                        free(b->value);
                        strv_free(b->access_list);
                } else
                        l->items[++kept] = *b;
        }
        l->n = kept + 1;
}

static void names_ready(Rpc *rpc) {
        if (rpc_failed(rpc) || !rpc_new_response(rpc))
                return;

        ParameterList *l = &rpc->response->parameters;
        const char *path = strempty(rpc->request->path), *root = rpc->context->providers->root;
        bool with_root = !rpc->request->next_level && (isempty(path) || streq(path, root));

        if ((with_root && !parameter_list_add(l, root, NULL, NULL)) || collect_replies(rpc) < 0)
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else {
                if (rpc->n_calls > 1)
                        drop_duplicates(l);
                rpc_finish(rpc, TAKE_PTR(rpc->response));
        }
}

/* The path "" with NextLevel names the root object alone (TR-069 A.3.2.3). */
static void name_root(Rpc *rpc) {
        if (!rpc_new_response(rpc))
                return;
        if (!parameter_list_add(&rpc->response->parameters, rpc->context->providers->root, NULL, NULL))
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

void rpc_get_parameter_names(Rpc *rpc) {
        const char *path = strempty(rpc->request->path);

        if (rpc->request->next_level) {
                if (isempty(path)) {
                        name_root(rpc);
                        return;
                }
                if (!endswith(path, ".")) {
                        rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                        return;
                }
        }

        int r = rpc_ask(rpc, PROVIDER_GET_NAMES, path, rpc->request->next_level);
        if (r != 0)
                rpc_fail(rpc, r < 0 ? FAULT_INTERNAL_ERROR : (uint32_t) r);
        else
                rpc_run(rpc, names_ready);
}
