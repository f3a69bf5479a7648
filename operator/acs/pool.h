/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that take work out of a ring; each has a database connection and a gSOAP context. */
#pragma once

#include "common/cwmp/cwmp-soap.h"
#include "operator/acs/store.h"

typedef struct Pool Pool;

/* Serves one item. store is NULL if the database cannot be opened now. */
typedef void (*PoolHandler)(void *item, Store *store, struct soap *soap, void *userdata);

/* Threads start when they are needed, at most n_threads. At most n_items are in the ring at a time. database is
 * borrowed and must live as long. *ret is the caller's. 0 or -ENOMEM. */
int pool_new(
                Pool **ret,
                const char *database,
                unsigned n_threads,
                unsigned n_items,
                PoolHandler handler,
                void *userdata);

/* Waits for what is being served; items that wait are left alone. NULL is allowed; returns NULL. */
Pool *pool_free(Pool *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(Pool *, pool_free);

/* Has a thread serve the item. Thread-safe. */
void pool_give(Pool *p, void *item);
