/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trees that make a batch of a push useful to others: docs/repository-format.md, "Staging". */
#pragma once

#include "syncd/push-list.h"

typedef struct PushTree {
        uint8_t *data;
        size_t size;
} PushTree;

/* Zeroed when empty. */
typedef struct PushStaging {
        git_oid id; /* of the staging tree, which is the last one */
        PushTree *trees;
        size_t n_trees;
} PushStaging;

/* Makes the trees of consecutive chunks that go without their groups, and the staging tree that names all of the batch.
 * 0, or a negative errno, after which ret must be done with as well. */
int push_staging_make(PushStaging *ret, const PushList *batch);
void push_staging_done(PushStaging *s);
