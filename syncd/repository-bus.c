/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.Sync1.Repository (dbus-interfaces/org.ispstorage.Sync1.Repository.xml). */
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "syncd/sync-manager.h"

#define INTERFACE "org.ispstorage.Sync1.Repository"

/* A method call that the tree worker is to answer. */
typedef struct Call {
        sd_bus_message *request;
        sd_bus_message *reply; /* of ListVersions, being filled */
        char *to;              /* of Restore */
        ManagerEntry *entry;
} Call;

static Call *call_free(Call *c) {
        if (!c)
                return NULL;
        sd_bus_message_unref(c->request);
        sd_bus_message_unref(c->reply);
        free(c->to);
        free(c);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Call *, call_free);

static int call_new(Call **ret, ManagerEntry *e, sd_bus_message *request) {
        Call *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->request = sd_bus_message_ref(request);
        c->entry = e;
        *ret = c;
        return 0;
}

static void fail(Call *c, int error) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        (void) bus_error_set_errno(&e, error);
        (void) sd_bus_reply_method_error(c->request, &e);
}

/* The errno of event=done. */
static int get_error(char *const *message) {
        const char *value = message ? worker_message_get(message, "error") : NULL;
        uint32_t n;

        return value && parse_uint32(value, &n) >= 0 ? -(int) n : -EIO;
}

static bool is_event(char *const *message, const char *event) {
        return message && streq_ptr(worker_message_get(message, "event"), event);
}

static int append_version(sd_bus_message *reply, char *const *message) {
        const char *time = worker_message_get(message, "time"), *size = worker_message_get(message, "size");
        int64_t t;
        uint64_t n;

        if (!time || parse_int64(time, &t) < 0 || !size || parse_uint64(size, &n) < 0)
                return -EBADMSG;
        return sd_bus_message_append(
                        reply,
                        "(sxtsb)",
                        strempty(worker_message_get(message, "commit")),
                        t,
                        n,
                        strempty(worker_message_get(message, "author")),
                        streq_ptr(worker_message_get(message, "deleted"), "1"));
}

static void on_version(char *const *message, void *userdata) {
        Call *c = userdata;
        int r;

        if (is_event(message, "version")) {
                r = append_version(c->reply, message);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to list a version: %m");
                return;
        }
        r = get_error(message);
        if (r >= 0)
                r = sd_bus_message_close_container(c->reply);
        if (r < 0)
                fail(c, r);
        else
                (void) sd_bus_send(NULL, c->reply, NULL);
        call_free(c);
}

static int send_request(Call *c, char *const *message, TreeReplyHandler handler) {
        TreeClient *tree = c->entry->repository->tree;

        return tree ? tree_client_send(tree, message, handler, c) : -EBUSY;
}

static int method_list_versions(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_strv_free_ char **message = NULL;
        _cleanup_(call_freep) Call *c = NULL;
        const char *path;
        int r;

        if ((r = sd_bus_message_read(m, "s", &path)) < 0 || (r = call_new(&c, userdata, m)) < 0 ||
            (r = sd_bus_message_new_method_return(m, &c->reply)) < 0 ||
            (r = sd_bus_message_open_container(c->reply, 'a', "(sxtsb)")) < 0 ||
            (r = worker_message_add(&message, "command", "versions")) < 0 ||
            (r = worker_message_add(&message, "path", path)) < 0)
                return r;
        r = send_request(c, message, on_version);
        if (r < 0)
                return bus_error_set_errno(error, r);
        TAKE_PTR(c);
        return 1;
}

static void on_restored(char *const *message, void *userdata) {
        Call *c = userdata;
        int r;

        if (is_event(message, "conflict"))
                return;
        r = get_error(message);
        if (r < 0)
                fail(c, r);
        else {
                repository_mark_dirty(c->entry->repository, c->to);
                (void) sd_bus_reply_method_return(c->request, NULL);
        }
        call_free(c);
}

static int method_restore(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_strv_free_ char **message = NULL;
        _cleanup_(call_freep) Call *c = NULL;
        const char *path, *commit, *to;
        int r;

        r = sd_bus_message_read(m, "sss", &path, &commit, &to);
        if (r < 0)
                return r;
        if (isempty(to))
                to = path;
        if ((r = call_new(&c, userdata, m)) < 0 || (r = free_and_strdup(&c->to, to)) < 0 ||
            (r = worker_message_add(&message, "command", "restore")) < 0 ||
            (r = worker_message_add(&message, "path", path)) < 0 ||
            (r = worker_message_add(&message, "commit", commit)) < 0 ||
            (r = worker_message_add(&message, "to", to)) < 0)
                return r;
        r = send_request(c, message, on_restored);
        if (r < 0)
                return bus_error_set_errno(error, r);
        TAKE_PTR(c);
        return 1;
}

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
                        SD_BUS_RESULT("a(sxtsb)", versions),
                        method_list_versions,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS(
                        "Restore",
                        SD_BUS_ARGS("s", path, "s", commit, "s", to),
                        SD_BUS_NO_RESULT,
                        method_restore,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Conflict", SD_BUS_ARGS("s", path, "s", renamed_to, "x", time), 0),
        SD_BUS_PROPERTY("Directory", "s", get_directory, 0, 0),
        SD_BUS_VTABLE_END,
};

static char *object_path(uint32_t instance) {
        return strfmt(SYNC_BUS_PATH "/" SYNC_OBJECT_NAME "/%u", instance);
}

int repository_bus_add(ManagerEntry *e) {
        _cleanup_free_ char *path = object_path(e->instance);

        if (!path)
                return -ENOMEM;
        return sd_bus_add_object_vtable(e->manager->bus, &e->object, path, INTERFACE, vtable, e);
}

void repository_bus_emit_conflict(ManagerEntry *e, const SyncConflict *conflict) {
        _cleanup_free_ char *path = object_path(e->instance);

        /* A name that is not UTF-8 cannot travel on the bus; the journal has it. */
        if (!path || !utf8_is_valid(conflict->path) || !utf8_is_valid(conflict->renamed_to))
                return;
        (void) sd_bus_emit_signal(
                        e->manager->bus,
                        path,
                        INTERFACE,
                        "Conflict",
                        "ssx",
                        conflict->path,
                        conflict->renamed_to,
                        conflict->time);
}
