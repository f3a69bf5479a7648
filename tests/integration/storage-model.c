/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data model of the share manager without its disks and servers: for tests of what the agent does with tables, rows
 * and references. With a directory as argument, where there is a file "hold-<method>", a call makes it
 * "held-<method>" and waits, with all behind it, as long as that is there. In memory only, or with a directory for its
 * state as second argument. */
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/base/str.h"

#include "common/bus/bus-error.h"
#include "common/bus/dm-bus.h"
#include "common/daemon/daemon-run.h"
#include "storage-schema.h"

static int hold(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        const char *member = sd_bus_message_get_member(m), *directory = userdata;
        _cleanup_free_ char *wanted = strfmt("%s/hold-%s", directory, strempty(member));
        _cleanup_free_ char *held = strfmt("%s/held-%s", directory, strempty(member));

        if (!wanted || !held || sd_bus_message_is_method_call(m, NULL, NULL) <= 0 || rename(wanted, held) < 0)
                return 0;
        while (access(held, F_OK) >= 0)
                (void) usleep(5000);
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(dm_model_freep) DmModel *m = NULL;
        _cleanup_(dm_bus_freep) DmBus *b = NULL;

        if (daemon_event_new(&event) < 0 || bus_error_register() < 0 || sd_bus_open_system(&bus) < 0 ||
            sd_bus_attach_event(bus, event, 0) < 0 || dm_model_new(&m, &storage_schema, NULL, NULL) < 0 ||
            (argc > 2 && dm_model_load(m, argv[2], "model") < 0) ||
            dm_bus_new(&b, bus, m, "org.ispstorage.Share1") < 0 ||
            (argc > 1 && sd_bus_add_filter(bus, NULL, hold, argv[1]) < 0) ||
            sd_bus_request_name(bus, "org.ispstorage.Share1", 0) < 0)
                return EXIT_FAILURE;
        return daemon_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
