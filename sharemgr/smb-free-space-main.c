/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Samba runs to tell a client how much room there is ("dfree command"): size and free space of the
 * share that the current directory is in, in units of 1024 bytes. A folder with a quota has a line in
 * SMB_QUOTAS. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/share-paths.h"

/* As many lines as there are folders. */
#define QUOTAS_MAX (8U * 1024U * 1024U)
#define UNIT 1024U

/* line: "<directory>\t<size>\t<free>", both in units. True if it is about the directory or one above. */
static bool read_line(const char *line, const char *directory, uint64_t *ret_size, uint64_t *ret_free) {
        size_t n = strcspn(line, "\t");

        return line[n] && strncmp(line, directory, n) == 0 && (directory[n] == 0 || directory[n] == '/') &&
               sscanf(line + n, "\t%" SCNu64 "\t%" SCNu64, ret_size, ret_free) == 2;
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *directory = realpath(argc > 1 ? argv[1] : ".", NULL), *quotas = NULL;
        uint64_t size, available;
        struct statvfs st;
        char *rest;

        log_open();
        if (!directory || statvfs(directory, &st) < 0)
                return EXIT_FAILURE;
        size = (uint64_t) st.f_blocks * st.f_frsize / UNIT;
        available = (uint64_t) st.f_bavail * st.f_frsize / UNIT;
        if (read_file(AT_FDCWD, SMB_QUOTAS, QUOTAS_MAX, &quotas, NULL) < 0)
                quotas = NULL;
        rest = quotas;
        for (char *line; (line = strsep(&rest, "\n"));) {
                uint64_t quota, left;

                if (!read_line(line, directory, &quota, &left))
                        continue;
                size = MIN(size, quota);
                available = MIN(available, left);
        }
        /* Samba takes 0 for no answer. */
        printf("%" PRIu64 " %" PRIu64 " %u\n", size, MAX(available, UINT64_C(1)), UNIT);
        return EXIT_SUCCESS;
}
