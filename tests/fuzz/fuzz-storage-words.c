/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What gateways say to the storage host: the command, updates of refs, trees. The first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "operator/storage/folder-tree.h"
#include "operator/storage/hook-rules.h"
#include "operator/storage/ssh-command.h"
#include "operator/storage/staging.h"
#include "tests/fuzz/fuzz.h"

#define NAMESPACE "0123456789abcdef"

static void check_command(const char *text) {
        GitService service;

        if (ssh_command_parse(text, "home", &service) == 0 && !strstr(text, "home"))
                abort();
}

static void check_update(const char *text) {
        RefUpdate u;

        if (ref_update_parse(text, &u) < 0 || ref_update_refusal(&u, NAMESPACE))
                return;
        if (!streq(u.ref, REF_MAIN) && !startswith(u.ref, STAGING_REFS NAMESPACE "/"))
                abort();
        if (strstr(u.ref, "/.") || strlen(u.ref) > 256)
                abort();
}

static void check_tree(const char *data, size_t size) {
        size_t at = 0;
        TreeEntry e;

        while (tree_next(data, size, &at, &e) > 0) {
                FolderEntry f = {};
                uint64_t index, length;

                if (at > size)
                        abort();
                (void) folder_chunk_parse(e.name, &index, &length);
                if (folder_entry_parse(&e, &f) < 0)
                        continue;
                if (f.name && (strchr(f.name, '/') || streq(f.name, "..") || streq(f.name, ".") || !f.name[0]))
                        abort();
                free(f.name);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;
        char name_space[STAGING_NAMESPACE_SIZE];

        if (size == 0)
                return 0;
        text = strndup((const char *) data + 1, size - 1);
        if (!text)
                abort();
        switch (data[0]) {
        case 'c':
                check_command(text);
                break;
        case 'u':
                check_update(text);
                break;
        case 'k':
                (void) staging_namespace(text, name_space);
                break;
        case 't':
                check_tree((const char *) data + 1, size - 1);
                break;
        case 'm': {
                FolderMeta meta = { (char *) data + 1, size - 1 };
                int64_t mtime;
                unsigned mode;

                /* A blob has a NUL behind it. */
                if (data[size - 1] == 0)
                        (void) folder_meta_find(&meta, "x", &mtime, &mode);
                break;
        }
        default:
                break;
        }
        return 0;
}
