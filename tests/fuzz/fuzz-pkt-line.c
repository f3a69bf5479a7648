/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/pkt-line.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ PktStream *s = malloc(sizeof(*s));
        _cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
        const uint8_t *packet;
        PktType type;
        size_t n;

        if (!s || fd < 0 || loop_write(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                abort();
        pkt_stream_init(s, fd, -1);
        while (pkt_read(s, &type, &packet, &n) >= 0)
                if (type == PKT_DATA && n > PKT_DATA_MAX)
                        abort();

        if (lseek(fd, 0, SEEK_SET) < 0)
                abort();
        pkt_stream_init(s, fd, -1);
        for (const char *line; pkt_read_line(s, &line) >= 0;)
                if (line && strlen(line) > PKT_DATA_MAX)
                        abort();
        return 0;
}
