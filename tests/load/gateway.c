/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/load/gateway.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"

#define ROOT "InternetGatewayDevice."
#define SYNC ROOT "Services.X_" MANUFACTURER_OUI "_ISPStorage.1."
#define PRODUCT_CLASS "ISPStorage"
#define TIP_MAX 256U

static const char *const forced[] = {
        ROOT "DeviceSummary",
        ROOT "DeviceInfo.SpecVersion",
        ROOT "DeviceInfo.HardwareVersion",
        ROOT "DeviceInfo.SoftwareVersion",
        ROOT "DeviceInfo.ProvisioningCode",
        ROOT "ManagementServer.ConnectionRequestURL",
        ROOT "ManagementServer.ParameterKey",
};
/* With active notification. */
static const char *const notified[] = { "Status", "PublicKey", "LastOpSeq", "Revision", "SyncStatus", "LastError" };

static int set(Gateway *g, const char *name, const char *type, const char *value) {
        Parameter *p = parameter_list_find(&g->values, name);

        if (!p)
                return parameter_list_add(&g->values, name, type, value) ? 0 : -ENOMEM;
        return MIN(free_and_strdup(&p->value, value), 0);
}

static int set_sync(Gateway *g, const char *parameter, const char *value) {
        char name[sizeof(SYNC) + 32];

        (void) snprintf(name, sizeof(name), SYNC "%s", parameter);
        return set(g, name, "string", value);
}

static const char *value_of(const Gateway *g, const char *name) {
        const Parameter *p = parameter_list_find(&g->values, name);

        return p ? strempty(p->value) : "";
}

const char *gateway_get(const Gateway *g, const char *parameter) {
        char name[sizeof(SYNC) + 32];

        (void) snprintf(name, sizeof(name), SYNC "%s", parameter);
        return value_of(g, name);
}

/* No key of anybody, but it looks like one: 68 characters of base64 after the name of the type. */
static int make_key(Gateway *g, unsigned number) {
        char key[128];

        (void) snprintf(key, sizeof(key), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%043u", number);
        return set_sync(g, "PublicKey", key);
}

int gateway_init(Gateway *g, unsigned number, const char *tips, const char *url, const char *path) {
        int r;

        *g = (Gateway) { .tips = tips, .events = GATEWAY_BOOTSTRAP | GATEWAY_BOOT };
        (void) snprintf(g->username, sizeof(g->username), MANUFACTURER_OUI "-" PRODUCT_CLASS "-L%05u", number);
        r = connection_requests_new(&g->requests, path);
        for (size_t i = 0; i < ELEMENTSOF(forced) && r >= 0; i++)
                r = set(g, forced[i], "string", endswith(forced[i], "ConnectionRequestURL") ? url : "1.0");
        for (size_t i = 0; i < ELEMENTSOF(notified) && r >= 0; i++)
                r = set_sync(g, notified[i], "");
        if (r >= 0)
                r = set_sync(g, "RepositoryURL", "");
        if (r >= 0)
                r = set(g, ROOT "Services.StorageService.1.PhysicalMedium.1.Capacity", "unsignedInt", "1000");
        if (r >= 0)
                r = set_sync(g, "LastOpSeq", "0");
        if (r >= 0)
                r = set_sync(g, "Status", "Disabled");
        return r < 0 ? r : make_key(g, number);
}

void gateway_done(Gateway *g) {
        parameter_list_done(&g->values);
        (void) connection_requests_free(g->requests);
}

int gateway_boot(Gateway *g) {
        g->ordered = g->answered;
        g->told = 0;
        g->pulls = false;
        g->events |= GATEWAY_BOOT;
        return streq(gateway_get(g, "Status"), "Subscribed") ? set_sync(g, "Status", "Ready") : 0;
}

/* What main has now; *ret is "" if nobody pushed yet. */
static int read_tip(const Gateway *g, char ret[static TIP_MAX]) {
        const char *name = strrchr(gateway_get(g, "RepositoryURL"), '/');
        _cleanup_free_ char *path = strfmt("%s%s", g->tips, strempty(name)), *text = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        ret[0] = 0;
        r = name ? read_file(AT_FDCWD, path, TIP_MAX - 1, &text, NULL) : -ENOENT;
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                (void) snprintf(ret, TIP_MAX, "%.*s", (int) strcspn(text, "\n"), text);
        return r;
}

/* The folder is at main's tip, on the order opseq ("-": on its own). */
static int synchronize(Gateway *g, const char *kind, const char *opseq) {
        char tip[TIP_MAX], status[TIP_MAX + 64];
        int r = read_tip(g, tip);

        if (r < 0)
                return r;
        (void) snprintf(status, sizeof(status), "%s %s ok %s", kind, opseq, isempty(tip) ? "-" : tip);
        r = set_sync(g, "Revision", tip);
        if (r >= 0)
                r = set_sync(g, "SyncStatus", status);
        g->events |= GATEWAY_CHANGED;
        return r;
}

int gateway_push(Gateway *g) {
        return synchronize(g, "push", "-");
}

int gateway_work(Gateway *g) {
        char opseq[sizeof("4294967295")];
        int r = 0;

        if (g->pulls) {
                g->pulls = false;
                r = synchronize(g, "pull", "-");
        }
        if (r < 0 || g->ordered <= g->answered)
                return r;
        (void) snprintf(opseq, sizeof(opseq), "%u", g->ordered);
        r = set_sync(g, "LastOpSeq", opseq);
        if (r < 0)
                return r;
        g->answered = g->ordered;
        g->n_pulls++;
        return synchronize(g, "pull", opseq);
}

CwmpMessage *gateway_inform(Gateway *g, uint32_t retry_count) {
        static const char *const codes[] = {
                "0 BOOTSTRAP", "1 BOOT", "2 PERIODIC", "4 VALUE CHANGE", "6 CONNECTION REQUEST",
        };
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_INFORM);
        char now[DATETIME_SIZE];

        if (!m)
                return NULL;
        m->id = strfmt("%u", ++g->inform_id);
        m->manufacturer = strdup("Load");
        m->oui = strdup(MANUFACTURER_OUI);
        m->product_class = strdup(PRODUCT_CLASS);
        m->serial_number = strdup(strrchr(g->username, '-') + 1);
        m->current_time = strdup(format_datetime((int64_t) time(NULL), now));
        m->number = retry_count;
        if (!m->id || !m->manufacturer || !m->oui || !m->product_class || !m->serial_number || !m->current_time)
                return NULL;
        for (size_t i = 0; i < g->values.n; i++) {
                const Parameter *p = g->values.items + i;
                bool wanted = i < ELEMENTSOF(forced);

                for (size_t k = 0; k < ELEMENTSOF(notified) && !wanted; k++)
                        wanted = streq_ptr(startswith(p->name, SYNC), notified[k]);
                if (wanted && !parameter_list_add(&m->parameters, p->name, p->type, p->value))
                        return NULL;
        }
        g->told = g->events;
        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if ((g->told & 1U << i) && !parameter_list_add(&m->events, codes[i], NULL, ""))
                        return NULL;
        return TAKE_PTR(m);
}

