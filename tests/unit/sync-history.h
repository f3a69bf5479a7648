/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several gateways in memory that exchange folders through a main, driven by a list of random numbers:
 * users at work, runs of synchronization that are cut, refused, or whose answer is lost. */
#pragma once

#include "common/base/macro.h"

#define HISTORY_GATEWAYS 3U
#define HISTORY_STEPS_MAX 64U

typedef enum HistoryMode {
        HISTORY_FREE,        /* anybody writes at any time */
        HISTORY_ONE_WRITER,  /* only the first gateway's user writes */
        HISTORY_HAND_OVER,   /* a user writes only when the folder has all that the writer before left */
} HistoryMode;

/* Plays the steps and then synchronizes all until nothing moves. NULL if every invariant held, else which
 * did not: no content lost, none invented, deletions only by users, no collision without two writers,
 * termination, equality of all. */
const char *history_play(HistoryMode mode, const uint64_t *steps, size_t n_steps);
