/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much content goes in one step of a push: who makes commits, who announces a push, who sends it and who prefetches
 * it go by it. */
#pragma once

#include <stdint.h>

/* A push of up to so many bytes is one step. A larger one goes in batches, on staging refs: what has landed is not sent
 * again after a cut, and others can prefetch it. */
#define PUSH_WHOLE_MAX (UINT64_C(8) << 20)
/* A batch has at most about so many bytes, unless there would be too many of them. Each costs the server a session,
 * whose work should be less than it takes to send the next one, also if the server has other things to do. */
#define PUSH_BATCH_SIZE (UINT64_C(16) << 20)
/* The first batch is of this size, and each of the next ones of so many times that of the one before it. */
#define PUSH_BATCH_FIRST (UINT64_C(1) << 20)
#define PUSH_BATCH_GROWTH 4U
