/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file-system-probe DIRECTORY: tells whether a folder on the directory's file system could be synchronized. Prints
 * "ok" or the reason against it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "syncd/sync-apply.h"

static int probe(const char *volume) {
        _cleanup_close_ int volume_fd = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int root_fd = -EBADF, staging_fd = -EBADF;
        int r;

        if (volume_fd < 0 || (mkdirat(volume_fd, "folder", 0755) < 0 && errno != EEXIST))
                return -errno;
        root_fd = openat(volume_fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        r = sync_staging_open(volume_fd, "folder", &staging_fd);
        return r < 0 ? r : sync_staging_probe(staging_fd, root_fd);
}

int main(int argc, char *argv[]) {
        int r;

        if (argc != 2)
                return 2;
        r = probe(argv[1]);
        printf("%s\n", r < 0 ? strerrorname_np(-r) : "ok");
        return 0;
}
