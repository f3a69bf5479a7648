/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that must survive a power cut, and whole-file input and output. */
#pragma once

#include <sys/types.h>

#include "common/base/macro.h"

/* Writes all of data, through short writes and EINTR. 0 or a negative errno. */
int loop_write(int fd, const void *data, size_t size);

/* Reads until end of file or size bytes. Returns the number of bytes or a negative errno. */
ssize_t loop_read(int fd, void *buf, size_t size);

/* Replaces the file atomically and durably: writes "<name>.new" beside it (path relative to dir_fd, or AT_FDCWD),
 * fsyncs it, renames it and fsyncs the directory. After an error the old content is in place. 0 or a negative
 * errno: those of open(2), write(2), fsync(2), rename(2). */
int write_file_atomic(int dir_fd, const char *path, const void *data, size_t size, mode_t mode);

/* The same with what a function writes to fd: it returns 0 or a negative errno, which is returned here, too. For what
 * is not in memory as a whole. */
int write_file_atomic_by(
                int dir_fd, const char *path, mode_t mode, int (*write)(int fd, void *userdata), void *userdata);

/* Reads a whole regular file of at most max bytes into a new buffer with a NUL behind it. *ret is the caller's;
 * ret_size may be NULL. 0, -ENOENT, -EFBIG if it is larger than max, -EBADMSG if ret_size is NULL and the content
 * has a NUL, or another negative errno. */
int read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);

/* Creates the directory and its missing parents. 0 (also if it was there) or a negative errno. */
int mkdir_parents(const char *path, mode_t mode);
