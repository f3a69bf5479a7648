/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A provider of the fixture's data model under the service name that the argument gives, on the bus of
 * DBUS_SYSTEM_BUS_ADDRESS. Says "ready". */
#include <stdio.h>

#include "common/base/log.h"
#include "common/bus/dm-bus.h"
#include "fixture-schema.h"

static int run(const char *service) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(dm_model_freep) DmModel *m = NULL;
        _cleanup_(dm_bus_freep) DmBus *b = NULL;
        int r;

        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = dm_model_new(&m, &fixture_schema, NULL, NULL);
        if (r >= 0)
                r = dm_bus_new(&b, bus, m, service);
        if (r >= 0)
                r = sd_bus_request_name(bus, service, 0);
        if (r < 0)
                return log_error_errno(r, "Failed to provide %s: %m", service);
        (void) puts("ready");
        (void) fflush(stdout);
        return sd_event_loop(event);
}

int main(int argc, char *argv[]) {
        return argc == 2 && run(argv[1]) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
