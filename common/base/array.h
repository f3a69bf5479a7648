/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays on the heap to which elements are appended. */
#pragma once

#include <stdlib.h>

#include "common/base/macro.h"

/* Room for one more element behind the n of an array that has grown by this alone (NULL if n is 0): it has always room
 * for the next power of two, so that nobody need keep its size, and may lose elements at any time. Returns the array,
 * where it is now; NULL if memory ran out, and the old one is as it was. */
static inline void *array_grow(void *array, size_t n, size_t element_size) {
        return n & (n - 1) ? array : reallocarray(array, n > 0 ? 2 * n : 1, element_size);
}

/* The same for the variable that has the array. 0 or -ENOMEM. */
#define ARRAY_GROW(array, n)                                                                                 \
        ({                                                                                                   \
                __typeof__(array) _grown = array_grow((array), (n), sizeof(*(array)));                       \
                if (_grown)                                                                                  \
                        (array) = _grown;                                                                    \
                _grown ? 0 : -ENOMEM;                                                                        \
        })
