/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/str.h"
#include "operator/storage/session-limit.h"

#define FILE_NAME "ispstorage-sessions"

int session_limit_take(const char *directory, uint64_t key_id, uint32_t max) {
        _cleanup_free_ char *path = strfmt("%s/" FILE_NAME, directory);
        _cleanup_close_ int fd = -EBADF;

        if (!path)
                return -ENOMEM;
        if (max > SESSIONS_PER_KEY_MAX || key_id > INT64_MAX / (SESSIONS_PER_KEY_MAX + 1))
                return -EINVAL;
        /* Nothing is ever written to it. Kept open over exec: the lock goes when the last of the processes that
         * have the descriptor does. */
        fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0660);
        if (fd < 0)
                return -errno;
        for (uint32_t i = 0; i < max; i++) {
                struct flock place = {
                        .l_type = F_WRLCK,
                        .l_whence = SEEK_SET,
                        .l_start = (off_t) (key_id * (SESSIONS_PER_KEY_MAX + 1) + i),
                        .l_len = 1,
                };

                if (fcntl(fd, F_OFD_SETLK, &place) >= 0) {
                        (void) TAKE_FD(fd);
                        return 0;
                }
                if (errno != EAGAIN && errno != EACCES)
                        return -errno;
        }
        return -EAGAIN;
}
