/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adds up what is in directories, and writes to its socket one message for each: its number among the
 * arguments, and the bytes. A process of its own, as it walks all that is there. */
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"

/* The unit of st_blocks, whatever the file system's own is. */
#define BLOCK_SIZE 512U

/* What cannot be looked at, because it has just gone, counts nothing. */
static int measure(char *directory, uint64_t *ret) {
        char *paths[] = { directory, NULL };
        FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
        uint64_t bytes = 0;
        int r;

        if (!walk)
                return -errno;
        for (FTSENT *e; (errno = 0, e = fts_read(walk));)
                if (e->fts_info != FTS_DP && e->fts_info != FTS_NS && e->fts_info != FTS_ERR)
                        bytes += (uint64_t) e->fts_statp->st_blocks * BLOCK_SIZE /
                                 (S_ISDIR(e->fts_statp->st_mode) ? 1 : e->fts_statp->st_nlink);
        r = errno;
        (void) fts_close(walk);
        *ret = bytes;
        return -r;
}

int main(int argc, char *argv[]) {
        log_open();
        for (int i = 1; i < argc; i++) {
                char message[2 * sizeof("18446744073709551615")];
                uint64_t bytes = 0;
                int r = measure(argv[i], &bytes);

                if (r < 0) {
                        log_error_errno(r, "Failed to add up what is in %s: %m", argv[i]);
                        continue;
                }
                (void) snprintf(message, sizeof(message), "%d %" PRIu64, i - 1, bytes);
                if (send(WORKER_SOCKET_FD, message, strlen(message), MSG_NOSIGNAL) < 0)
                        return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
