/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the pieces of ispstorage-sync-tree. */
#pragma once

#include "syncd/folder.h"
#include "syncd/worker-message.h"

/* The end of an answer that is an errno only. 0 or a negative errno that ends the worker; so all below. */
int tree_send_done(int error);
int tree_send_conflicts(const SyncConflictList *conflicts);

/* tree-history.c: commands about versions. -EOPNOTSUPP: it is none of them. */
int tree_serve_history(Folder *f, const char *gateway_name, const char *command, char *const *message);
