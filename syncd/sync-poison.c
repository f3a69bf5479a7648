/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "syncd/sync-poison.h"

static bool is_at_or_below(const char *path, const char *directory) {
        const char *rest = startswith(path, directory);

        return rest && (*rest == 0 || *rest == '/' || isempty(directory));
}

int sync_poison_add(SyncPoison *p, const char *path) {
        size_t bytes = strlen(path);

        if (isempty(path))
                return -EINVAL;
        STRV_FOREACH(known, p->paths) {
                if (streq(*known, path))
                        return -EEXIST;
                bytes += strlen(*known);
        }
        if (strv_length(p->paths) >= SYNC_POISON_MAX || bytes > SYNC_POISON_BYTES_MAX)
                return -E2BIG;
        return strv_extend(&p->paths, path);
}

bool sync_poison_changed(SyncPoison *p, const char *path) {
        bool forgotten = false;
        char **kept;

        if (!p->paths)
                return false;
        kept = p->paths;
        STRV_FOREACH(known, p->paths)
                if (is_at_or_below(*known, path) || is_at_or_below(path, *known)) {
                        free(*known);
                        forgotten = true;
                } else
                        *kept++ = *known;
        *kept = NULL;
        return forgotten;
}

void sync_poison_clear(SyncPoison *p) {
        p->paths = strv_free(p->paths);
}
