/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pack reader and writer and the deltas, with each other and with git's own index-pack and pack-objects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/git-delta.h"
#include "syncd/git-object.h"
#include "syncd/pack-reader.h"
#include "syncd/pack-writer.h"

#define GIT "env -i PATH=/usr/bin:/bin HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 git"
#define OBJECTS_MAX 4096U

typedef struct Bytes {
        uint8_t *data;
        size_t size;
        size_t read; /* by the source */
        size_t step; /* bytes that the source gives at a time */
} Bytes;

static void append(Bytes *b, const void *data, size_t size) {
        b->data = realloc(b->data, b->size + size + 1);
        assert_non_null(b->data);
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

static void bytes_done(Bytes *b) {
        free(b->data);
        *b = (Bytes){};
}

static void append_random(Bytes *b, size_t size, unsigned seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                uint8_t byte;

                x ^= x << 13;
                x ^= x >> 17;
                x ^= x << 5;
                byte = (uint8_t) (x >> 24);
                append(b, &byte, 1);
        }
}

static void append_lines(Bytes *b, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                char line[64];

                append(b, line, (size_t) snprintf(line, sizeof(line), "line %u of some text\n", i));
        }
}

static int bytes_sink(const void *data, size_t size, void *userdata) {
        append(userdata, data, size);
        return 0;
}

static int bytes_source(const uint8_t **ret_data, size_t *ret_size, void *userdata) {
        Bytes *b = userdata;

        if (b->read == b->size)
                return 0;
        *ret_data = b->data + b->read;
        *ret_size = MIN(b->step > 0 ? b->step : b->size, b->size - b->read);
        b->read += *ret_size;
        return 1;
}

typedef struct Object {
        git_oid id;
        git_object_t type;
        Bytes bytes;
} Object;

typedef struct Reading {
        Object objects[OBJECTS_MAX];
        size_t n;
        const struct Reading *elsewhere; /* where thin packs find their bases */
        int large_fd;
        git_oid large;
        bool no_find;
        PackSummary summary;
} Reading;

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        Reading *r = userdata;

        assert_true(r->n < OBJECTS_MAX);
        r->objects[r->n] = (Object){ .id = *id, .type = type };
        append(&r->objects[r->n++].bytes, data, size);
        return 0;
}

static const Object *find_object(const Reading *r, const git_oid *id) {
        for (size_t i = 0; r && i < r->n; i++)
                if (git_oid_equal(&r->objects[i].id, id))
                        return r->objects + i;
        return NULL;
}

static int find_base(
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size,
                void *userdata) {
        Reading *r = userdata;
        const Object *o = find_object(r->elsewhere, id);

        if (!o)
                return -ENOENT;
        *ret_type = o->type;
        *ret_size = o->bytes.size;
        *ret_data = malloc(o->bytes.size + 1);
        memcpy(*ret_data, o->bytes.data, o->bytes.size);
        return 0;
}

static int large_begin(uint64_t size, int *ret_fd, void *userdata) {
        Reading *r = userdata;

        *ret_fd = r->large_fd;
        return 0;
}

static int large_end(const git_oid *id, uint64_t size, void *userdata) {
        Reading *r = userdata;

        r->large = *id;
        return 0;
}

static int read_pack(Reading *r, Bytes *pack, size_t step) {
        PackSource source = { .read = bytes_source, .userdata = pack };
        PackConsumer consumer = {
                .object = take_object,
                .find = find_base,
                .large_begin = large_begin,
                .large_end = large_end,
                .userdata = r,
                .blob_max = 1 << 20,
                .other_max = 4 << 20,
                .total_max = 64 << 20,
        };

        pack->read = 0;
        pack->step = step;
        return pack_read(&source, &consumer, &r->summary);
}

static void reading_done(Reading *r) {
        for (size_t i = 0; i < r->n; i++)
                bytes_done(&r->objects[i].bytes);
        free(r);
}

static Reading *reading_new(void) {
        Reading *r = calloc(1, sizeof(*r));

        assert_non_null(r);
        r->large_fd = -1;
        return r;
}

/* --- deltas --- */

typedef int (*DeltaMaker)(const uint8_t *, size_t, const uint8_t *, size_t, size_t, uint8_t **, size_t *);

