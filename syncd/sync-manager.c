/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/repository-bus-history.h"
#include "syncd/sync-manager.h"
#include "sync-schema.h"

#define SHARE_NAME "org.ispstorage.Share1"
#define SHARE_PATH "/org/ispstorage/Share1"
#define SHARE_INTERFACE "org.ispstorage.Share1.Manager"

#define PARAMETERS_FILE "parameters"

#define TREE_WORKER "ispstorage-sync-tree"
/* To remove some thousands of files takes seconds; a disk that hangs is not waited for. */
#define LEAVE_TIMEOUT_USEC UINT64_C(600000000)

ManagerEntry *manager_find(Manager *m, uint32_t instance) {
        for (size_t i = 0; i < m->n_entries; i++)
                if (m->entries[i]->instance == instance)
                        return m->entries[i];
        return NULL;
}

static int on_resolved(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *directory = NULL, *file_system = NULL, *status = NULL;
        ManagerEntry *e = userdata;
        const sd_bus_error *failure;
        int r;

        e->resolving = sd_bus_slot_unref(e->resolving);
        failure = sd_bus_message_get_error(message);
        if (failure) {
                log_debug("Instance %u: the share manager does not answer: %s",
                          e->instance,
                          strempty(failure->message));
                r = -sd_bus_message_get_errno(message);
        } else
                r = sd_bus_message_read(message, "sss", &directory, &file_system, &status);
        repository_folder_resolved(e->repository, MIN(r, 0), directory, file_system, status);
        return 0;
}

static void resolve(Repository *repository, const char *folder, void *userdata) {
        Manager *m = userdata;
        ManagerEntry *e = manager_find(m, repository->instance);
        int r;

        e->resolving = sd_bus_slot_unref(e->resolving);
        r = sd_bus_call_method_async(
                        m->bus,
                        &e->resolving,
                        SHARE_NAME,
                        SHARE_PATH,
                        SHARE_INTERFACE,
                        "ResolveFolder",
                        on_resolved,
                        e,
                        "s",
                        folder);
        if (r < 0)
                (void) log_error_errno(r, "Failed to ask the share manager: %m");
}

static void conflict(Repository *repository, const SyncConflict *c, void *userdata) {
        ManagerEntry *e = manager_find(userdata, repository->instance);

        log_notice("Instance %u: collision on %s: the local file is now %s",
                   e->instance,
                   c->path,
                   c->renamed_to);
        repository_bus_emit_conflict(e, c);
}

static void folder_stops(Repository *repository, void *userdata) {
        ManagerEntry *e = manager_find(userdata, repository->instance);

        /* It may be going as a whole. */
        if (e)
                repository_bus_cancel_jobs(e);
}

static int on_folder_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        const char *path;

        if (sd_bus_message_read(message, "s", &path) < 0)
                return 0;
        for (size_t i = 0; i < m->n_entries; i++)
                if (streq_ptr(m->entries[i]->repository->folder, path))
                        repository_folder_changed(m->entries[i]->repository);
        return 0;
}

/* The share manager came or went. */
static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const char *name, *old, *new;
        Manager *m = userdata;

        if (sd_bus_message_read(message, "sss", &name, &old, &new) < 0 || isempty(new))
                return 0;
        for (size_t i = 0; i < m->n_entries; i++)
                repository_folder_changed(m->entries[i]->repository);
        return 0;
}

static int watch_share_manager(Manager *m) {
        int r;

        r = sd_bus_match_signal_async(
                        m->bus,
                        &m->folder_match,
                        SHARE_NAME,
                        SHARE_PATH,
                        SHARE_INTERFACE,
                        "FolderChanged",
                        on_folder_changed,
                        NULL,
                        m);
        if (r < 0)
                return r;
        return sd_bus_add_match_async(
                        m->bus,
                        &m->owner_match,
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SHARE_NAME "'",
                        on_owner_changed,
                        NULL,
                        m);
}

static void *entry_free(ManagerEntry *e) {
        sd_bus_slot_unref(e->object);
        repository_bus_cancel_jobs(e);
        repository_free(e->repository);
        sd_bus_slot_unref(e->resolving);
        free(e);
        return NULL;
}

