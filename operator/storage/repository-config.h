/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a repository's hooks need to know: the file ispstorage.conf in it, which the frontend has written. A file
 * of its own, as to ask git for a setting takes longer than the rest of a hook. */
#pragma once

#include "common/base/macro.h"

typedef struct RepositoryConfig {
        uint32_t quota_mib; /* 0: no limit */
        char *hook_socket;  /* where the frontend hears of a push */
} RepositoryConfig;

/* Reads it from the current directory. 0 or a negative errno. c must be initialized to zero;
 * repository_config_done() in any case. Logs. */
int repository_config_read(RepositoryConfig *c);
/* Writes it, durably, into the repository. 0 or a negative errno. */
int repository_config_write(const char *directory, const RepositoryConfig *c);
void repository_config_done(RepositoryConfig *c);
