/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers ResolveFolder in the place of sharemgr, which needs a disk: for tests of syncd without a
 * gateway.
 *
 *      share-stand-in DIRECTORY UUID
 *
 * Every path is the directory, "Online" while it exists. A line on standard input sends FolderChanged for
 * the first folder. */
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/daemon/daemon-run.h"

#define FOLDER "Services.StorageService.1.LogicalVolume.1.Folder.1"

static int resolve_folder(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char **arguments = userdata;

        if (access(arguments[1], F_OK) < 0)
                return sd_bus_reply_method_return(m, "sss", "", "", "Offline the medium is not there");
        return sd_bus_reply_method_return(m, "sss", arguments[1], arguments[2], "Online");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ResolveFolder", "s", "sss", resolve_folder, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("FolderChanged", "s", 0),
        SD_BUS_VTABLE_END,
};

static int on_line(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        char buf[64];

        if (read(fd, buf, sizeof(buf)) <= 0)
                return sd_event_exit(sd_event_source_get_event(s), 0);
        return sd_bus_emit_signal(
                        userdata,
                        "/org/ispstorage/Share1",
                        "org.ispstorage.Share1.Manager",
                        "FolderChanged",
                        "s",
                        FOLDER);
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        if (argc != 3)
                return EXIT_FAILURE;
        if (daemon_event_new(&event) < 0 || sd_bus_open_system(&bus) < 0 ||
            sd_bus_attach_event(bus, event, 0) < 0 ||
            sd_bus_add_object_vtable(
                            bus,
                            NULL,
                            "/org/ispstorage/Share1",
                            "org.ispstorage.Share1.Manager",
                            vtable,
                            argv) < 0 ||
            sd_bus_request_name(bus, "org.ispstorage.Share1", 0) < 0 ||
            sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_line, bus) < 0)
                return EXIT_FAILURE;
        return daemon_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
