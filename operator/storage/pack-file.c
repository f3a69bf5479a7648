/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/storage/pack-file.h"

#define INDEX_SIGNATURE 0xff744f63U
#define INDEX_VERSION 2U
#define FANOUT_AT 8U
#define FANOUT_SIZE (256U * 4U)
#define IDS_AT (FANOUT_AT + FANOUT_SIZE)
#define CRC_SIZE 4U
#define OFFSET_SIZE 4U
#define LARGE_OFFSET_SIZE 8U
/* The SHA-1 of the pack, and that of the index. */
#define INDEX_TRAILER_SIZE 40U
#define IS_LARGE 0x80000000U
#define TYPE_BLOB 3U
#define ALTERNATES_MAX 4096U

static uint32_t read_be32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return be32toh(v);
}

static uint64_t read_be64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof(v));
        return be64toh(v);
}

/* The number of objects whose first byte is below i + 1. */
static uint32_t fanout(const PackFile *p, unsigned i) {
        return read_be32(p->index + FANOUT_AT + (size_t) 4 * i);
}

static void pack_file_done(PackFile *p) {
        if (p->index)
                (void) munmap((void *) p->index, p->index_size);
        if (p->fd >= 0)
                (void) close(p->fd);
        free(p->name);
}

/* An index never changes once it has its name, nor does a pack. */
static int map_index(PackFile *p, const char *name) {
        _cleanup_close_ int fd = openat(p->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        void *map;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size < IDS_AT + INDEX_TRAILER_SIZE)
                return -EOPNOTSUPP;
        map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
                return -errno;
        p->index = map;
        p->index_size = (size_t) st.st_size;
        if (read_be32(p->index) != INDEX_SIGNATURE || read_be32(p->index + 4) != INDEX_VERSION)
                return -EOPNOTSUPP;
        for (unsigned i = 1; i < 256; i++)
                if (fanout(p, i) < fanout(p, i - 1))
                        return -EOPNOTSUPP;
        p->n = fanout(p, 255);
        if ((p->index_size - IDS_AT - INDEX_TRAILER_SIZE) / (PACK_ID_SIZE + CRC_SIZE + OFFSET_SIZE) < p->n)
                return -EOPNOTSUPP;
        return 0;
}

static int add_pack(PackFiles *f, int directory_fd, const char *index, size_t stem) {
        PackFile p = { .directory_fd = directory_fd, .fd = -EBADF };
        PackFile *more;
        int r;

        if (f->n >= PACK_FILES_MAX)
                return -EOPNOTSUPP;
        p.name = strfmt("%.*s.pack", (int) stem, index);
        r = p.name ? map_index(&p, index) : -ENOMEM;
        more = r < 0 ? NULL : realloc(f->packs, (f->n + 1) * sizeof(*more));
        if (!more) {
                pack_file_done(&p);
                /* It was joined with others a moment ago. What was in it is found there, or by git. */
                return r == -ENOENT ? 0 : r < 0 ? r : -ENOMEM;
        }
        f->packs = more;
        f->packs[f->n++] = p;
        return 0;
}

static int add_directory(PackFiles *f, const char *objects) {
        _cleanup_free_ char *path = strfmt("%s/pack", objects);
        _cleanup_closedir_ DIR *d = NULL;
        int *more, fd;

        if (!path)
                return -ENOMEM;
        more = realloc(f->directories, (f->n_directories + 1) * sizeof(*more));
        if (!more)
                return -ENOMEM;
        f->directories = more;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        f->directories[f->n_directories++] = fd;
        d = opendir(path);
        if (!d)
                return -errno;
        for (;;) {
                const struct dirent *e;
                const char *end;
                int r;

                errno = 0;
                e = readdir(d);
                if (!e)
                        return -errno;
                end = startswith(e->d_name, "pack-") ? endswith(e->d_name, ".idx") : NULL;
                r = end ? add_pack(f, fd, e->d_name, (size_t) (end - e->d_name)) : 0;
                if (r < 0)
                        return r;
        }
}

