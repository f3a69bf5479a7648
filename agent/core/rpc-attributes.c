/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SetParameterAttributes, GetParameterAttributes (TR-069 A.3.2.4, A.3.2.5). Attributes are the agent's own; the
 * providers only say which parameters exist. */
#include "agent/core/rpc-private.h"

#include "common/base/str.h"

/* TR-069 table 62. */
#define ACCESS_LIST_ENTRY_MAX 64U

static bool attributes_are_valid(const Parameter *p) {
        if (p->notification > NOTIFICATION_ACTIVE)
                return false;
        STRV_FOREACH(s, p->access_list)
                if (strlen(*s) > ACCESS_LIST_ENTRY_MAX)
                        return false;
        return true;
}

/* Asks for the values below each name; the answers carry the request's index as tag. */
static void expand(Rpc *rpc, RpcStep next) {
        const ParameterList *l = &rpc->request->parameters;

        if (l->n == 0) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }
        for (size_t i = 0; i < l->n; i++) {
                rpc->tag = i;
                int r = rpc_ask(rpc, PROVIDER_GET_VALUES, l->items[i].name, false);
                if (r != 0) {
                        rpc_fail(rpc, r < 0 ? FAULT_INTERNAL_ERROR : (uint32_t) r);
                        return;
                }
        }
        rpc_run(rpc, next);
}

static int add_attributes(Rpc *rpc, const Parameter *p) {
        const Notifications *n = rpc->context->notifications;
        _cleanup_free_ char *full = rpc_full_name(rpc, p->name);
        Parameter *a = full ? parameter_list_add(&rpc->response->parameters, full, NULL, NULL) : NULL;

        if (!a)
                return -ENOMEM;
        a->notification = notifications_level(n, p->name);
        return strv_copy(notifications_access_list(n, p->name), &a->access_list);
}

static void attributes_ready(Rpc *rpc) {
        if (rpc_failed(rpc) || !rpc_new_response(rpc))
                return;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const ParameterList *l = &rpc->calls[i]->reply.parameters;
                for (size_t k = 0; k < l->n; k++)
                        if (add_attributes(rpc, l->items + k) < 0) {
                                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                                return;
                        }
        }
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}

/* Adds the change of one parameter. 0, a fault code or -ENOMEM. */
static int add_change(Rpc *rpc, const Parameter *wanted, const Parameter *p, ParameterList *changes) {
        bool partial = endswith(wanted->name, ".") || isempty(wanted->name);
        int notification = wanted->notification;

        bool refused = notification == NOTIFICATION_ACTIVE ?
                                       notifications_is_denied(rpc->context->notifications, p->name) :
                                       notifications_is_forced(rpc->context->notifications, p->name);
        if (notification >= 0 && refused) {
                if (!partial)
                        return FAULT_NOTIFICATION_REQUEST_REJECTED;
                notification = -1;
        }

        Parameter *c = parameter_list_add(changes, p->name, NULL, p->value);
        if (!c)
                return -ENOMEM;
        c->notification = notification;
        c->access_list_set = wanted->access_list_set;
        return strv_copy(wanted->access_list, &c->access_list);
}

static void attributes_expanded(Rpc *rpc) {
        _cleanup_parameter_list_ ParameterList changes = {};

        if (rpc_failed(rpc))
                return;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const RpcCall *c = rpc->calls[i];
                for (size_t k = 0; k < c->reply.parameters.n; k++) {
                        int r = add_change(rpc, rpc->request->parameters.items + c->tag,
                                           c->reply.parameters.items + k, &changes);
                        if (r != 0) {
                                rpc_fail(rpc, r < 0 ? FAULT_INTERNAL_ERROR : (uint32_t) r);
                                return;
                        }
                }
        }

        if (notifications_set_attributes(rpc->context->notifications, &changes) < 0)
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else if (rpc_new_response(rpc))
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

void rpc_get_parameter_attributes(Rpc *rpc) {
        expand(rpc, attributes_ready);
}

void rpc_set_parameter_attributes(Rpc *rpc) {
        const ParameterList *l = &rpc->request->parameters;

        for (size_t i = 0; i < l->n; i++)
                if (!attributes_are_valid(l->items + i)) {
                        rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                        return;
                }
        expand(rpc, attributes_expanded);
}
