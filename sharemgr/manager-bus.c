/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.Share1.Manager; the contract is dbus-interfaces/org.ispstorage.Share1.Manager.xml. */
#include "common/base/cleanup.h"
#include "common/bus/bus-error.h"
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

/* 1: the answer follows. */
static int answer_later(int r, sd_bus_error *error) {
        if (r == -EBUSY)
                return bus_error_set_errno(error, r);
        return r < 0 ? r : 1;
}

static int method_list_sessions(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return answer_later(manager_list_sessions(userdata, message), error);
}

static int method_end_session(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *id;
        int r;

        r = sd_bus_message_read(message, "s", &id);
        if (r < 0)
                return r;
        r = manager_end_session(userdata, id, message);
        if (r == -EINVAL)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Not the name of a session.");
        return answer_later(r, error);
}

static int method_wipe_medium(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const Medium *medium = NULL;
        const char *row, *name;
        int r;

        r = sd_bus_message_read(message, "ss", &row, &name);
        if (r < 0)
                return r;
        switch (manager_may_wipe(userdata, row, name, &medium)) {
        case WIPE_ALLOWED:
                return answer_later(manager_wipe(userdata, medium, message), error);
        case WIPE_NO_MEDIUM:
                return sd_bus_error_set(
                                error, SD_BUS_ERROR_INVALID_ARGS, "Not the path name of a medium that is attached.");
        case WIPE_OTHER_NAME:
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "The medium has another name.");
        case WIPE_USED_BY_SYSTEM:
                return sd_bus_error_set(error, BUS_ERROR_REQUEST_DENIED, "The system uses the medium.");
        case WIPE_USED_BY_VOLUME:
                return sd_bus_error_set(
                                error, BUS_ERROR_REQUEST_DENIED, "A volume is on the medium; disable it first.");
        case WIPE_BUSY:
                break;
        }
        return sd_bus_error_set(error, BUS_ERROR_BUSY, "Something is being done with the disks; try again.");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS(
                        "ResolveFolder",
                        SD_BUS_ARGS("s", path),
                        SD_BUS_RESULT("s", directory, "s", filesystem_uuid, "s", status),
                        method_resolve_folder,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "ListSessions",
                        SD_BUS_NO_ARGS,
                        SD_BUS_RESULT("a(ssssasas)", sessions),
                        method_list_sessions,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "EndSession",
                        SD_BUS_ARGS("s", session),
                        SD_BUS_NO_RESULT,
                        method_end_session,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        /* Not UNPRIVILEGED: sd-bus refuses everybody but root. */
        SD_BUS_METHOD_WITH_ARGS(
                        "WipeMedium", SD_BUS_ARGS("s", medium, "s", name), SD_BUS_NO_RESULT, method_wipe_medium, 0),
        SD_BUS_SIGNAL_WITH_ARGS("FolderChanged", SD_BUS_ARGS("s", path), 0),
        SD_BUS_VTABLE_END,
};

int manager_bus_export(Manager *m) {
        return sd_bus_add_object_vtable(m->bus, &m->vtable, SHARE_OBJECT_PATH, MANAGER_INTERFACE, vtable, m);
}

int manager_bus_emit_folder_changed(Manager *m, const char *path) {
        return sd_bus_emit_signal(m->bus, SHARE_OBJECT_PATH, MANAGER_INTERFACE, "FolderChanged", "s", path);
}
