/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.Share1.Manager; the contract is dbus-interfaces/org.ispstorage.Share1.Manager.xml. */
#include "common/base/cleanup.h"
#include "sharemgr/manager.h"

#define MANAGER_INTERFACE "org.ispstorage.Share1.Manager"

static int method_resolve_folder(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *directory = NULL, *uuid = NULL, *status = NULL;
        Manager *m = userdata;
        const char *path;
        int r;

        r = sd_bus_message_read(message, "s", &path);
        if (r < 0)
                return r;
        r = manager_resolve_folder(m, path, &directory, &uuid, &status);
        if (r == -EINVAL)
                return sd_bus_error_set(
                                error, SD_BUS_ERROR_INVALID_ARGS, "Not the path name of a Folder row.");
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(message, "sss", directory, uuid, status);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS(
                        "ResolveFolder",
                        SD_BUS_ARGS("s", path),
                        SD_BUS_RESULT("s", directory, "s", filesystem_uuid, "s", status),
                        method_resolve_folder,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("FolderChanged", SD_BUS_ARGS("s", path), 0),
        SD_BUS_VTABLE_END,
};

int manager_bus_export(Manager *m) {
        return sd_bus_add_object_vtable(m->bus, &m->vtable, SHARE_OBJECT_PATH, MANAGER_INTERFACE, vtable, m);
}

int manager_bus_emit_folder_changed(Manager *m, const char *path) {
        return sd_bus_emit_signal(m->bus, SHARE_OBJECT_PATH, MANAGER_INTERFACE, "FolderChanged", "s", path);
}
