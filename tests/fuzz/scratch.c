/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-stream.h"
#include "tests/fuzz/scratch.h"

void scratch_open(Scratch *ret) {
        (void) strcpy(ret->path, "/dev/shm/fuzz.XXXXXX");
        if (!mkdtemp(ret->path))
                abort();
        ret->fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (ret->fd < 0)
                abort();
}

void scratch_close(Scratch *s) {
        _cleanup_closedir_ DIR *d = opendir(s->path);
        struct dirent *e;

        while (d && (e = readdir(d)))
                (void) unlinkat(s->fd, e->d_name, 0);
        close(s->fd);
        if (rmdir(s->path) < 0)
                abort();
}

void scratch_write(const Scratch *s, const char *name, const char *magic, const void *data, size_t size, int crc) {
        _cleanup_close_ int fd = openat(s->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        _cleanup_free_ uint8_t *whole = NULL;
        SyncWriter w = {};

        sync_write_bytes(&w, magic, strlen(magic));
        sync_write_bytes(&w, data, size);
        if (crc) {
                uint32_t sum = sync_crc32(w.data, w.size);

                for (unsigned i = 0; i < 4; i++, sum >>= 8)
                        sync_write_bytes(&w, &(uint8_t) { sum & 0xFF }, 1);
        }
        whole = w.data;
        if (fd < 0 || w.failed || loop_write(fd, whole, w.size) < 0)
                abort();
}
