/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiler attributes and the few macros that the whole suite shares. */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _pure_ __attribute__((pure))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

#define MIN(a, b)                                                                                            \
        ({                                                                                                   \
                typeof(a) _min_a = (a);                                                                      \
                typeof(b) _min_b = (b);                                                                      \
                _min_a < _min_b ? _min_a : _min_b;                                                           \
        })
#define MAX(a, b)                                                                                            \
        ({                                                                                                   \
                typeof(a) _max_a = (a);                                                                      \
                typeof(b) _max_b = (b);                                                                      \
                _max_a > _max_b ? _max_a : _max_b;                                                           \
        })

/* Hands a pointer out of a _cleanup_ variable: returns it and leaves NULL behind. */
#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                typeof(p) *_take_p = &(p);                                                                   \
                typeof(p) _take_v = *_take_p;                                                                \
                *_take_p = NULL;                                                                             \
                _take_v;                                                                                     \
        })

/* The same for a file descriptor; leaves -EBADF behind. */
#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int *_take_fd = &(fd);                                                                       \
                int _take_v = *_take_fd;                                                                     \
                *_take_fd = -EBADF;                                                                          \
                _take_v;                                                                                     \
        })

/* Defines func##p(), the cleanup function for variables of a pointer type with a NULL-safe free function. */
#define DEFINE_TRIVIAL_CLEANUP_FUNC(type, func)                                                              \
        static inline void func##p(type *p) {                                                                \
                if (*p)                                                                                      \
                        (void) func(*p);                                                                     \
        }                                                                                                    \
        struct __useless_struct_to_allow_trailing_semicolon__
