/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap of a worker process. */
#pragma once

#include <malloc.h>

/* Blocks from this size on, in bytes, go back to the kernel when they are freed. After the first large one glibc would
 * keep all of them in the heap (mallopt(3)), which a small block behind them keeps from shrinking. */
static inline void worker_heap_init(int mmap_threshold) {
        (void) mallopt(M_MMAP_THRESHOLD, mmap_threshold);
}
