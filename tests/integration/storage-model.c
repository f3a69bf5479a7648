/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data model of the share manager without its disks and servers: for tests of what the agent does with tables, rows
 * and references. In memory only. */
#include <systemd/sd-bus.h>

#include "common/bus/bus-error.h"
#include "common/bus/dm-bus.h"
#include "common/daemon/daemon-run.h"
#include "storage-schema.h"

int main(int argc, char *argv[]) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(dm_model_freep) DmModel *m = NULL;
        _cleanup_(dm_bus_freep) DmBus *b = NULL;

        if (daemon_event_new(&event) < 0 || bus_error_register() < 0 || sd_bus_open_system(&bus) < 0 ||
            sd_bus_attach_event(bus, event, 0) < 0 || dm_model_new(&m, &storage_schema, NULL, NULL) < 0 ||
            dm_bus_new(&b, bus, m, "org.ispstorage.Share1") < 0 ||
            sd_bus_request_name(bus, "org.ispstorage.Share1", 0) < 0)
                return EXIT_FAILURE;
        return daemon_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
