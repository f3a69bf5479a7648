/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To be preloaded: SHA-1 with detection of collisions finds an attack in each object that holds the mark. A real one,
 * against the names of git's blobs, costs more than a test is worth. */
#include <dlfcn.h>
#include <git2.h>
#include <string.h>

static const char mark[] = "this is part of a collision";

int git_odb_hash(git_oid *out, const void *data, size_t size, git_object_t type) {
        int (*hash)(git_oid *, const void *, size_t, git_object_t);

        if (memmem(data, size, mark, sizeof(mark) - 1)) {
                (void) git_error_set_str(GIT_ERROR_SHA, "SHA1 collision attack detected");
                return -1;
        }
        *(void **) &hash = dlsym(RTLD_NEXT, "git_odb_hash");
        return hash(out, data, size, type);
}