static size_t check_delta(DeltaMaker make, const Bytes *base, const Bytes *target) {
        _cleanup_free_ uint8_t *delta = NULL, *result = malloc(target->size + 1);
        uint64_t base_size, result_size;
        size_t size, header;

        assert_int_equal(
                        make(base->data,
                             base->size,
                             target->data,
                             target->size,
                             target->size + target->size / 64 + 1024,
                             &delta,
                             &size),
                        0);
        assert_int_equal(git_delta_read_sizes(delta, size, &base_size, &result_size, &header), 0);
        assert_int_equal(base_size, base->size);
        assert_int_equal(result_size, target->size);
        assert_int_equal(git_delta_apply(base->data, base->size, delta, size, result, target->size), 0);
        assert_memory_equal(result, target->data, target->size);
        return size;
}

static void append_entry(Bytes *tree, const char *name, unsigned number) {
        char head[64];
        Bytes id = {};

        append(tree, head, (size_t) snprintf(head, sizeof(head), "100644 %s", name) + 1);
        append_random(&id, GIT_OID_RAWSZ, number);
        append(tree, id.data, id.size);
        bytes_done(&id);
}

static void make_tree(Bytes *tree, unsigned n, unsigned changed_from, unsigned changed_step) {
        append_entry(tree, "%%meta", changed_step);
        for (unsigned i = 0; i < n; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "file%05u", i);
                append_entry(tree,
                             name,
                             changed_step && i >= changed_from && i % changed_step == 0 ? i + 100000 : i);
        }
}

static void deltas_give_back_what_they_were_made_of(void **state) {
        Bytes empty = {}, text = {}, changed = {}, noise = {};

        append(&empty, "", 0);
        append_lines(&text, 5000);
        append(&changed, text.data, 1000);
        append_random(&changed, 500, 1);
        append(&changed, text.data + 1200, text.size - 1200);
        append_random(&noise, 300000, 2);
        const Bytes *const all[] = { &empty, &text, &changed, &noise };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (size_t k = 0; k < ELEMENTSOF(all); k++) {
                        (void) check_delta(git_delta_of_bytes, all[i], all[k]);
                        (void) check_delta(git_delta_of_trees, all[i], all[k]);
                }
        assert_true(check_delta(git_delta_of_bytes, &text, &changed) < 560);
        bytes_done(&empty);
        bytes_done(&text);
        bytes_done(&changed);
        bytes_done(&noise);
}

static void tree_deltas_cost_what_changed(void **state) {
        Bytes base = {}, one = {}, many = {};
        uint8_t *delta;
        size_t size;

        make_tree(&base, 20000, 0, 0);
        make_tree(&one, 20000, 15000, 15000);
        make_tree(&many, 20000, 0, 200);
        assert_true(check_delta(git_delta_of_trees, &base, &one) < 256);
        assert_true(check_delta(git_delta_of_trees, &base, &many) < 100 * 60);
        /* What is not smaller than allowed is not made. */
        assert_int_equal(
                        git_delta_of_trees(base.data, base.size, many.data, many.size, 100, &delta, &size),
                        -E2BIG);
        bytes_done(&base);
        bytes_done(&one);
        bytes_done(&many);
}

static void bad_deltas_are_refused(void **state) {
        static const struct {
                const char *delta;
                size_t size;
        } bad[] = {
#define DELTA(s) { s, sizeof(s) - 1 }
                DELTA(""),
                DELTA("\4"),
                DELTA("\4\4"),          /* makes too little */
                DELTA("\4\4\x90"),      /* an operand is missing */
                DELTA("\4\4\x91\1\4"),  /* copies beyond the base */
                DELTA("\4\4\x90\5"),    /* likewise */
                DELTA("\4\4\x80"),      /* 64 KiB */
                DELTA("\4\4\0"),        /* reserved */
                DELTA("\4\4\4abc"),     /* bytes are missing */
                DELTA("\4\4\x90\4\1a"), /* makes too much */
                DELTA("\5\4\x90\4"),    /* of another base */
                DELTA("\4\5\x90\4"),    /* of another result */
                DELTA("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\4\x90\4"),
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint8_t result[4];

                assert_int_equal(
                                git_delta_apply((const uint8_t *) "base",
                                                4,
                                                (const uint8_t *) bad[i].delta,
                                                bad[i].size,
                                                result,
                                                4),
                                -EBADMSG);
        }
}

/* --- packs of our own --- */

