/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pack reader: what the writer makes, and what nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <git2.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/cleanup.h"
#include "syncd/git-object.h"
#include "tests/unit/pack-fixture.h"

static void what_is_written_is_read(void **state) {
        static const size_t steps[] = { 1, 2, 7, 4096, 0 };
        Bytes blobs[6], pack = {};

        make_blobs(blobs);
        write_pack(&pack, blobs, 6);
        /* Random bytes are stored, text shrinks. */
        assert_in_range(pack.size, 517000, 517000 + blobs[2].size / 4);
        for (size_t s = 0; s < ELEMENTSOF(steps); s++) {
                Reading *r = reading_new();

                assert_int_equal(read_pack(r, &pack, steps[s]), 0);
                assert_int_equal(r->n, 6);
                for (size_t i = 0; i < 6; i++) {
                        git_oid id;

                        assert_int_equal(r->objects[i].bytes.size, blobs[i].size);
                        assert_memory_equal(r->objects[i].bytes.data, blobs[i].data, blobs[i].size);
                        assert_int_equal(
                                        git_object_name(GIT_OBJECT_BLOB, blobs[i].data, blobs[i].size, &id),
                                        0);
                        assert_true(git_oid_equal(&id, &r->objects[i].id));
                }
                reading_done(r);
        }
        for (size_t i = 0; i < 6; i++)
                bytes_done(blobs + i);
        bytes_done(&pack);
}

static void large_blobs_go_to_a_file(void **state) {
        Reading *r = reading_new();
        Bytes blobs[2] = {}, pack = {};
        git_oid id;

        append_lines(blobs, 200000);
        append(blobs + 1, "small", 5);
        assert_true(blobs[0].size > 2 << 20);
        write_pack(&pack, blobs, 2);
        assert_int_equal(read_pack(r, &pack, 0), 0);
        assert_int_equal(r->summary.lost, 1);
        assert_int_equal(r->summary.objects, 1);

        r->large_fd = memfd_create("large", MFD_CLOEXEC);
        assert_int_equal(read_pack(r, &pack, 0), 0);
        assert_int_equal(r->summary.lost, 0);
        assert_int_equal(git_object_name(GIT_OBJECT_BLOB, blobs[0].data, blobs[0].size, &id), 0);
        assert_true(git_oid_equal(&id, &r->large));
        assert_int_equal(lseek(r->large_fd, 0, SEEK_END), blobs[0].size);
        close(r->large_fd);
        reading_done(r);
        bytes_done(blobs);
        bytes_done(blobs + 1);
        bytes_done(&pack);
}

/* --- hostile packs --- */

/* Puts the right checksum behind a pack. */
static void seal(Bytes *pack) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        unsigned size;

        assert_int_equal(EVP_Digest(pack->data, pack->size, hash, &size, EVP_sha1(), NULL), 1);
        append(pack, hash, size);
}

static void begin_pack(Bytes *pack, uint8_t count) {
        uint8_t header[12] = { 'P', 'A', 'C', 'K', 0, 0, 0, 2, 0, 0, 0, count };

        *pack = (Bytes){};
        append(pack, header, sizeof(header));
}

static void append_deflated(Bytes *pack, const void *data, size_t size) {
        uLongf n = compressBound(size);
        _cleanup_free_ uint8_t *out = malloc(n);

        assert_int_equal(compress(out, &n, data, size), Z_OK);
        append(pack, out, n);
}

static void expect_pack(Bytes *pack, int error, size_t n_objects) {
        Reading *r = reading_new();

        assert_int_equal(read_pack(r, pack, 3), error);
        assert_int_equal(r->n, n_objects);
        reading_done(r);
        bytes_done(pack);
}

static void cut_or_damaged_packs_are_refused(void **state) {
        Bytes blobs[2] = {}, pack = {};

        append_lines(blobs, 20);
        append_random(blobs + 1, 100, 5);
        write_pack(&pack, blobs, 2);
        for (size_t i = 0; i < pack.size; i++) {
                Bytes cut = {};

                append(&cut, pack.data, i);
                Reading *r = reading_new();
                assert_int_equal(read_pack(r, &cut, 0), -EBADMSG);
                reading_done(r);
                bytes_done(&cut);
        }
        for (size_t i = 0; i < pack.size * 8; i++) {
                Reading *r = reading_new();
                int k;

                pack.data[i / 8] ^= (uint8_t) (1U << i % 8);
                k = read_pack(r, &pack, 0);
                assert_true(k == -EBADMSG || k == -E2BIG);
                pack.data[i / 8] ^= (uint8_t) (1U << i % 8);
                reading_done(r);
        }
        append(&pack, "x", 1);
        bytes_done(blobs);
        bytes_done(blobs + 1);
        expect_pack(&pack, -EBADMSG, 2);
}

