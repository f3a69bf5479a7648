/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the data model's bus export share; nobody else includes this. */
#pragma once

#include "common/bus/dm-bus.h"

/* One kind of data-model object, exported as one interface. */
typedef struct DmBusObject {
        DmBus *bus;
        const DmObject *object;
        char *interface;
        sd_bus_vtable *vtable;
        sd_bus_slot *slot;
} DmBusObject;

struct DmBus {
        sd_bus *bus;
        DmModel *model;
        char *service;
        char *root;           /* the object path of the root */
        DmBusObject *objects; /* one for each object of the schema */
        sd_bus_slot *interface, *manager, *enumerator;

        /* The write lock, while a request is prepared. */
        uint64_t token;
        char *owner; /* NULL on a connection without a bus */
        sd_bus_track *track;
        sd_event_source *expiry;
        uint64_t timeout_usec;
};

/* --- dm-bus-lock.c --- */

/* Ties the lock that was just taken to the message's sender and to the clock. */
int dm_bus_lock(DmBus *b, uint64_t token, sd_bus_message *m);

/* True if the token is what the message's sender holds. */
bool dm_bus_owns(const DmBus *b, uint64_t token, sd_bus_message *m);

/* Forgets the lock, after commit or abort. */
void dm_bus_unlock(DmBus *b);

/* --- dm-bus-methods.c --- */

extern const sd_bus_vtable dm_bus_vtable[];

#define DM_BUS_INTERFACE "org.ispstorage.DataModel1"

/* --- dm-bus-objects.c --- */

/* Puts an object on the bus for each that the model has, and the object manager. 0 or a negative errno; what was added
 * then goes with dm_bus_remove_objects(). */
int dm_bus_add_objects(DmBus *b);
/* Takes them off; also after a failure half way. */
void dm_bus_remove_objects(DmBus *b);

/* The bus path of an object's data-model path, with a dot at its end. NULL if memory ran out. */
char *dm_bus_path(const DmBus *b, const char *path);

/* False for what is never in PropertiesChanged. */
bool dm_bus_emits(const DmParameter *p);
