/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"
#include "tests/fuzz/fuzz-store.h"

#define INPUTS_MAX 1000U

static GitStore *store;

/* The directory goes at once: what is open stays, and nothing of it is synced. */
static void open_store(void) {
        char directory[] = "/tmp/fuzz-store.XXXXXX";
        _cleanup_free_ char *file = NULL;

        if (!mkdtemp(directory) || git_store_open(&store, directory) < 0)
                abort();
        file = strfmt("%s/log", directory);
        if (!file || unlink(file) < 0 || rmdir(directory) < 0)
                abort();
}

static void close_store(void) {
        store = git_store_free(store);
}

GitStore *fuzz_store(void) {
        static unsigned n;

        if (n == 0)
                (void) atexit(close_store);
        if (n++ % INPUTS_MAX == 0)
                close_store();
        if (!store)
                open_store();
        return store;
}

void fuzz_store_write(GitStore *s, git_object_t type, const void *data, size_t size, git_oid *ret) {
        int r = git_store_write(s, type, data, size, ret);

        /* -ESTALE: full, and there is no file to write it to. */
        if (r < 0 && r != -ESTALE)
                abort();
        if (r < 0)
                exit(0);
}