static void counts_and_sizes_that_lie_are_noticed(void **state) {
        Bytes pack;

        begin_pack(&pack, 2); /* one is missing */
        append(&pack, "\x31", 1);
        append_deflated(&pack, "a", 1);
        expect_pack(&pack, -EBADMSG, 1);

        begin_pack(&pack, 0); /* one too many */
        append(&pack, "\x31", 1);
        append_deflated(&pack, "a", 1);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);

        begin_pack(&pack, 1); /* more comes out than was told */
        append(&pack, "\x33", 1);
        append_deflated(&pack, "abcd", 4);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);

        begin_pack(&pack, 1); /* less */
        append(&pack, "\x35", 1);
        append_deflated(&pack, "abcd", 4);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);

        begin_pack(&pack, 1); /* a tree of 2^60 bytes */
        append(&pack, "\xaf\xff\xff\xff\xff\xff\xff\xff\x7f", 9);
        append_deflated(&pack, "abcd", 4);
        seal(&pack);
        expect_pack(&pack, -E2BIG, 0);

        begin_pack(&pack, 1); /* a size without end */
        append(&pack, "\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x1", 14);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);

        begin_pack(&pack, 1); /* an unknown type */
        append(&pack, "\x51", 1);
        append_deflated(&pack, "a", 1);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);
}

/* Deflated data of empty blocks, which never comes to its end. */
static void endless_data_is_refused(void **state) {
        Bytes pack;

        begin_pack(&pack, 1);
        append(&pack, "\x31\x78\x01", 3);
        for (unsigned i = 0; i < 100000; i++)
                append(&pack, "\0\0\0\xff\xff", 5);
        seal(&pack);
        expect_pack(&pack, -EBADMSG, 0);
}

static void append_ofs_delta(Bytes *pack, uint8_t distance, const void *delta, uint8_t size) {
        uint8_t head[2] = { (uint8_t) (GIT_OBJECT_OFS_DELTA << 4 | size), distance };

        append(pack, head, 2);
        append_deflated(pack, delta, size);
}

static void places_of_bases_are_checked(void **state) {
        size_t begin;
        Bytes pack;

        for (unsigned wrong = 0; wrong < 40; wrong++) {
                begin_pack(&pack, 2);
                begin = pack.size;
                append(&pack, "\x34", 1);
                append_deflated(&pack, "base", 4);
                append_ofs_delta(&pack, (uint8_t) wrong, "\4\4\x90\4", 4);
                seal(&pack);
                /* The base begins where the delta's distance leads to exactly one entry. */
                Reading *r = reading_new();
                size_t entry = begin + 1 + 12;
                int k = read_pack(r, &pack, 0);
                assert_int_equal(k, wrong == entry - begin ? 0 : -EBADMSG);
                reading_done(r);
                bytes_done(&pack);
        }
}

/* A short delta that makes much, again and again. */
static void delta_bombs_are_stopped(void **state) {
        _cleanup_free_ uint8_t *zeros = calloc(1, 60000);
        Bytes pack, delta = {};

        append(&delta, "\xe0\xd4\x03\x80\x80\x40", 6); /* 60000 bytes make a MiB */
        for (unsigned i = 0; i < (1 << 20) / 32768; i++)
                append(&delta, "\xa0\x80", 2);
        begin_pack(&pack, 255);
        append(&pack, "\xb0\xa6\x1d", 3);
        append_deflated(&pack, zeros, 60000);
        git_oid base;
        assert_int_equal(git_object_name(GIT_OBJECT_BLOB, zeros, 60000, &base), 0);
        for (unsigned i = 0; i < 254; i++) {
                uint8_t head[2] = { (uint8_t) (GIT_OBJECT_REF_DELTA << 4 | 0x80 | (delta.size & 0xf)),
                                    (uint8_t) (delta.size >> 4) };

                append(&pack, head, 2);
                append(&pack, base.id, sizeof(base.id));
                append_deflated(&pack, delta.data, delta.size);
        }
        seal(&pack);
        bytes_done(&delta);
        expect_pack(&pack, -E2BIG, 1 + 63);
}

static void a_blob_is_checked_by_its_name(void **state) {
        static const char content[] = "content";
        git_oid id;

        for (size_t size = 0; size <= strlen(content); size++) {
                assert_int_equal(git_object_name(GIT_OBJECT_BLOB, content, size, &id), 0);
                assert_int_equal(git_blob_has_name(content, size, &id), 1);
                assert_int_equal(git_blob_has_name("CONTENT", size, &id), size == 0);
                assert_int_equal(git_blob_has_name(content, size + 1, &id), 0);
        }
}

/* Deltas whose base nobody has, 4 MiB each. */
static void deltas_that_are_lost_count(void **state) {
        _cleanup_free_ uint8_t *zeros = calloc(1, 4 << 20);
        static const git_oid nobodys = { .id = { 1 } };

        for (unsigned n = 16; n < 18; n++) {
                Bytes pack;

                begin_pack(&pack, n);
                for (unsigned i = 0; i < n; i++) {
                        append(&pack, "\xf0\x80\x80\x10", 4);
                        append(&pack, nobodys.id, sizeof(nobodys.id));
                        append_deflated(&pack, zeros, 4 << 20);
                }
                seal(&pack);
                expect_pack(&pack, n == 16 ? 0 : -E2BIG, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_blob_is_checked_by_its_name),
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(large_blobs_go_to_a_file),
                cmocka_unit_test(cut_or_damaged_packs_are_refused),
                cmocka_unit_test(counts_and_sizes_that_lie_are_noticed),
                cmocka_unit_test(endless_data_is_refused),
                cmocka_unit_test(places_of_bases_are_checked),
                cmocka_unit_test(delta_bombs_are_stopped),
                cmocka_unit_test(deltas_that_are_lost_count),
        };

        git_libgit2_init();
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        git_libgit2_shutdown();
        return r;
}
