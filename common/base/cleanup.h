/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup attributes for the types of libc. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/macro.h"

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                (void) fclose(*f);
}

static inline void closedirp(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

/* Closes the descriptor if it is one; returns -EBADF, so that "fd = safe_close(fd)" leaves a marked variable. */
static inline int safe_close(int fd) {
        if (fd >= 0)
                (void) close(fd);
        return -EBADF;
}

/* Frees the pointer and returns NULL: "p = mfree(p)". */
#define mfree(p)                                                                                             \
        ({                                                                                                   \
                free(p);                                                                                     \
                (typeof(p)) NULL;                                                                            \
        })
