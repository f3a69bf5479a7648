/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A push that failed because of one path: the server refuses it, or it cannot be sent. */
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/repository.h"

void repository_push_poisoned(Repository *r, const char *version, const char *path) {
        int k = sync_poison_add(&r->poison, version, path);

        if (k >= 0) {
                log_warning("Instance %u: %s cannot be pushed; the rest goes on.", r->instance, path);
                sync_fsm_poisoned(&r->fsm);
        } else
                /* It was left out already, or there are too many of them. */
                sync_fsm_pushed(&r->fsm, TRANSFER_REFUSED, NULL);
}

static_assert(SYNC_POISON_BYTES_MAX + SYNC_POISON_MAX * sizeof("poison=") + DIRTY_BYTES_MAX + 4096 <=
                              WORKER_MESSAGE_MAX,
              "one message holds all that a run is told");
static_assert(SYNC_POISONED_MAX >= SYNC_POISON_MAX, "the push is refused as a whole behind all that can be left out");

int repository_add_poison(Repository *r, char ***message) {
        STRV_FOREACH(entry, r->poison.entries) {
                int k = worker_message_add(message, "poison", *entry);

                if (k < 0)
                        return k;
        }
        return 0;
}
