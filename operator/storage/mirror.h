/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second home for repositories: a bucket, or whatever rclone(1) reaches. Packs never change, so only new ones are
 * copied; the refs follow when all is there that they need. Below <remote>/<name of the repository>: pack/, refs. */
#pragma once

#include "common/base/macro.h"

typedef struct Mirror {
        const char *remote; /* as rclone names it: "<remote>:<bucket>[/<prefix>]" */
        const char *config; /* rclone's configuration file, with the credentials */
} Mirror;

/* Brings the copy of the repository, and of what it borrows from, up to date. 0, -EIO, or another negative errno. */
int mirror_update(const char *directory, const Mirror *m);

/* Removes the copy. One that is not there is no error. 0 or as above. */
int mirror_remove(const char *directory, const Mirror *m);

/* Makes each repository of the mirror that is not in the directory, and checks that it is complete. *ret_n is how many.
 * 0 or as above; what was not complete is not there then. */
int mirror_restore(const char *repositories, const Mirror *m, unsigned *ret_n);
