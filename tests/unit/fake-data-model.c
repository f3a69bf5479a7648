/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-data-model.h"

#include <stdio.h>

#include "common/base/str.h"

static FakeParameter *find(FakeDataModel *f, const char *name) {
        for (size_t i = 0; i < f->n_parameters; i++)
                if (streq(f->parameters[i].name, name))
                        return f->parameters + i;
        return NULL;
}

const char *fake_value(const FakeDataModel *f, const char *name) {
        for (size_t i = 0; i < f->n_parameters; i++)
                if (streq(f->parameters[i].name, name))
                        return f->parameters[i].value;
        return NULL;
}

static bool serves(FakeDataModel *f, size_t provider, const char *name) {
        return provider_table_route(&f->table, name) == (int) provider;
}

static void get(FakeDataModel *f, const ProviderCall *c, const char *path, ProviderReply *reply) {
        bool found = false;

        for (size_t i = 0; i < f->n_parameters; i++) {
                const FakeParameter *p = f->parameters + i;
                bool partial = !path[0] || endswith(path, ".");

                if (!serves(f, c->provider, p->name) || !(partial ? !!startswith(p->name, path) : streq(p->name, path)))
                        continue;
                found = true;
                Parameter *out = parameter_list_add(&reply->parameters, p->name, p->type, p->value);
                if (out)
                        out->writable = p->writable;
        }
        if (!found && path[0] && !streq(path, "Services.") && !startswith(path, "Services.Beta.Row."))
                reply->fault = FAULT_INVALID_PARAMETER_NAME;
}

static uint32_t check(FakeDataModel *f, const Parameter *s) {
        const FakeParameter *p = find(f, s->name);

        if (!p)
                return FAULT_INVALID_PARAMETER_NAME;
        if (!p->writable)
                return FAULT_NON_WRITABLE_PARAMETER;
        if (!isempty(s->type) && !streq(s->type, p->type))
                return FAULT_INVALID_PARAMETER_TYPE;
        return streq(s->value, "bad") ? FAULT_INVALID_PARAMETER_VALUE : 0;
}

static void prepare(FakeDataModel *f, const ProviderCall *c, ProviderReply *reply) {
        ParameterList *prepared = f->prepared + c->provider;

        for (size_t i = 0; i < c->parameters.n; i++) {
                const Parameter *s = c->parameters.items + i;
                uint32_t fault = check(f, s);
                if (fault) {
                        Parameter *p = parameter_list_add(&reply->parameters, s->name, NULL, "text");
                        if (p)
                                p->fault = fault;
                } else
                        (void) parameter_list_add(prepared, s->name, s->type, s->value);
        }
        if (reply->parameters.n > 0)
                parameter_list_done(prepared);
        else
                reply->token = 100 + c->provider;
}

static void commit(FakeDataModel *f, const ProviderCall *c, ProviderReply *reply) {
        reply->unanswered = f->hangs_at_commit[c->provider];
        if (reply->unanswered || f->dies_at_commit[c->provider] || c->token != 100 + c->provider) {
                reply->fault = FAULT_INTERNAL_ERROR;
                return;
        }
        f->commits[c->provider]++;
        for (size_t i = 0; i < f->prepared[c->provider].n; i++) {
                const Parameter *s = f->prepared[c->provider].items + i;
                FakeParameter *p = find(f, s->name);
                if (p)
                        (void) snprintf(p->value, sizeof(p->value), "%s", s->value);
        }
        parameter_list_done(&f->prepared[c->provider]);
}

static void call(void *userdata, const ProviderCall *c, ProviderReplyHandler handler, void *handler_userdata) {
        FakeDataModel *f = userdata;
        ProviderReply reply = {};

        if (f->down[c->provider])
                reply.fault = FAULT_INTERNAL_ERROR;
        else
                switch (c->method) {
                case PROVIDER_GET_NAMES:
                        get(f, c, c->path, &reply);
                        break;
                case PROVIDER_GET_VALUES:
                        if (f->session_ends_at_values)
                                f->rpc = rpc_cancel(f->rpc);
                        for (size_t i = 0; i < c->parameters.n; i++)
                                get(f, c, c->parameters.items[i].name, &reply);
                        break;
                case PROVIDER_PREPARE:
                        prepare(f, c, &reply);
                        break;
                case PROVIDER_COMMIT:
                        commit(f, c, &reply);
                        break;
                case PROVIDER_ABORT:
                        f->aborts[c->provider]++;
                        parameter_list_done(&f->prepared[c->provider]);
                        break;
                case PROVIDER_ADD_OBJECT:
                        if (streq(c->path, "Services.Beta.Row."))
                                reply.instance = ++f->rows;
                        else
                                reply.fault = FAULT_REQUEST_DENIED;
                        break;
                case PROVIDER_DELETE_OBJECT:
                        reply.fault = streq(c->path, "Services.Beta.Row.1.") ? 0 : FAULT_INVALID_PARAMETER_NAME;
                        f->rows_deleted += reply.fault == 0;
                        break;
                }
        handler(&reply, handler_userdata);
        provider_reply_done(&reply);
}

