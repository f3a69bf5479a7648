/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All instances, and the bus: org.ispstorage.Sync1. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/bus/dm-bus.h"
#include "syncd/repository.h"

#define SYNC_BUS_NAME "org.ispstorage.Sync1"
#define SYNC_BUS_PATH "/org/ispstorage/Sync1"

typedef struct Manager Manager;

/* A method call that asks for main's history (repository-bus-job.h). */
typedef struct BusJob BusJob;

/* An instance on the bus. */
typedef struct ManagerEntry {
        Manager *manager;
        uint32_t instance;
        Repository *repository;
        sd_bus_slot *object;
        sd_bus_slot *resolving;
        BusJob *jobs;
} ManagerEntry;

/* A worker that removes what an instance left on its volume. */
typedef struct ManagerLeaver ManagerLeaver;

struct Manager {
        sd_bus *bus;
        DmModel *model;
        DmBus *dm_bus;
        char *program_directory;
        RepositoryEnvironment environment;
        ManagerEntry **entries;
        size_t n_entries;
        ManagerLeaver *leavers;
        sd_bus_slot *folder_match;
        sd_bus_slot *owner_match;
};

/* Loads the parameters from the state directory, puts everything on the bus, starts the instances and
 * takes the bus name. bus must be attached to event; the directories must outlive *ret. 0 or a negative
 * errno. */
int manager_new(Manager **ret,
                sd_bus *bus,
                sd_event *event,
                const char *state_directory,
                const char *runtime_directory);
Manager *manager_free(Manager *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(Manager *, manager_free);

/* The interface org.ispstorage.Sync1.Repository of an instance (repository-bus.c). 0 or a negative errno. */
int repository_bus_add(ManagerEntry *e);
void repository_bus_emit_conflict(ManagerEntry *e, const SyncConflict *conflict);

/* What the ACS writes (sync-provider.c); userdata is the Manager. */
extern const DmProvider sync_provider;

/* The entry of an instance, or NULL. The manager's. */
ManagerEntry *manager_find(Manager *m, uint32_t instance);
/* A new instance, with what its state directory has. 0 or a negative errno. */
int manager_add(Manager *m, uint32_t instance);
/* Ends an instance with its state, and, if the folder is online, what it left beside it. */
void manager_remove(Manager *m, uint32_t instance);
