/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "syncd/transfer-part.h"

int transfer_part_open(ContentArea *a, const SyncOid *file, uint64_t size, int *ret_fd) {
        bool new;
        int r;

        do
                r = content_part_open(a, file, size, &new, ret_fd);
        while (r == -EEXIST);
        return r;
}

static int write_at(int fd, const void *data, size_t size, uint64_t offset) {
        const uint64_t begin = offset;
        const size_t whole = size;

        for (const uint8_t *p = data; size > 0;) {
                ssize_t n = pwrite(fd, p, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        content_begin_writeback(fd, begin, whole);
        return 0;
}

int transfer_part_write(
                ContentArea *a,
                const SyncOid *file,
                int fd,
                const void *data,
                size_t size,
                uint64_t offset) {
        int r;

        while (flock(fd, LOCK_SH) < 0)
                if (errno != EINTR)
                        return -errno;
        /* With the lock it stays what it is. */
        r = content_part_is(a, file, fd) ? write_at(fd, data, size, offset) : 1;
        (void) flock(fd, LOCK_UN);
        return r;
}
