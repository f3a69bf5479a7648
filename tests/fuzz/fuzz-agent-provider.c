/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A provider file, and where paths lead with it. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/core/provider-table.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *directory = strfmt("/tmp/fuzz-agent-provider.%d", (int) getpid());
        _cleanup_free_ char *file = strfmt("%s/a.conf", directory);
        char *directories[] = { directory, NULL };
        ProviderTable t = {};

        log_set_max_level(LOG_ERR);
        (void) mkdir(directory, 0700);
        _cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || loop_write(fd, data, size) < 0)
                abort();
        (void) provider_table_load(&t, "Device", directories);
        for (size_t i = 0; i < t.n; i++) {
                const Provider *p = t.providers + i;
                if (isempty(p->bus_name) || p->object_path[0] != '/' || !p->prefixes)
                        abort();
                STRV_FOREACH(s, p->prefixes) {
                        if (provider_table_route(&t, *s) != (int) i || !provider_is_below(p, ""))
                                abort();
                        (void) provider_table_is_exported(&t, *s);
                }
        }
        provider_table_done(&t);
        (void) unlink(file);
        (void) rmdir(directory);
        return 0;
}