int pack_files_add(PackFiles *f, const char *objects) {
        _cleanup_free_ char *path = strfmt("%s/info/alternates", objects), *text = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        r = path ? add_directory(f, objects) : -ENOMEM;
        if (r < 0)
                return r;
        r = read_file(AT_FDCWD, path, ALTERNATES_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = strv_split(text, "\n", &lines);
        STRV_FOREACH(line, lines) {
                _cleanup_free_ char *other = **line == '/' ? strdup(*line) : strfmt("%s/%s", objects, *line);

                r = other ? add_directory(f, other) : -ENOMEM;
                if (r < 0)
                        break;
        }
        return r < 0 ? r : 0;
}

void pack_files_done(PackFiles *f) {
        for (size_t i = 0; i < f->n; i++)
                pack_file_done(f->packs + i);
        for (size_t i = 0; i < f->n_directories; i++)
                (void) close(f->directories[i]);
        free(f->packs);
        free(f->directories);
        *f = (PackFiles){};
}

/* Opens the pack itself, which may be gone again by now. */
static int open_pack(PackFile *p) {
        struct stat st;

        if (p->fd >= 0)
                return 0;
        p->fd = openat(p->directory_fd, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (p->fd < 0 || fstat(p->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE)
                return -EOPNOTSUPP;
        p->size = (uint64_t) st.st_size;
        return 0;
}

/* Where the object i of the index begins in the pack. -EOPNOTSUPP if it can be nowhere. */
static int offset_of(const PackFile *p, uint32_t i, uint64_t *ret) {
        const uint8_t *offsets = p->index + IDS_AT + (size_t) p->n * (PACK_ID_SIZE + CRC_SIZE);
        const uint8_t *large = offsets + (size_t) p->n * OFFSET_SIZE;
        size_t n_large = (size_t) (p->index + p->index_size - INDEX_TRAILER_SIZE - large) / LARGE_OFFSET_SIZE;
        uint32_t v = read_be32(offsets + (size_t) i * OFFSET_SIZE);

        *ret = v;
        if (v & IS_LARGE) {
                v &= ~IS_LARGE;
                if (v >= n_large)
                        return -EOPNOTSUPP;
                *ret = read_be64(large + (size_t) v * LARGE_OFFSET_SIZE);
        }
        return *ret < PACK_HEADER_SIZE || *ret >= p->size - PACK_TRAILER_SIZE ? -EOPNOTSUPP : 0;
}

int pack_files_find(PackFiles *f, const uint8_t id[static PACK_ID_SIZE], PackPlace *ret) {
        for (size_t i = 0; i < f->n; i++) {
                PackFile *p = f->packs + i;
                uint32_t low = id[0] > 0 ? fanout(p, id[0] - 1U) : 0, high = fanout(p, id[0]);

                while (low < high) {
                        uint32_t middle = low + (high - low) / 2;
                        int c = memcmp(id, p->index + IDS_AT + (size_t) middle * PACK_ID_SIZE, PACK_ID_SIZE), r;

                        if (c == 0) {
                                *ret = (PackPlace){ .pack = p };
                                r = open_pack(p);
                                return r < 0 ? r : offset_of(p, middle, &ret->begin);
                        }
                        if (c < 0)
                                high = middle;
                        else
                                low = middle + 1;
                }
        }
        return -ENOENT;
}

static int compare_places(const void *a, const void *b) {
        const PackPlace *x = a, *y = b;

        if (x->pack != y->pack)
                return x->pack < y->pack ? -1 : 1;
        return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Where another object of the pack begins, one that is before it ends. */
static void end_before(PackPlace *places, size_t n, uint64_t offset) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (places[middle].begin < offset)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low > 0)
                places[low - 1].end = MIN(places[low - 1].end, offset);
}

/* Of the places in one pack. */
static int find_ends(PackPlace *places, size_t n) {
        const PackFile *p = places[0].pack;

        for (size_t i = 0; i < n; i++)
                places[i].end = p->size - PACK_TRAILER_SIZE;
        for (uint32_t i = 0; i < p->n; i++) {
                uint64_t offset;
                int r;

                r = offset_of(p, i, &offset);
                if (r < 0)
                        return r;
                end_before(places, n, offset);
        }
        return 0;
}

static int check_type(const PackPlace *place) {
        uint8_t first;
        ssize_t n = pread(place->pack->fd, &first, 1, (off_t) place->begin);

        if (n < 0)
                return -errno;
        return n == 1 && (first >> 4 & 7) == TYPE_BLOB ? 0 : -EOPNOTSUPP;
}

int pack_places_complete(PackPlace *places, size_t *n) {
        size_t kept = 0;
        int r = 0;

        qsort(places, *n, sizeof(*places), compare_places);
        for (size_t i = 0; i < *n; i++)
                if (kept == 0 || compare_places(places + kept - 1, places + i) != 0)
                        places[kept++] = places[i];
        *n = kept;
        for (size_t i = 0, next; r >= 0 && i < kept; i = next) {
                for (next = i + 1; next < kept && places[next].pack == places[i].pack;)
                        next++;
                r = find_ends(places + i, next - i);
        }
        for (size_t i = 0; r >= 0 && i < kept; i++)
                r = check_type(places + i);
        return r;
}
