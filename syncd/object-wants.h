/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that must still be fetched by their ids: what the trees of a commit name and the store does not
 * have. */
#pragma once

#include "syncd/git-store.h"
#include "syncd/object-map.h"

typedef struct ObjectWants {
        git_oid *ids;
        size_t n;
        ObjectMap known; /* what was looked at, or is wanted: hostile trees name the same again and again */
} ObjectWants;

void object_wants_done(ObjectWants *w);
/* Adds the id, unless it was added before or marked as known. 0, -E2BIG or -ENOMEM. */
int object_wants_add(ObjectWants *w, const git_oid *id);

/* Adds the trees and the metadata that are missing of the tree (not the content of files). What the older
 * tree (may be zero) has in the same place is complete and not looked at. 0, -EBADMSG for what is no tree or
 * nested without end, -E2BIG, -ENOMEM or another error of the store. */
int object_wants_add_missing(ObjectWants *w, GitStore *store, const git_oid *tree, const git_oid *older);