void gateway_informed(Gateway *g) {
        g->events &= ~g->told;
}

void gateway_session_ended(Gateway *g, bool succeeded) {
        if (!succeeded)
                g->events = (g->events | g->told) & ~(unsigned) GATEWAY_ASKED;
        g->told = 0;
}

static void take_operation(Gateway *g, const char *value) {
        unsigned opseq;

        if (sscanf(value, "pull %u", &opseq) != 1)
                return;
        if (opseq <= g->answered)
                g->n_repeated++;
        else
                g->ordered = MAX(g->ordered, opseq);
}

/* What follows from a value that the ACS has set. */
static int take_value(Gateway *g, const Parameter *p) {
        const char *name = startswith(p->name, SYNC);

        if (!name)
                return 0;
        if (streq(name, "SyncOp"))
                take_operation(g, p->value);
        else if (streq(name, "Status"))
                g->pulls = streq(p->value, "Subscribed");
        else if (streq(name, "Enabled") && !streq(p->value, "0") && !streq(p->value, "false")) {
                g->events |= GATEWAY_CHANGED;
                return set_sync(g, "Status", "Ready");
        }
        return 0;
}

static CwmpMessage *set_values(Gateway *g, const CwmpMessage *request) {
        int r = 0;

        for (size_t i = 0; i < request->parameters.n && r >= 0; i++) {
                const Parameter *p = request->parameters.items + i;

                r = set(g, p->name, p->type, p->value);
                if (r >= 0)
                        r = take_value(g, p);
        }
        if (r >= 0)
                r = connection_requests_set_credentials(
                                g->requests,
                                value_of(g, ROOT "ManagementServer.ConnectionRequestUsername"),
                                value_of(g, ROOT "ManagementServer.ConnectionRequestPassword"));
        return r < 0 ? NULL : cwmp_message_new(CWMP_SET_PARAMETER_VALUES_RESPONSE);
}

static CwmpMessage *get_values(const Gateway *g, const CwmpMessage *request) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_GET_PARAMETER_VALUES_RESPONSE);

        for (size_t i = 0; i < request->parameters.n && m; i++) {
                const Parameter *p = parameter_list_find(&g->values, request->parameters.items[i].name);

                if (!p)
                        return cwmp_message_new_fault(FAULT_INVALID_PARAMETER_NAME);
                if (!parameter_list_add(&m->parameters, p->name, p->type, p->value))
                        return NULL;
        }
        return TAKE_PTR(m);
}

static CwmpMessage *perform(Gateway *g, const CwmpMessage *request) {
        CwmpMessage *m;

        switch (request->type) {
        case CWMP_SET_PARAMETER_VALUES:
                return set_values(g, request);
        case CWMP_GET_PARAMETER_VALUES:
                return get_values(g, request);
        case CWMP_ADD_OBJECT:
                m = cwmp_message_new(CWMP_ADD_OBJECT_RESPONSE);
                if (m)
                        m->number = ++g->n_rows;
                return m;
        case CWMP_DELETE_OBJECT:
                return cwmp_message_new(CWMP_DELETE_OBJECT_RESPONSE);
        default:
                return cwmp_message_new_fault(FAULT_METHOD_NOT_SUPPORTED);
        }
}

CwmpMessage *gateway_perform(Gateway *g, const CwmpMessage *request) {
        CwmpMessage *m = perform(g, request);

        if (m && request->id && !(m->id = strdup(request->id)))
                return cwmp_message_free(m);
        return m;
}
