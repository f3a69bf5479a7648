/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/str.h"
#include "operator/storage/fast-import.h"
#include "operator/storage/git-run.h"

int fast_import_start(const char *directory, FastImport *ret) {
        const char *const arguments[] = {
                "--git-dir", directory,           "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet",
                "--done",    "--date-format=raw", NULL,
        };
        _cleanup_close_ int input = -EBADF, output = -EBADF;
        int fds[2], r;
        pid_t pid;
        FILE *f;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        input = fds[0];
        output = fds[1];
        r = git_spawn(arguments, input, -EBADF, &pid);
        if (r < 0)
                return r;
        f = fdopen(output, "w");
        if (!f) {
                output = safe_close(output);
                (void) git_wait(pid);
                return -ENOMEM;
        }
        TAKE_FD(output);
        *ret = (FastImport){ .to = f, .pid = pid };
        return 0;
}

static void write_data(FastImport *f, const void *data, size_t size) {
        (void) fprintf(f->to, "data %zu\n", size);
        (void) fwrite(data, 1, size, f->to);
        (void) fputc('\n', f->to);
}

/* In quotes, with every byte that could mean something written as an octal number. */
static void write_path(FastImport *f, const char *path) {
        (void) fputc('"', f->to);
        for (const unsigned char *p = (const unsigned char *) path; *p; p++)
                if (*p < ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
                        (void) fprintf(f->to, "\\%03o", *p);
                else
                        (void) fputc(*p, f->to);
        (void) fputs("\"\n", f->to);
}

void fast_import_blob(FastImport *f, const void *data, size_t size) {
        (void) fputs("blob\n", f->to);
        write_data(f, data, size);
}

void fast_import_commit(
                FastImport *f,
                const char *ref,
                const char *from,
                const char *author,
                int64_t time,
                const char *message) {
        (void) fprintf(f->to,
                       "commit %s\ncommitter %s <%s@ispstorage.invalid> %lld +0000\n",
                       ref,
                       author,
                       author,
                       (long long) time);
        write_data(f, message, strlen(message));
        if (from)
                (void) fprintf(f->to, "from %s\n", from);
}

void fast_import_copy_commit(
                FastImport *f,
                const char *ref,
                const char *from,
                const char *author,
                const char *committer,
                const char *message,
                size_t size) {
        (void) fprintf(f->to, "commit %s\nauthor %s\ncommitter %s\n", ref, author, committer);
        write_data(f, message, size);
        if (from)
                (void) fprintf(f->to, "from %s\n", from);
}

void fast_import_set_root(FastImport *f, const char *tree) {
        fast_import_set(f, "040000", tree, "");
}

void fast_import_clear_root(FastImport *f) {
        (void) fputs("deleteall\n", f->to);
}

void fast_import_set(FastImport *f, const char *mode, const char *id, const char *path) {
        (void) fprintf(f->to, "M %s %s ", mode, id);
        write_path(f, path);
}

void fast_import_set_content(FastImport *f, const char *path, const void *data, size_t size) {
        (void) fputs("M 100644 inline ", f->to);
        write_path(f, path);
        write_data(f, data, size);
}

void fast_import_remove(FastImport *f, const char *path) {
        (void) fputs("D ", f->to);
        write_path(f, path);
}

int fast_import_finish(FastImport *f) {
        bool failed;
        int r;

        (void) fputs("done\n", f->to);
        failed = ferror(f->to) != 0;
        failed = fclose(f->to) != 0 || failed;
        f->to = NULL;
        r = git_wait(f->pid);
        return failed || r != 0 ? -EIO : 0;
}
