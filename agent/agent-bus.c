/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.Agent1.Manager (dbus-interfaces/org.ispstorage.Agent1.Manager.xml). */
#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define MANAGER_INTERFACE AGENT_BUS_NAME ".Manager"

static const char *session_state(const Agent *a) {
        if (a->session)
                return "Running";
        if (a->worker && a->worker_io)
                return "Connecting";
        if (a->retry_timer)
                return "Waiting";
        return "Idle";
}

static int get_session_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return sd_bus_message_append(reply, "s", session_state(userdata));
}

static int get_last_error(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Agent *a = userdata;
        return sd_bus_message_append(reply, "s", strempty(a->last_error));
}

static int get_retry_count(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Agent *a = userdata;
        return sd_bus_message_append(reply, "u", (uint32_t) a->retry_count);
}

static uint64_t timer_usec(sd_event_source *s) {
        uint64_t usec = UINT64_MAX;

        if (s && sd_event_source_get_time(s, &usec) < 0)
                usec = UINT64_MAX;
        return usec;
}

static int get_next_inform(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const Agent *a = userdata;
        return sd_bus_message_append(reply, "t", MIN(timer_usec(a->retry_timer), timer_usec(a->periodic_timer)));
}

static int method_inform(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Agent *a = userdata;

        /* To the ACS it is an inform out of its order: the nearest event that has no obligations. */
        agent_add_event(a, INFORM_PERIODIC, NULL);
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("SessionState", "s", get_session_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LastError", "s", get_last_error, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("RetryCount", "u", get_retry_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NextInform", "t", get_next_inform, 0, 0),
        SD_BUS_METHOD("Inform", NULL, NULL, method_inform, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int agent_bus_export(Agent *a) {
        return sd_bus_add_object_vtable(a->bus, NULL, AGENT_OBJECT_PATH, MANAGER_INTERFACE, manager_vtable, a);
}

void agent_bus_changed(Agent *a) {
        if (!a->bus)
                return;
        int r = sd_bus_emit_properties_changed(
                        a->bus,
                        AGENT_OBJECT_PATH,
                        MANAGER_INTERFACE,
                        "SessionState",
                        "LastError",
                        "RetryCount",
                        NULL);
        if (r < 0)
                log_debug("Cannot announce the state of the session: %s", strerror(-r));
}
