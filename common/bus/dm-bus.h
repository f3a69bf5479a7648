/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A data model on the bus: org.ispstorage.DataModel1 on the provider's root object, and an object per
 * data-model object.
 *
 * The root object of service "org.ispstorage.Share1" is /org/ispstorage/Share1.
 * Services.StorageService.1.FTPServer. is /org/ispstorage/Share1/StorageService/1/FTPServer with interface
 * org.ispstorage.Share1.StorageService.FTPServer and one property per parameter; parameters beside the top
 * objects (NumberOfEntries) are on the root object. The root has an ObjectManager. Who may call is the bus
 * policy's business (dbus-interfaces/<service>.conf). */
#pragma once

#include <systemd/sd-bus.h>

#include "common/datamodel/dm.h"

/* A prepared request whose caller neither commits nor aborts is given up after this time. */
#define DM_BUS_LOCK_USEC (30U * 1000000U)

typedef struct DmBus DmBus;

/* Exports the model, and becomes its listener. bus must be attached to an event loop; service must not have
 * been requested yet, so that nobody sees a half-built tree. All arguments but service must outlive *ret,
 * which is the caller's. 0 or a negative errno. */
int dm_bus_new(DmBus **ret, sd_bus *bus, DmModel *m, const char *service);

/* Takes everything off the bus. NULL is allowed; returns NULL. */
DmBus *dm_bus_free(DmBus *b);
DEFINE_TRIVIAL_CLEANUP_FUNC(DmBus *, dm_bus_free);

/* Replaces DM_BUS_LOCK_USEC; for tests. */
void dm_bus_set_lock_timeout(DmBus *b, uint64_t usec);
