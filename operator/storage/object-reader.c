/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/object-reader.h"

#define PIECE_SIZE 65536U
#define RAW_ID_SIZE 20U

struct ObjectReader {
        FILE *from;
        int to;
        pid_t pid;
        bool broken; /* an answer was not read to its end */
};

int object_reader_new(ObjectReader **ret) {
        static const char *const arguments[] = { "cat-file", "--batch", NULL };
        _cleanup_(object_reader_freep) ObjectReader *r = calloc(1, sizeof(*r));
        _cleanup_close_ int input = -EBADF, output = -EBADF, answers = -EBADF;
        int fds[2], k;

        if (!r)
                return -ENOMEM;
        r->to = -EBADF;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        input = fds[0];
        r->to = fds[1];
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        answers = fds[0];
        output = fds[1];
        k = git_spawn(arguments, input, output, &r->pid);
        if (k < 0)
                return k;
        r->from = fdopen(answers, "r");
        if (!r->from)
                return -ENOMEM;
        TAKE_FD(answers);
        *ret = TAKE_PTR(r);
        return 0;
}

ObjectReader *object_reader_free(ObjectReader *r) {
        if (!r)
                return NULL;
        r->to = safe_close(r->to);
        if (r->from)
                (void) fclose(r->from);
        if (r->pid > 0)
                (void) git_wait(r->pid);
        return mfree(r);
}

/* Asks for the object and reads the head of the answer: "<id> <type> <size>". */
static int ask(ObjectReader *r, const char *name, const char *type, uint64_t *ret_size) {
        _cleanup_strv_free_ char **words = NULL;
        char head[256];
        int k;

        if (r->broken)
                return -EPIPE;
        if (strchr(name, '\n'))
                return -EINVAL;
        if (dprintf(r->to, "%s\n", name) < 0 || !fgets(head, sizeof(head), r->from))
                return -EPIPE;
        k = strv_split(head, " \n", &words);
        if (k < 0)
                return k;
        if (k != 3 || parse_uint64(words[2], ret_size) < 0)
                return -ENOENT; /* "<name> missing" */
        if (!streq(words[1], type)) {
                r->broken = true;
                return -EBADMSG;
        }
        return 0;
}

int object_read(ObjectReader *r, const char *name, const char *type, char **ret, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        uint64_t size;
        int k;

        k = ask(r, name, type, &size);
        if (k < 0)
                return k;
        r->broken = true;
        if (size > OBJECT_SIZE_MAX)
                return -EFBIG;
        data = malloc((size_t) size + 1);
        if (!data)
                return -ENOMEM;
        /* The newline behind it goes where the NUL will be. */
        if (fread(data, 1, (size_t) size + 1, r->from) != size + 1)
                return -EPIPE;
        r->broken = false;
        data[size] = 0;
        *ret_size = (size_t) size;
        *ret = TAKE_PTR(data);
        return 0;
}

int object_stream(
                ObjectReader *r,
                const char *id,
                int (*on_size)(uint64_t size, void *userdata),
                ObjectSink sink,
                void *userdata) {
        _cleanup_free_ char *piece = malloc(PIECE_SIZE);
        uint64_t size;
        int k;

        if (!piece)
                return -ENOMEM;
        k = ask(r, id, "blob", &size);
        if (k < 0)
                return k;
        r->broken = true;
        k = on_size(size, userdata);
        while (k >= 0 && size > 0) {
                size_t n = fread(piece, 1, (size_t) MIN(size, (uint64_t) PIECE_SIZE), r->from);

                if (n == 0)
                        return -EPIPE;
                k = sink(piece, n, userdata);
                size -= n;
        }
        if (k >= 0 && fgetc(r->from) != '\n')
                return -EPIPE;
        r->broken = k < 0;
        return k;
}

int tree_next(const char *data, size_t size, size_t *at, TreeEntry *ret) {
        const char *p = data + *at, *end = data + size, *nul;
        TreeEntry e = {};

        if (p == end)
                return 0;
        for (; p < end && *p >= '0' && *p <= '7' && e.mode <= 0177777; p++)
                e.mode = e.mode << 3 | (unsigned) (*p - '0');
        if (p == end || *p++ != ' ')
                return -EBADMSG;
        nul = memchr(p, 0, (size_t) (end - p));
        if (!nul || nul == p || (size_t) (end - nul) < 1 + RAW_ID_SIZE)
                return -EBADMSG;
        e.name = p;
        (void) format_hex(nul + 1, RAW_ID_SIZE, e.id);
        *at = (size_t) (nul + 1 + RAW_ID_SIZE - data);
        *ret = e;
        return 1;
}
