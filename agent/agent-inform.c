/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Inform: who we are, what happened, what changed (TR-069 A.3.3.1). */
#include <time.h>

#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"

/* ConnectionRequestURL follows the address that the ACS sees, unless the configuration names one. */
static int update_connection_request_url(Agent *a, const char *local_address) {
        const char *host = a->config.connection_request_address ?: local_address;
        _cleanup_free_ char *url = strfmt(strchr(host, ':') ? "http://[%s]:%u%s" : "http://%s:%u%s", host,
                                          CONNECTION_REQUEST_PORT, a->connection_request_path);

        return url ? agent_model_set(a, "ManagementServer.ConnectionRequestURL", url) : -ENOMEM;
}

/* The forced parameters, and those that wait to be told; each once. */
static int add_parameters(Agent *a, CwmpMessage *inform) {
        _cleanup_parameter_list_ ParameterList waiting = {};

        int r = agent_model_forced_inform(a, &inform->parameters);
        if (r < 0)
                return r;
        for (size_t i = 0; i < inform->parameters.n; i++) {
                r = notifications_observe(a->notifications, inform->parameters.items + i);
                if (r < 0)
                        return r;
        }

        r = notifications_collect(a->notifications, &waiting);
        for (size_t i = 0; i < waiting.n && r >= 0; i++)
                if (!parameter_list_find(&inform->parameters, waiting.items[i].name) &&
                    !parameter_list_add(&inform->parameters, waiting.items[i].name, waiting.items[i].type,
                                        waiting.items[i].value))
                        r = -ENOMEM;
        return r < 0 ? r : provider_table_add_root(&a->providers, &inform->parameters);
}

static int add_events(Agent *a, CwmpMessage *inform) {
        if (notifications_pending(a->notifications)) {
                int r = inform_queue_add(a->queue, INFORM_VALUE_CHANGE, NULL);
                if (r < 0)
                        return r;
        }
        int r = inform_queue_collect(a->queue, &inform->events);
        return r < 0 ? r : transfer_queue_collect(a->transfers, &inform->events);
}

int agent_make_inform(Agent *a, const char *local_address, CwmpMessage **ret) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_INFORM);
        char now[DATETIME_SIZE];

        if (!m)
                return -ENOMEM;

        int r = update_connection_request_url(a, local_address);
        if (r < 0)
                return r;

        m->id = strfmt("%u", ++a->inform_id);
        m->manufacturer = agent_model_string(a, "DeviceInfo.Manufacturer");
        m->oui = strdup(MANUFACTURER_OUI);
        m->product_class = agent_model_string(a, "DeviceInfo.ProductClass");
        m->serial_number = agent_model_string(a, "DeviceInfo.SerialNumber");
        m->current_time = strdup(format_datetime((int64_t) time(NULL), now));
        m->number = a->retry_count;
        if (!m->id || !m->manufacturer || !m->oui || !m->product_class || !m->serial_number || !m->current_time)
                return -ENOMEM;

        r = add_parameters(a, m);
        if (r >= 0)
                r = add_events(a, m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

int agent_add_requests(Agent *a) {
        const TransferList *l = transfer_queue_list(a->transfers);

        for (size_t i = 0; i < l->n; i++) {
                if (!l->items[i].informed)
                        continue;
                _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_TRANSFER_COMPLETE);
                if (!m || !(m->id = strfmt("%u-%zu", a->inform_id, i + 1)))
                        return -ENOMEM;
                int r = transfer_list_add(&m->transfers, l->items + i);
                if (r < 0)
                        return r;
                r = session_add_request(a->session, TAKE_PTR(m));
                if (r < 0)
                        return r;
        }
        return 0;
}
