/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-pack-objects: what git-upload-pack runs in place of git pack-objects (uploadpack.packObjectsHook in
 * git-config(1)), with git's command line as its arguments and what is wanted on standard input.
 *
 * If nothing but blobs are wanted, for somebody who says nothing of what he has, which is how gateways ask for content,
 * and all of them are whole in packs, it copies them from there as they are. git does the same, but names each byte
 * that it sends by the SHA-1 that detects collisions, which takes most of the processor time of a pull; here the
 * processor's own instructions do. Who receives a blob verifies it. Anything else is left to git, which looks for
 * deltas near by only. */
#include <fcntl.h>
#include <gcrypt.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/storage/pack-file.h"

#define GIT "/usr/bin/git"
#define OBJECTS "objects"
/* A request for more is git's. */
#define WANTS_MAX 4096U
#define INPUT_MAX (WANTS_MAX * (2 * PACK_ID_SIZE + 1) + 64)
#define BUFFER_SIZE (256U << 10)
#define PACK_VERSION 2U
/* What is whole in its pack is compared with so many others, in git's order of names: the first one of a file is its
 * version before. With git's 10 a pull of many small new files takes seven times the processor time, before its
 * first byte. What was pushed as a delta goes on as one, and maintenance looks further. */
#define NEAR_BY "pack.window=2"

/* The options with which nothing but the wanted blobs, each once, is the answer. */
static bool is_plain(char *argv[]) {
        static const char *const plain[] = { "--revs",     "--thin",              "--stdout",
                                             "--progress", "--delta-base-offset", "--include-tag" };

        if (!argv[0] || !argv[1] || !streq(argv[0], "git") || !streq(argv[1], "pack-objects"))
                return false;
        for (argv += 2; *argv; argv++) {
                bool known = false;

                for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                        known = known || streq(*argv, plain[i]);
                if (!known)
                        return false;
        }
        return true;
}

/* What is wanted, in a file that git can read as well. */
static int copy_input(void) {
        _cleanup_close_ int fd = memfd_create("wants", MFD_CLOEXEC);
        char buffer[16384];
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        while ((n = loop_read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
                r = loop_write(fd, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
        if (n < 0)
                return (int) n;
        if (lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, STDIN_FILENO) < 0)
                return -errno;
        return 0;
}

static int parse_id(const char *hex, uint8_t ret[static PACK_ID_SIZE]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < 2U * PACK_ID_SIZE; i++) {
                const char *digit = hex[i] ? strchr(digits, hex[i]) : NULL;

                if (!digit)
                        return -EOPNOTSUPP;
                ret[i / 2] = (uint8_t) (ret[i / 2] << 4 | (digit - digits));
        }
        return 0;
}

/* Finds what the input wants: ids, a line each, and behind "--not" nothing. *ret is the caller's. */
static int find_wanted(PackFiles *packs, PackPlace **ret, size_t *ret_n) {
        _cleanup_free_ PackPlace *places = calloc(WANTS_MAX, sizeof(*places));
        _cleanup_free_ char *text = calloc(INPUT_MAX + 1, 1);
        uint8_t id[PACK_ID_SIZE];
        const char *line;
        ssize_t size;
        size_t n = 0;
        int r;

        size = places && text ? pread(STDIN_FILENO, text, INPUT_MAX + 1, 0) : -ENOMEM;
        if (size < 0 || size > (ssize_t) INPUT_MAX)
                return -EOPNOTSUPP;
        text[size] = 0;
        for (line = text; parse_id(line, id) >= 0; line += 2 * PACK_ID_SIZE + 1) {
                if (line[2 * PACK_ID_SIZE] != '\n' || n >= WANTS_MAX)
                        return -EOPNOTSUPP;
                r = pack_files_find(packs, id, places + n++);
                if (r < 0)
                        return r;
        }
        if (n == 0 || !(streq(line, "--not\n\n") || streq(line, "--not\n") || streq(line, "\n") || streq(line, "")))
                return -EOPNOTSUPP;
        *ret = TAKE_PTR(places);
        *ret_n = n;
        return 0;
}

static int emit(gcry_md_hd_t hash, const void *data, size_t size) {
        gcry_md_write(hash, data, size);
        return loop_write(STDOUT_FILENO, data, size);
}

static int emit_place(gcry_md_hd_t hash, const PackPlace *place, uint8_t *buffer) {
        int r;

        for (uint64_t at = place->begin; at < place->end;) {
                ssize_t n = pread(place->pack->fd, buffer, MIN(place->end - at, (uint64_t) BUFFER_SIZE), (off_t) at);

                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                r = emit(hash, buffer, (size_t) n);
                if (r < 0)
                        return r;
                at += (uint64_t) n;
        }
        return 0;
}

/* A pack of its own. */
static int emit_pack(const PackPlace *places, size_t n) {
        const uint32_t header[] = { htobe32(0x5041434bU /* PACK */), htobe32(PACK_VERSION), htobe32((uint32_t) n) };
        _cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);
        gcry_md_hd_t hash;
        int r;

        (void) gcry_check_version(NULL);
        if (!buffer || gcry_md_open(&hash, GCRY_MD_SHA1, 0) != 0)
                return -ENOMEM;
        r = emit(hash, header, sizeof(header));
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = emit_place(hash, places + i, buffer);
        if (r >= 0)
                r = loop_write(STDOUT_FILENO, gcry_md_read(hash, GCRY_MD_SHA1), PACK_TRAILER_SIZE);
        gcry_md_close(hash);
        return r;
}

/* argv: "git" and what follows. Returns a negative errno only. */
static int run_git(char *const argv[]) {
        size_t n = strv_length(argv);
        char **with = calloc(n + 3, sizeof(*with));

        if (!with)
                return -ENOMEM;
        with[0] = argv[0];
        with[1] = (char *) "-c";
        with[2] = (char *) NEAR_BY;
        memcpy(with + 3, argv + 1, (n - 1) * sizeof(*with));
        (void) execv(GIT, with);
        free(with);
        return -errno;
}

static int fail(const char *what, int error) {
        (void) fprintf(stderr, "ispstorage: %s: %s\n", what, strerror(-error));
        return EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        _cleanup_(pack_files_done) PackFiles packs = {};
        _cleanup_free_ PackPlace *places = NULL;
        size_t n = 0;
        int r;

        if (argc < 2) {
                (void) fputs("usage: ispstorage-pack-objects git pack-objects OPTION...\n", stderr);
                return EXIT_FAILURE;
        }
        if (is_plain(argv + 1)) {
                r = copy_input();
                if (r < 0)
                        return fail("what is wanted cannot be read", r);
                r = pack_files_add(&packs, OBJECTS);
                if (r >= 0)
                        r = find_wanted(&packs, &places, &n);
                if (r >= 0)
                        r = pack_places_complete(places, &n);
                if (r >= 0) {
                        r = emit_pack(places, n);
                        return r < 0 ? fail("a pack cannot be copied", r) : EXIT_SUCCESS;
                }
        }
        return fail("git cannot be started", run_git(argv + 1));
}
