/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target on files, and on the files of directories: its corpus as a regression test. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (16U << 20)

static int run_file(const char *path, unsigned *count) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = read_file(AT_FDCWD, path, INPUT_MAX, &data, &size);
        if (r < 0)
                return r;
        (void) LLVMFuzzerTestOneInput((const uint8_t *) data, size);
        (*count)++;
        return 0;
}

static int run_directory(const char *path, unsigned *count) {
        _cleanup_closedir_ DIR *d = opendir(path);
        struct dirent *e;

        if (!d)
                return -errno;
        while ((e = readdir(d))) {
                _cleanup_free_ char *file = strfmt("%s/%s", path, e->d_name);
                int r;

                if (e->d_name[0] == '.')
                        continue;
                r = file ? run_file(file, count) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        unsigned count = 0;

        for (int i = 1; i < argc; i++) {
                struct stat st;
                int r;

                if (stat(argv[i], &st) < 0)
                        r = -errno;
                else
                        r = S_ISDIR(st.st_mode) ? run_directory(argv[i], &count) : run_file(argv[i], &count);
                if (r < 0) {
                        fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
                        return 1;
                }
        }
        printf("%u inputs\n", count);
        return count > 0 ? 0 : 1;
}
