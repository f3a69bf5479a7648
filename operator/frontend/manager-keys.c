/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "operator/common/key-list.h"
#include "operator/frontend/manager.h"

/* The ids of the keys that open the repository now, one a line. */
static int list_keys(Manager *m, const char *subscription, char **ret) {
        _cleanup_strv_free_ char **ids = NULL;
        char *joined;
        int r;

        r = store_key_ids(m->db, subscription, &ids);
        if (r < 0)
                return r;
        joined = strv_join(ids, "\n");
        if (!joined)
                return -ENOMEM;
        *ret = joined;
        return 0;
}

static int write_keys(Manager *m, const char *subscription) {
        _cleanup_free_ char *directory = NULL, *path = NULL, *keys = NULL, *present = NULL;
        struct stat st;
        int r;

        directory = strfmt("%s/%s.git", m->config->repositories, subscription);
        path = strfmt("%s/" KEY_LIST_FILE, directory);
        if (!directory || !path)
                return -ENOMEM;
        /* Written when the repository is made. */
        if (stat(directory, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        r = list_keys(m, subscription, &keys);
        if (r < 0)
                return r;
        if (read_file(AT_FDCWD, path, KEY_LIST_SIZE_MAX, &present, NULL) >= 0 && streq(present, keys))
                return 0;
        return write_file_atomic(AT_FDCWD, path, keys, strlen(keys), 0640);
}

int manager_note_keys(Manager *m, const char *subscription) {
        return strv_contains(m->keys_changed, subscription) ? 0
                                                            : strv_extend(&m->keys_changed, subscription);
}

void manager_write_keys(Manager *m) {
        STRV_FOREACH(subscription, m->keys_changed) {
                int r = write_keys(m, *subscription);

                if (r < 0)
                        (void) log_error_errno(
                                        r, "%s: failed to write the list of its keys: %m", *subscription);
        }
        m->keys_changed = strv_free(m->keys_changed);
}
