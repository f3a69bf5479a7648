/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods of org.ispstorage.Sync1.Repository that ask for main's history or bring something of it back. */
#pragma once

#include "syncd/sync-manager.h"

#define REPOSITORY_INTERFACE "org.ispstorage.Sync1.Repository"

/* The object of an instance; the caller's. NULL: no memory. */
char *repository_bus_path(uint32_t instance);

/* The methods of these names, as sd_bus_message_handler_t; userdata is the ManagerEntry. They answer when a worker
 * has. */
int repository_bus_list_versions(sd_bus_message *m, void *userdata, sd_bus_error *error);
int repository_bus_list_versions_before(sd_bus_message *m, void *userdata, sd_bus_error *error);
int repository_bus_list_commits(sd_bus_message *m, void *userdata, sd_bus_error *error);
int repository_bus_find_commit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int repository_bus_restore(sd_bus_message *m, void *userdata, sd_bus_error *error);
int repository_bus_cancel_restore(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Ends all of them: the instance is going. */
void repository_bus_cancel_jobs(ManagerEntry *e);
