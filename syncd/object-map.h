/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of object ids, each with a number. Ids are hashes, so their bytes serve as hash. */
#pragma once

#include <git2/oid.h>

#include "common/base/macro.h"

/* No set here holds more: at 24 bytes each, and half of the slots free, that is 96 MiB. */
#define OBJECT_MAP_MAX (UINT32_C(1) << 21)

typedef struct ObjectMapSlot {
        git_oid id; /* zero: free */
        uint32_t value;
} ObjectMapSlot;

/* Zeroed when empty. */
typedef struct ObjectMap {
        ObjectMapSlot *slots;
        size_t n_slots; /* a power of two, or 0 */
        size_t n;
} ObjectMap;

void object_map_done(ObjectMap *m);
/* Adds the id. 1; 0 if it was there, with the value as it was; -EBADMSG if it is zero; -E2BIG; -ENOMEM. */
int object_map_add(ObjectMap *m, const git_oid *id, uint32_t value);
/* The same, but replaces the value if it was there. */
int object_map_set(ObjectMap *m, const git_oid *id, uint32_t value);
/* True if it is there; ret_value may be NULL. */
bool object_map_find(const ObjectMap *m, const git_oid *id, uint32_t *ret_value);
