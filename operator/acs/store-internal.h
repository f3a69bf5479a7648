/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the store share. */
#pragma once

#include "operator/acs/store.h"
#include "operator/common/sqlite.h"

struct Store {
        sqlite3 *db;
        char **acknowledged; /* messages that may go: device and id in turn */
};

/* Puts the message into the outbox, within the caller's transaction. One that is in it already stays as
 * it is. */
int outbox_insert(Store *s, int64_t now, const Message *m);
