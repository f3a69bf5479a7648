/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the content of a push comes from: the snapshot of what was committed, else the user's folder.
 * Nothing is handed out that is not what its id says. */
#pragma once

#include "syncd/content.h"
#include "syncd/git-store.h"

typedef struct PushSource {
        ContentArea *area;
        int folder_fd; /* -EBADF if it is not there */
        SyncOid file;  /* that is open */
        int fd;
        uint8_t *buf; /* of FORMAT_PLAIN_MAX bytes */
} PushSource;

/* 0 or -ENOMEM. */
int push_source_init(PushSource *s, ContentArea *area, int folder_fd);
void push_source_done(PushSource *s);

/* The bytes of a file that is one blob, or of a symlink's target, now. 0; -ESTALE: it is gone, or too large
 * for one blob; or another negative errno. */
int push_source_size(PushSource *s, const SyncOid *file, const char *path, bool symlink, uint64_t *ret);

/* Reads length bytes of a file, in one piece, and checks that they are the blob of that id. *ret belongs to
 * the source until the next call. 0; -ESTALE: they are not any more; -EKEYREJECTED: they are part of a collision attack
 * on SHA-1, which must not come to main; or another negative errno. */
int push_source_read(
                PushSource *s,
                const SyncOid *file,
                const char *path,
                uint64_t offset,
                uint64_t length,
                const git_oid *id,
                const void **ret);
int push_source_read_symlink(
                PushSource *s,
                const SyncOid *target,
                const char *path,
                const git_oid *id,
                const void **ret,
                size_t *ret_size);
