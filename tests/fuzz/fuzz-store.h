/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store for targets that read objects: empty, in a directory that is removed when the program ends. */
#pragma once

#include "syncd/git-store-internal.h"

/* The same store for each input, and a new one now and then: what the inputs wrote stays in it. */
GitStore *fuzz_store(void);

/* Writes the object, and names it. */
void fuzz_store_write(GitStore *store, git_object_t type, const void *data, size_t size, git_oid *ret);
