/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/str.h"
#include "operator/storage/tar-writer.h"

#define BLOCK 512U
#define NSEC_PER_SEC INT64_C(1000000000)
/* Eleven octal digits. */
#define OCTAL_MAX UINT64_C(077777777777)

/* POSIX.1-2017, pax, "ustar Interchange Format". */
typedef struct Header {
        char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, linkname[100];
        char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], unused[12];
} Header;
static_assert(sizeof(Header) == BLOCK, "a header is one block");

static void octal(char *field, size_t size, uint64_t value) {
        char digits[24];

        (void) snprintf(digits, sizeof(digits), "%0*llo", (int) size - 1, (unsigned long long) value);
        memcpy(field, digits, size);
}

static int write_header(
                TarWriter *t,
                char type,
                const char *path,
                const char *target,
                unsigned mode,
                uint64_t size,
                int64_t mtime) {
        Header h = { .type = type, .magic = "ustar", .version = { '0', '0' } };
        unsigned sum = 0;

        (void) memcpy(h.name, path, MIN(strlen(path), sizeof(h.name)));
        if (target)
                (void) memcpy(h.linkname, target, MIN(strlen(target), sizeof(h.linkname)));
        octal(h.mode, sizeof(h.mode), mode & 07777);
        octal(h.uid, sizeof(h.uid), 0);
        octal(h.gid, sizeof(h.gid), 0);
        octal(h.size, sizeof(h.size), MIN(size, OCTAL_MAX));
        octal(h.mtime, sizeof(h.mtime), mtime > 0 ? MIN((uint64_t) mtime, OCTAL_MAX) : 0);
        memset(h.checksum, ' ', sizeof(h.checksum));
        for (size_t i = 0; i < sizeof(h); i++)
                sum += ((const unsigned char *) &h)[i];
        octal(h.checksum, sizeof(h.checksum) - 1, sum);
        return t->write(&h, sizeof(h), t->userdata);
}

/* "<length> <key>=<value>\n", where the length counts itself. */
static void pax_record(FILE *f, const char *key, const char *value) {
        size_t rest = strlen(key) + strlen(value) + 3, length = rest + 1;
        char digits[24];

        while ((size_t) snprintf(digits, sizeof(digits), "%zu", length) + rest != length)
                length = strlen(digits) + rest;
        (void) fprintf(f, "%zu %s=%s\n", length, key, value);
}

static void pax_number(FILE *f, const char *key, uint64_t value) {
        char digits[24];

        (void) snprintf(digits, sizeof(digits), "%llu", (unsigned long long) value);
        pax_record(f, key, digits);
}

static void pax_time(FILE *f, int64_t ns) {
        int64_t seconds = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;
        char text[40];

        /* Before 1970 the fraction counts from the number's other side. */
        (void) snprintf(text,
                        sizeof(text),
                        "%s%lld.%09lld",
                        ns < 0 ? "-" : "",
                        (long long) (ns < 0 ? -seconds : seconds),
                        (long long) (rest < 0 ? -rest : rest));
        pax_record(f, "mtime", text);
}

static int write_padded(TarWriter *t, const char *data, size_t size) {
        static const char zeros[BLOCK];
        size_t padding = (BLOCK - size % BLOCK) % BLOCK;
        int r = t->write(data, size, t->userdata);

        return r < 0 || padding == 0 ? r : t->write(zeros, padding, t->userdata);
}

static int write_pax(TarWriter *t, const TarEntry *e) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return -ENOMEM;
        if (strlen(e->path) >= sizeof(((Header *) 0)->name))
                pax_record(f, "path", e->path);
        if (e->target && strlen(e->target) >= sizeof(((Header *) 0)->linkname))
                pax_record(f, "linkpath", e->target);
        if (e->size > OCTAL_MAX)
                pax_number(f, "size", e->size);
        if (e->mtime_ns < 0 || e->mtime_ns % NSEC_PER_SEC != 0)
                pax_time(f, e->mtime_ns);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (size == 0)
                return 0;
        r = write_header(t, 'x', "pax", NULL, 0644, size, 0);
        return r < 0 ? r : write_padded(t, text, size);
}

int tar_begin(TarWriter *t, const TarEntry *e) {
        uint64_t size = e->type == TAR_FILE ? e->size : 0;
        int r;

        assert(t->left == 0);
        r = write_pax(t, e);
        if (r >= 0)
                r =
                                write_header(t,
                                             (char) e->type,
                                             e->path,
                                             e->target,
                                             e->mode,
                                             size,
                                             e->mtime_ns / NSEC_PER_SEC);
        t->left = size;
        t->padding = (unsigned) ((BLOCK - size % BLOCK) % BLOCK);
        return r;
}

int tar_content(TarWriter *t, const void *data, size_t size) {
        if (size > t->left)
                return -EMSGSIZE;
        t->left -= size;
        return t->write(data, size, t->userdata);
}

int tar_end(TarWriter *t) {
        static const char zeros[BLOCK];

        if (t->left > 0)
                return -EMSGSIZE;
        return t->padding > 0 ? t->write(zeros, t->padding, t->userdata) : 0;
}

int tar_finish(TarWriter *t) {
        static const char zeros[2 * BLOCK];

        return t->write(zeros, sizeof(zeros), t->userdata);
}