static void write_pack(Bytes *pack, const Bytes *objects, size_t n) {
        PackWriter *w;

        assert_int_equal(pack_writer_new(&w, (uint32_t) n, bytes_sink, pack), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(pack_writer_add(w, GIT_OBJECT_BLOB, objects[i].data, objects[i].size), 0);
        assert_int_equal(pack_writer_finish(w), 0);
        pack_writer_free(w);
}

static void make_blobs(Bytes blobs[static 6]) {
        memset(blobs, 0, 6 * sizeof(*blobs));
        append(blobs, "", 0);
        append(blobs + 1, "x", 1);
        append_lines(blobs + 2, 20000);
        append_random(blobs + 3, 500000, 3);
        append_lines(blobs + 4, 10);
        append_random(blobs + 5, 17000, 4);
}

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

/* --- with git --- */

static void run(const char *format, ...) _printf_(1, 2);
static void run(const char *format, ...) {
        char command[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(command, sizeof(command), format, ap);
        va_end(ap);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static char *make_repository(void) {
        char *path = strdup("/tmp/test-pack.XXXXXX");

        assert_non_null(mkdtemp(path));
        run(GIT " init -q --bare %s/git", path);
        return path;
}

static void remove_repository(char *path) {
        run("rm -rf %s", path);
        free(path);
}

static void write_file(const char *directory, const char *name, const Bytes *b) {
        _cleanup_free_ char *path = strfmt("%s/%s", directory, name);
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(b->data, 1, b->size, f), b->size);
        assert_int_equal(fclose(f), 0);
}

static void load_file(const char *directory, const char *name, Bytes *b) {
        _cleanup_free_ char *path = strfmt("%s/%s", directory, name), *data = NULL;

        assert_int_equal(read_file(AT_FDCWD, path, 64 << 20, &data, &b->size), 0);
        b->data = (uint8_t *) TAKE_PTR(data);
}

static void git_takes_our_packs(void **state) {
        char *path = make_repository(), hex[GIT_OID_HEXSZ + 1];
        Bytes blobs[6], pack = {}, base = {}, tree = {};
        uint8_t *delta;
        size_t size;
        git_oid base_id, tree_id;
        PackWriter *w;

        make_blobs(blobs);
        write_pack(&pack, blobs, 6);
        write_file(path, "pack", &pack);
        run(GIT " -C %s/git index-pack --strict --stdin < %s/pack > /dev/null", path, path);
        bytes_done(&pack);

        /* A thin pack: the base goes first, in a pack of its own. */
        git_oid blob;
        assert_int_equal(git_object_name(GIT_OBJECT_BLOB, "x", 1, &blob), 0);
        for (unsigned i = 0; i < 1000; i++)
                for (unsigned k = 0; k < 2; k++) {
                        char head[64];
                        Bytes *b = k ? &tree : &base;

                        if (k && i % 100 == 50)
                                continue;
                        append(b, head, (size_t) snprintf(head, sizeof(head), "100644 file%04u", i) + 1);
                        append(b, blob.id, sizeof(blob.id));
                }
        assert_int_equal(git_object_name(GIT_OBJECT_TREE, base.data, base.size, &base_id), 0);
        assert_int_equal(git_object_name(GIT_OBJECT_TREE, tree.data, tree.size, &tree_id), 0);
        assert_int_equal(pack_writer_new(&w, 1, bytes_sink, &pack), 0);
        assert_int_equal(pack_writer_add(w, GIT_OBJECT_TREE, base.data, base.size), 0);
        assert_int_equal(pack_writer_finish(w), 0);
        pack_writer_free(w);
        write_file(path, "pack", &pack);
        run(GIT " -C %s/git index-pack --strict --stdin < %s/pack > /dev/null", path, path);
        bytes_done(&pack);

        assert_int_equal(
                        git_delta_of_trees(
                                        base.data,
                                        base.size,
                                        tree.data,
                                        tree.size,
                                        tree.size,
                                        &delta,
                                        &size),
                        0);
        assert_true(size < 100);
        assert_int_equal(pack_writer_new(&w, 1, bytes_sink, &pack), 0);
        assert_int_equal(pack_writer_add_delta(w, &base_id, delta, size), 0);
        assert_int_equal(pack_writer_finish(w), 0);
        pack_writer_free(w);
        free(delta);
        write_file(path, "pack", &pack);
        run(GIT " -C %s/git index-pack --strict --fix-thin --stdin < %s/pack > /dev/null", path, path);
        run(GIT " -C %s/git ls-tree %s | wc -l | grep -qx 990",
            path,
            git_oid_tostr(hex, sizeof(hex), &tree_id));
        for (size_t i = 0; i < 6; i++)
                bytes_done(blobs + i);
        bytes_done(&pack);
        bytes_done(&base);
        bytes_done(&tree);
        remove_repository(path);
}

/* A history in which one text of many lines changes again and again. */
static void make_history(const char *path, unsigned n) {
        run("cd %s && " GIT " init -q work && cd work && seq 1 3000 > text && for i in $(seq 1 %u); do "
            "sed -i \"${i}s/.*/changed $i/\" text && echo $i > small$i && " GIT " add . && " GIT
            " -c user.name=a -c user.email=a@b commit -q -m $i; done",
            path,
            n);
}

static void expect_all_of(const char *path, Reading *r) {
        Bytes list = {};
        char *line, *rest;
        size_t n = 0;

        run("cd %s/work && " GIT
            " cat-file --batch-check='%%(objectname) %%(objectsize)' < ../names > ../sizes",
            path);
        load_file(path, "sizes", &list);
        append(&list, "", 1);
        for (rest = (char *) list.data; (line = strsep(&rest, "\n")) && *line; n++) {
                const Object *o;
                git_oid id;

                assert_int_equal(git_oid_fromstrn(&id, line, GIT_OID_HEXSZ), 0);
                o = find_object(r, &id);
                assert_non_null(o);
                assert_int_equal(o->bytes.size, strtoull(line + GIT_OID_HEXSZ, NULL, 10));
        }
        assert_int_equal(n, r->n);
        bytes_done(&list);
}

static void we_take_packs_of_git(void **state) {
        static const char *const options[] = { "",
                                               "--delta-base-offset",
                                               "--delta-base-offset --depth=4000" };
        char *path = make_repository();

        make_history(path, 60);
        run("cd %s/work && " GIT " rev-list --objects HEAD | cut -c-40 > ../names", path);
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                Reading *r = reading_new();
                Bytes pack = {};

                run("cd %s/work && " GIT " pack-objects -q --stdout --window=50 %s < ../names > ../pack",
                    path,
                    options[i]);
                load_file(path, "pack", &pack);
                assert_int_equal(read_pack(r, &pack, 1000), 0);
                assert_int_equal(r->summary.lost, 0);
                expect_all_of(path, r);
                reading_done(r);
                bytes_done(&pack);
        }
        remove_repository(path);
}

static void thin_packs_need_what_is_here(void **state) {
        char *path = make_repository();
        Reading *old = reading_new(), *new = reading_new(), *alone = reading_new();
        Bytes pack = {}, thin = {};

        make_history(path, 20);
        run("cd %s/work && " GIT " rev-list --objects HEAD~3 | cut -c-40 | " GIT
            " pack-objects -q --stdout > ../pack",
            path);
        run("cd %s/work && printf 'HEAD\\n^HEAD~3\\n' | " GIT
            " pack-objects -q --stdout --revs --thin > ../thin",
            path);
        run("cd %s/work && " GIT " rev-list --objects HEAD ^HEAD~3 | cut -c-40 > ../names", path);
        load_file(path, "pack", &pack);
        load_file(path, "thin", &thin);
        assert_int_equal(read_pack(old, &pack, 0), 0);
        new->elsewhere = old;
        assert_int_equal(read_pack(new, &thin, 0), 0);
        assert_int_equal(new->summary.lost, 0);
        expect_all_of(path, new);
        /* Without the bases the other objects still arrive. */
        assert_int_equal(read_pack(alone, &thin, 0), 0);
        assert_true(alone->summary.lost > 0);
        assert_int_equal(alone->summary.lost + alone->n, new->n);
        reading_done(old);
        reading_done(new);
        reading_done(alone);
        bytes_done(&pack);
        bytes_done(&thin);
        remove_repository(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(deltas_give_back_what_they_were_made_of),
                cmocka_unit_test(tree_deltas_cost_what_changed),
                cmocka_unit_test(bad_deltas_are_refused),
                cmocka_unit_test(what_is_written_is_read),
                cmocka_unit_test(large_blobs_go_to_a_file),
                cmocka_unit_test(cut_or_damaged_packs_are_refused),
                cmocka_unit_test(counts_and_sizes_that_lie_are_noticed),
                cmocka_unit_test(endless_data_is_refused),
                cmocka_unit_test(places_of_bases_are_checked),
                cmocka_unit_test(delta_bombs_are_stopped),
                cmocka_unit_test(git_takes_our_packs),
                cmocka_unit_test(we_take_packs_of_git),
                cmocka_unit_test(thin_packs_need_what_is_here),
        };

        git_libgit2_init();
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        git_libgit2_shutdown();
        return r;
}