static int set_parameter_key(void *userdata, const char *key) {
        FakeDataModel *f = userdata;
        if (f->key_is_not_kept)
                return -ENOSPC;
        (void) snprintf(f->parameter_key, sizeof(f->parameter_key), "%s", key);
        return 0;
}

static int schedule_inform(void *userdata, uint32_t delay_sec, const char *key) {
        FakeDataModel *f = userdata;
        (void) snprintf(f->scheduled, sizeof(f->scheduled), "%u %s", delay_sec, key);
        return 0;
}

static int reboot(void *userdata, const char *key) {
        FakeDataModel *f = userdata;
        (void) snprintf(f->restart, sizeof(f->restart), "reboot %s", key);
        return 0;
}

static int factory_reset(void *userdata) {
        FakeDataModel *f = userdata;
        (void) snprintf(f->restart, sizeof(f->restart), "factory reset");
        return 0;
}

static bool transfers_changed(void *userdata, const Transfer *running) {
        FakeDataModel *f = userdata;
        f->transfers_changed++;
        return !running;
}

void fake_data_model_init(FakeDataModel *f, const char *journal) {
        static const char *const prefixes[2][3] = { { "Alpha.", "Services." }, { "Services.Beta." } };
        const FakeParameter parameters[] = {
                { "Alpha.Name", "string", "a", true },
                { "Alpha.Serial", "string", "42", false },
                { "Alpha.Number", "unsignedInt", "1", true },
                { "Services.Beta.Status", "string", "Idle", true },
                { "Services.Beta.Folder", "pathRef", "Alpha.Name", true },
        };

        *f = (FakeDataModel) { .n_parameters = ELEMENTSOF(parameters) };
        memcpy(f->parameters, parameters, sizeof(parameters));
        f->table.root = strdup("Device.");
        f->table.n = 2;
        f->table.providers = calloc(2, sizeof(Provider));
        for (size_t i = 0; i < 2; i++) {
                f->table.providers[i].name = strfmt("provider%zu", i);
                f->table.providers[i].available = true;
                for (size_t k = 0; prefixes[i][k]; k++)
                        assert(strv_extend(&f->table.providers[i].prefixes, prefixes[i][k]) >= 0);
        }
        assert(notifications_new(&f->notifications, NULL) >= 0);
        assert(journal_new(&f->journal, journal) >= 0);
        assert(transfer_queue_new(&f->transfers, NULL) >= 0);
        f->context = (RpcContext) {
                .providers = &f->table,
                .model = { .call = call, .userdata = f },
                .notifications = f->notifications,
                .journal = f->journal,
                .set_parameter_key = set_parameter_key,
                .schedule_inform = schedule_inform,
                .reboot = reboot,
                .factory_reset = factory_reset,
                .transfers = f->transfers,
                .transfers_changed = transfers_changed,
                .userdata = f,
        };
}

void fake_data_model_done(FakeDataModel *f) {
        provider_table_done(&f->table);
        notifications_free(f->notifications);
        journal_free(f->journal);
        transfer_queue_free(f->transfers);
        parameter_list_done(&f->prepared[0]);
        parameter_list_done(&f->prepared[1]);
}

static void keep_response(CwmpMessage *response, void *userdata) {
        *(CwmpMessage **) userdata = response;
}

CwmpMessage *fake_call(FakeDataModel *f, CwmpMessage *request) {
        CwmpMessage *response = NULL;

        rpc_start(&f->rpc, &f->context, request, keep_response, &response);
        assert(!f->rpc);
        return response;
}
