/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the two halves of the journal: what writes it, and what reads it. Not for others. */
#pragma once

#include "syncd/sync-journal.h"

#define JOURNAL_MAGIC "ISPSJNL2"

typedef enum RecordKind {
        RECORD_INTENT = 1,
        RECORD_OUTCOME,
        RECORD_BASE_RECORDED,
        RECORD_MOVE, /* an intent, too, with moved_from in the place of renamed_to */
} RecordKind;

/* One more, zeroed; NULL: no memory. It moves when there is another one. */
SyncIntent *sync_journal_new_intent(SyncJournal *j);
/* Reads records up to the first damaged one. *ret_size is where that begins; 0 if it is no journal. 0 or a negative
 * errno. */
int sync_journal_read_records(SyncJournal *j, int fd, off_t *ret_size);
