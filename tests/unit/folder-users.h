/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users do to their folders in a world, at random. What cannot be done is not done. */
#pragma once

#include "tests/unit/folder-world.h"

#define USER_PATHS 8U
/* What user_act() and user_act_oddly() are about. */
extern const char *const user_paths[USER_PATHS];

/* What somebody has open for writing. */
typedef struct UserOpen {
        int fds[8];
        unsigned n;
} UserOpen;

/* Writes, removes, renames, makes directories and symlinks. */
void user_act(World *w, WorldGateway *g);
/* Makes what is no ordinary file, or is not left in peace. */
void user_act_oddly(World *w, WorldGateway *g, UserOpen *open);
/* Takes away what user_act_oddly() has made in all folders: what was undecided can be decided. */
void user_make_ordinary(World *w, UserOpen *open);

/* Makes a tree that all gateways have and are sure of. */
void user_plant(World *w);
/* Mostly renames something of it. */
void user_rearrange(World *w, WorldGateway *g);
/* Renames, removes or replaces something, or mostly nothing: for a step of a run. */
void user_act_meanwhile(World *w, WorldGateway *g);
