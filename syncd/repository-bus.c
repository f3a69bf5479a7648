/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.Sync1.Repository (dbus-interfaces/org.ispstorage.Sync1.Repository.xml). */
#include "common/base/str.h"
#include "syncd/repository-bus-history.h"

static int method_sync(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ManagerEntry *e = userdata;

        repository_order(e->repository, (SyncOp) { .kind = SYNC_OP_RESCAN });
        return sd_bus_reply_method_return(m, NULL);
}

static int get_directory(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {

        ManagerEntry *e = userdata;

        return sd_bus_message_append(reply, "s", e->repository->tree ? e->repository->path : "");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS(
                        "Sync", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_sync, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "ListVersions",
                        SD_BUS_ARGS("s", path),
                        SD_BUS_RESULT("a(sxxssxb)", versions),
                        repository_bus_list_versions,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "ListVersionsBefore",
                        SD_BUS_ARGS("s", path, "s", before, "u", limit),
                        SD_BUS_RESULT("a(sxxssxb)", versions, "b", more),
                        repository_bus_list_versions_before,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "ListCommits",
                        SD_BUS_ARGS("s", before, "u", limit),
                        SD_BUS_RESULT("a(sxss)", commits, "b", more),
                        repository_bus_list_commits,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "FindCommit",
                        SD_BUS_ARGS("x", time),
                        SD_BUS_RESULT("s", commit, "x", commit_time),
                        repository_bus_find_commit,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "Restore",
                        SD_BUS_ARGS("s", path, "s", commit, "s", to),
                        SD_BUS_RESULT("t", entries, "t", bytes),
                        repository_bus_restore,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "CancelRestore",
                        SD_BUS_NO_ARGS,
                        SD_BUS_NO_RESULT,
                        repository_bus_cancel_restore,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("RestoreProgress", SD_BUS_ARGS("s", path, "t", done, "t", total), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Conflict", SD_BUS_ARGS("s", path, "s", renamed_to, "x", time), 0),
        SD_BUS_PROPERTY("Directory", "s", get_directory, 0, 0),
        SD_BUS_VTABLE_END,
};

char *repository_bus_path(uint32_t instance) {
        return strfmt(SYNC_BUS_PATH "/" SYNC_OBJECT_NAME "/%u", instance);
}

int repository_bus_add(ManagerEntry *e) {
        _cleanup_free_ char *path = repository_bus_path(e->instance);

        if (!path)
                return -ENOMEM;
        return sd_bus_add_object_vtable(e->manager->bus, &e->object, path, REPOSITORY_INTERFACE, vtable, e);
}

void repository_bus_emit_conflict(ManagerEntry *e, const SyncConflict *conflict) {
        _cleanup_free_ char *path = repository_bus_path(e->instance);

        /* A name that is not UTF-8 cannot travel on the bus; the journal has it. */
        if (!path || !utf8_is_valid(conflict->path) || !utf8_is_valid(conflict->renamed_to))
                return;
        (void) sd_bus_emit_signal(
                        e->manager->bus,
                        path,
                        REPOSITORY_INTERFACE,
                        "Conflict",
                        "ssx",
                        conflict->path,
                        conflict->renamed_to,
                        conflict->time);
}
