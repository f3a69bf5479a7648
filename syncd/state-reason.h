/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of the parameter StateReason: what an instance is doing, how fast, and why not faster. For people;
 * the words of State and LastError are for programs. Pure. */
#pragma once

#include "syncd/sync-fsm.h"

#define STATE_REASON_SIZE 256U

/* The facts; what is zero is left out of the text. */
typedef struct StateReason {
        const SyncFsm *fsm;
        const char *text;        /* behind the word of LastError, or what is waited for; may be NULL */
        uint64_t wait_usec;      /* until the timer of the state machine */
        /* of the transfer that runs */
        uint64_t bytes_done;
        uint64_t bytes_total;
        uint64_t bytes_per_second;
        uint32_t limit_kbit;     /* of its direction */
        const char *limit_until; /* "18:00": the limit is the schedule's; NULL: it is the parameter's */
        bool yielding;           /* in the background mode, to other traffic */
} StateReason;

/* Writes valid UTF-8 if text is, cut to the size. Returns buf. */
char *state_reason_format(const StateReason *s, char buf[static STATE_REASON_SIZE]);
