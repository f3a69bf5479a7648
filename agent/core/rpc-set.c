/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SetParameterValues (TR-069 A.3.2.1): all or nothing over all providers, by Prepare at each and then
 * Commit at each. */
#include "agent/core/rpc-private.h"

#include "common/base/str.h"

/* TR-069 A.5.1: one SetParameterValuesFault per parameter, under fault 9003. Makes the fault at the first call. */
static int add_fault(Rpc *rpc, const char *name, uint32_t code, const char *text) {
        if (!rpc->response && !(rpc->response = cwmp_message_new_fault(FAULT_INVALID_ARGUMENTS)))
                return -ENOMEM;

        Parameter *p = parameter_list_add(&rpc->response->parameters, name, NULL,
                                          isempty(text) ? cwmp_fault_text(code) : text);
        if (!p)
                return -ENOMEM;
        p->fault = code;
        return 0;
}

static bool is_duplicate(const ParameterList *l, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq(l->items[k].name, l->items[i].name))
                        return true;
        return false;
}

/* Finds each parameter's provider and shares the list out to one Prepare per provider. */
static int share_out(Rpc *rpc) {
        const ProviderTable *t = rpc->context->providers;
        const ParameterList *l = &rpc->request->parameters;

        for (size_t i = 0; i < l->n; i++) {
                const Parameter *p = l->items + i;
                const char *relative = provider_table_strip_root(t, p->name);
                int provider = relative && !endswith(relative, ".") && strlen(p->name) <= PARAMETER_NAME_MAX ?
                                               provider_table_route(t, relative) : -ENOENT;

                if (is_duplicate(l, i) || provider < 0) {
                        int r = add_fault(rpc, p->name, provider < 0 ? FAULT_INVALID_PARAMETER_NAME :
                                                                       FAULT_INVALID_ARGUMENTS, NULL);
                        if (r < 0)
                                return r;
                        continue;
                }

                ProviderCall *c = rpc_find_call(rpc, (size_t) provider) ?:
                                  rpc_call(rpc, (size_t) provider, PROVIDER_PREPARE);
                if (!c || !parameter_list_add(&c->parameters, relative, strempty(p->type), strempty(p->value)))
                        return -ENOMEM;
        }
        return 0;
}

static void finish_with_kept_response(Rpc *rpc) {
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}

/* Gives the locks back that Prepare took; the fault is in rpc->response. */
static void abort_all(Rpc *rpc) {
        uint64_t tokens[PROVIDERS_MAX] = {};
        const size_t n = rpc->n_calls;
        size_t providers[PROVIDERS_MAX];

        assert(n <= PROVIDERS_MAX);
        for (size_t i = 0; i < n; i++) {
                tokens[i] = rpc->calls[i]->reply.token;
                providers[i] = rpc->calls[i]->call.provider;
        }

        rpc_begin_step(rpc);
        for (size_t i = 0; i < n; i++) {
                ProviderCall *c = tokens[i] ? rpc_call(rpc, providers[i], PROVIDER_ABORT) : NULL;
                /* Without memory the lock ends by itself after its time. */
                if (c)
                        c->token = tokens[i];
        }
        rpc_run(rpc, finish_with_kept_response);
}

static int journal_all(Rpc *rpc) {
        Journal *j = rpc->context->journal;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const RpcCall *c = rpc->calls[i];
                int r = journal_add(j, rpc->context->providers->providers[c->call.provider].name, c->reply.token,
                                    &c->call.parameters);
                if (r < 0) {
                        (void) journal_clear(j);
                        return r;
                }
        }
        return journal_write(j, rpc->request->key);
}

static void values_read_back(Rpc *rpc) {
        Notifications *n = rpc->context->notifications;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const ParameterList *l = &rpc->calls[i]->reply.parameters;
                for (size_t k = 0; k < l->n; k++)
                        (void) notifications_set_told(n, l->items + k);
        }
        /* If this is lost, the next start tells the ACS what it already knows. */
        (void) notifications_save(n);
        finish_with_kept_response(rpc);
}

/* What the ACS set it knows: read it back as the provider writes it, so that it is not taken for a change later. Where
 * it follows later, that it does is news. */
