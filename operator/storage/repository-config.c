/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/storage/repository-config.h"

#define FILE_NAME "ispstorage.conf"

int repository_config_read(RepositoryConfig *c) {
        const ConfigItem items[] = {
                { "Repository", "QuotaMiB", config_parse_uint32, &c->quota_mib },
                { "Repository", "HookSocket", config_parse_string, &c->hook_socket },
                {},
        };
        int r;

        r = config_read(FILE_NAME, items);
        if (r < 0)
                return r;
        /* A limit that is not understood must not be none. */
        return r > 0 ? -EBADMSG : c->hook_socket ? 0 : -ENOENT;
}

int repository_config_write(const char *directory, const RepositoryConfig *c) {
        _cleanup_free_ char *path = strfmt("%s/" FILE_NAME, directory);
        _cleanup_free_ char *text = strfmt(
                        "# Written by ispstorage-frontend.\n[Repository]\nQuotaMiB=%u\nHookSocket=%s\n",
                        c->quota_mib,
                        c->hook_socket);

        if (!path || !text)
                return -ENOMEM;
        return write_file_atomic(AT_FDCWD, path, text, strlen(text), 0640);
}

void repository_config_done(RepositoryConfig *c) {
        c->hook_socket = mfree(c->hook_socket);
}