int manager_add(Manager *m, uint32_t instance) {
        ManagerEntry **entries, *e;
        int r;

        entries = reallocarray(m->entries, m->n_entries + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        m->entries = entries;
        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->manager = m;
        e->instance = instance;
        m->entries[m->n_entries++] = e;
        r = repository_new(&e->repository, &m->environment, instance);
        if (r >= 0)
                r = repository_bus_add(e);
        if (r < 0) {
                m->n_entries--;
                entry_free(e);
        }
        return r;
}

struct ManagerLeaver {
        Manager *manager;
        Worker *worker;
        ManagerLeaver *next;
};

static void leaver_free(ManagerLeaver *l) {
        ManagerLeaver **at = &l->manager->leavers;

        while (*at != l)
                at = &(*at)->next;
        *at = l->next;
        worker_free(l->worker);
        free(l);
}

static void on_left(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        leaver_free(userdata);
}

/* None of its workers runs any more. What cannot be removed now is, when another instance gets the folder. */
static int leave(Manager *m, const char *state, const char *folder) {
        _cleanup_free_ char *program = strfmt("%s/" TREE_WORKER, m->program_directory);
        char *argv[] = { program, (char *) "--leave", (char *) state, (char *) folder, NULL };
        ManagerLeaver *l;
        int r;

        l = program ? calloc(1, sizeof(*l)) : NULL;
        if (!l)
                return -ENOMEM;
        *l = (ManagerLeaver) { .manager = m, .next = m->leavers };
        m->leavers = l;
        r = worker_spawn(&l->worker, NULL, m->environment.event, argv, LEAVE_TIMEOUT_USEC, on_left, l);
        if (r < 0)
                leaver_free(l);
        return r;
}

void manager_remove(Manager *m, uint32_t instance) {
        for (size_t i = 0; i < m->n_entries; i++) {
                _cleanup_free_ char *state = NULL, *folder = NULL;
                ManagerEntry *e = m->entries[i];
                int r;

                if (e->instance != instance)
                        continue;
                r = repository_remove_state(e->repository, &state, &folder);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to remove the state of instance %u: %m", instance);
                entry_free(e);
                r = r >= 0 && folder ? leave(m, state, folder) : 0;
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to remove what instance %u left: %m", instance);
                memmove(m->entries + i, m->entries + i + 1, (m->n_entries - i - 1) * sizeof(*m->entries));
                m->n_entries--;
                return;
        }
}

static int load(Manager *m, const char *state_directory) {
        int r;

        r = dm_model_new(&m->model, &sync_schema, &sync_provider, m);
        if (r < 0)
                return r;
        r = dm_model_load(m->model, state_directory, PARAMETERS_FILE);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s/" PARAMETERS_FILE ": %m", state_directory);
        if (r == DM_LOADED_CORRUPT)
                log_warning("%s/" PARAMETERS_FILE " was damaged; the parameters are those of the factory.",
                            state_directory);
        else if (r == DM_LOADED_PARTLY)
                log_warning("%s/" PARAMETERS_FILE " has parameters that this version does not know.",
                            state_directory);
        return 0;
}

static int start(Manager *m) {
        int r;

        r = dm_bus_new(&m->dm_bus, m->bus, m->model, SYNC_BUS_NAME);
        if (r < 0)
                return log_error_errno(r, "Failed to put the parameters on the bus: %m");
        r = watch_share_manager(m);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the share manager: %m");
        DM_FOREACH_INSTANCE(i, m->model, SYNC_TABLE) {
                r = manager_add(m, i);
                if (r < 0)
                        return log_error_errno(r, "Failed to start instance %u: %m", i);
        }
        r = sd_bus_request_name(m->bus, SYNC_BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "Failed to take the name " SYNC_BUS_NAME ": %m");
        return 0;
}

/* The workers are installed beside the daemon. */
static int find_program_directory(char **ret) {
        char buf[4096];
        ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
        char *slash;

        if (n < 0)
                return -errno;
        buf[n] = 0;
        slash = strrchr(buf, '/');
        if (!slash)
                return -ENOENT;
        *slash = 0;
        *ret = strdup(buf);
        return *ret ? 0 : -ENOMEM;
}

int manager_new(Manager **ret,
                sd_bus *bus,
                sd_event *event,
                const char *state_directory,
                const char *runtime_directory) {
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return log_oom();
        r = find_program_directory(&m->program_directory);
        if (r < 0)
                return log_error_errno(r, "Failed to find the workers: %m");
        m->bus = bus;
        m->environment = (RepositoryEnvironment) {
                .event = event,
                .state_directory = state_directory,
                .runtime_directory = runtime_directory,
                .program_directory = m->program_directory,
                .resolve = resolve,
                .conflict = conflict,
                .folder_stops = folder_stops,
                .userdata = m,
        };
        r = load(m, state_directory);
        if (r < 0)
                return r;
        m->environment.model = m->model;
        r = start(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        sd_bus_slot_unref(m->folder_match);
        sd_bus_slot_unref(m->owner_match);
        while (m->n_entries > 0)
                entry_free(m->entries[--m->n_entries]);
        free(m->entries);
        while (m->leavers)
                leaver_free(m->leavers);
        dm_bus_free(m->dm_bus);
        dm_model_free(m->model);
        free(m->program_directory);
        free(m);
        return NULL;
}