static void read_back(Rpc *rpc) {
        const ProviderTable *t = rpc->context->providers;
        const ParameterList *l = &rpc->request->parameters;
        bool committed_to[PROVIDERS_MAX] = {};

        for (size_t i = 0; i < rpc->n_calls; i++)
                committed_to[rpc->calls[i]->call.provider] = rpc->calls[i]->reply.fault == 0;
        rpc_begin_step(rpc);
        for (size_t i = 0; i < l->n; i++) {
                const char *relative = provider_table_strip_root(t, l->items[i].name);
                if (notifications_level(rpc->context->notifications, relative) == NOTIFICATION_OFF)
                        continue;

                size_t provider = (size_t) provider_table_route(t, relative);
                if (!committed_to[provider])
                        continue;
                ProviderCall *c = rpc_find_call(rpc, provider) ?: rpc_call(rpc, provider, PROVIDER_GET_VALUES);
                if (c)
                        (void) parameter_list_add(&c->parameters, relative, NULL, NULL);
        }
        rpc_run(rpc, values_read_back);
}

/* The ParameterKey goes first: as long as the journal is there, a crash is made good with it. */
static int note_commits(Rpc *rpc) {
        const RpcContext *context = rpc->context;

        int r = rpc_set_parameter_key(rpc);
        for (size_t i = 0; i < rpc->n_calls && r >= 0; i++)
                if (rpc->calls[i]->reply.fault == 0)
                        r = journal_complete(context->journal,
                                             context->providers->providers[rpc->calls[i]->call.provider].name);
        return r;
}

static void committed(Rpc *rpc) {
        size_t done = 0;
        uint32_t status = 0;
        bool unanswered = false;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const ProviderReply *reply = &rpc->calls[i]->reply;

                if (reply->fault == 0) {
                        done++;
                        status = MAX(status, reply->status);
                }
                unanswered = unanswered || reply->unanswered;
        }

        /* All say that they did nothing. Where one says nothing, it may have, or may yet: all have promised at Prepare
         * that they can, so it will be done, and never be half done. */
        if (rpc->n_calls > 0 && done == 0 && !unanswered) {
                (void) journal_clear(rpc->context->journal);
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                return;
        }
        if (note_commits(rpc) < 0) {
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                return;
        }

        if (!rpc_new_response(rpc))
                return;
        /* One that went away or hangs after Prepare does the rest when it is back: applied, but not yet. */
        rpc->response->status = status > 0 || done < rpc->n_calls;
        read_back(rpc);
}

static void commit_all(Rpc *rpc) {
        const size_t n = rpc->n_calls;
        uint64_t tokens[PROVIDERS_MAX] = {};
        size_t providers[PROVIDERS_MAX];

        for (size_t i = 0; i < n; i++) {
                tokens[i] = rpc->calls[i]->reply.token;
                providers[i] = rpc->calls[i]->call.provider;
        }
        rpc_begin_step(rpc);
        for (size_t i = 0; i < n; i++) {
                ProviderCall *c = rpc_call(rpc, providers[i], PROVIDER_COMMIT);
                if (!c) {
                        rpc->response = cwmp_message_new_fault(FAULT_INTERNAL_ERROR);
                        finish_with_kept_response(rpc);
                        return;
                }
                c->token = tokens[i];
        }
        rpc_run(rpc, committed);
}

static void prepared(Rpc *rpc) {
        uint32_t fault = 0;
        int r = 0;

        for (size_t i = 0; i < rpc->n_calls; i++) {
                const ProviderReply *reply = &rpc->calls[i]->reply;

                if (reply->fault != 0 && reply->parameters.n == 0)
                        fault = reply->fault;
                for (size_t k = 0; k < reply->parameters.n && r >= 0; k++) {
                        _cleanup_free_ char *full = rpc_full_name(rpc, reply->parameters.items[k].name);
                        r = full ? add_fault(rpc, full, reply->parameters.items[k].fault,
                                             reply->parameters.items[k].value) : -ENOMEM;
                }
        }

        /* Nobody waits for the answer any more, or the promise cannot be written down: then nothing is promised. */
        if (!rpc->response && fault == 0 && (r < 0 || !rpc->handler || journal_all(rpc) < 0))
                fault = FAULT_INTERNAL_ERROR;
        if (fault != 0 && !rpc->response)
                rpc->response = cwmp_message_new_fault(fault);

        if (rpc->response || fault != 0)
                abort_all(rpc);
        else
                commit_all(rpc);
}

void rpc_set_parameter_values(Rpc *rpc) {
        if (strlen(strempty(rpc->request->key)) > CWMP_KEY_MAX) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }
        /* An earlier set is not complete: a second one on top could not be undone. */
        if (!journal_is_empty(rpc->context->journal)) {
                rpc_fail(rpc, FAULT_REQUEST_DENIED);
                return;
        }

        if (share_out(rpc) < 0) {
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                return;
        }
        /* The providers look at the rest also when some names are wrong already: all faults are reported. */
        rpc_run(rpc, prepared);
}
