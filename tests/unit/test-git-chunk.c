/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunk trees: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"
#include "tests/unit/git-fixture.h"

typedef struct Seen {
        unsigned n;
        uint64_t end;
} Seen;

static int see_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        Seen *s = userdata;

        assert_int_equal(offset, s->end);
        s->end += length;
        s->n++;
        return 0;
}

typedef struct Groups {
        GitStore *store;
        Seen chunks;
        unsigned n;
} Groups;

static int see_group(const SyncOid *group, uint64_t offset, uint64_t length, void *userdata) {
        Groups *g = userdata;

        assert_int_equal(offset, g->chunks.end);
        assert_int_equal(
                        git_store_foreach_chunk_of_group(g->store, group, offset, see_chunk, &g->chunks), 0);
        assert_int_equal(g->chunks.end, offset + length);
        g->n++;
        return 0;
}

static void chunks_come_back_in_order(void **state) {
        GitFixture *f = *state;
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *stored = NULL, *named = NULL;
        Groups groups = { .store = f->store };
        const GitChunkGroup *g;
        SyncOid oid, other;
        uint64_t size = 0;
        Seen seen = {};
        size_t n;

        assert_int_equal(git_chunk_writer_new(&stored, f->store), 0);
        assert_int_equal(git_chunk_writer_new(&named, NULL), 0);
        assert_int_equal(git_chunk_writer_finish(named, &oid), -EINVAL);
        for (unsigned i = 0; i < 1400; i++) {
                /* After 1,100 chunks that end no group, every fourth does. */
                SyncOid chunk = { .bytes = { i & 0xFF, i >> 8, [19] = i < 1100 || i % 4 ? 1 : 64 } };

                assert_int_equal(git_chunk_writer_add(stored, &chunk, CHUNK_MAX - i), 0);
                assert_int_equal(git_chunk_writer_add(named, &chunk, CHUNK_MAX - i), 0);
                size += CHUNK_MAX - i;
        }
        assert_int_equal(git_chunk_writer_add(stored, &oid, 0), -EINVAL);
        assert_int_equal(git_chunk_writer_add(stored, &oid, CHUNK_MAX + 1), -EINVAL);
        assert_int_equal(git_chunk_writer_finish(stored, &oid), 0);
        assert_int_equal(git_chunk_writer_finish(named, &other), 0);
        assert_true(sync_oid_equal(&oid, &other));
        g = git_chunk_writer_groups(stored, &n);
        /* 512 and 512, up to 1100, and 4 each. */
        assert_int_equal(n, 2 + 1 + 74 + 1);
        assert_int_equal(g[2].offset, g[1].offset + g[1].length);

        assert_int_equal(git_store_foreach_chunk(f->store, &oid, see_chunk, &seen), 0);
        assert_int_equal(seen.n, 1400);
        assert_int_equal(seen.end, size);
        assert_int_equal(git_store_foreach_group(f->store, &oid, see_group, &groups), 0);
        assert_int_equal(groups.n, n);
        assert_int_equal(groups.chunks.n, 1400);
        assert_int_equal(git_store_chunked_size(f->store, &oid, &size), 0);
        assert_int_equal(size, seen.end);
}

/* The test vector of docs/repository-format.md. */
static void a_file_has_the_oid_of_the_format(void **state) {
        GitFixture *f = *state;
        const size_t size = 4000000;
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *w = NULL;
        _cleanup_free_ uint8_t *data = malloc(size);
        uint64_t x = 5;
        Chunker chunker = {};
        char hex[GIT_OID_HEXSZ + 1];
        SyncOid oid;
        size_t n;

        for (size_t i = 0; i < size; i++) {
                x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                data[i] = (uint8_t) (x >> 56);
        }
        assert_int_equal(git_chunk_writer_new(&w, f->store), 0);
        for (size_t at = 0; at < size;) {
                bool end;
                size_t length = chunker_next(&chunker, data + at, size - at, &end);

                assert_int_equal(git_hash_bytes(GIT_OBJECT_BLOB, data + at, length, &oid), 0);
                assert_int_equal(git_chunk_writer_add(w, &oid, (uint32_t) length), 0);
                at += length;
        }
        assert_int_equal(git_chunk_writer_finish(w, &oid), 0);
        assert_string_equal(
                        git_oid_tostr(hex, sizeof(hex), (git_oid *) oid.bytes),
                        "8270b6b2d6df59ad5503f881f9eef997f7c7f0b7");
        assert_int_equal(git_chunk_writer_groups(w, &n)[1].offset, 0x26a498);
        assert_int_equal(n, 2);
}

/* Writes a tree of n entries; name is a format of the index. */
static void write_chunk_tree(
                GitFixture *f,
                unsigned mode,
                const char *name,
                unsigned n,
                const SyncOid *entry,
                SyncOid *ret) {
        SyncWriter w = {};
        git_oid id;

        for (unsigned i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL;
                RawEntry e = { .mode = mode, .id = (const git_oid *) entry->bytes };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                text = strfmt(name, i);
#pragma GCC diagnostic pop
                e.name = text;
                e.length = strlen(text);
                raw_entry_write(&w, &e);
        }
        assert_int_equal(git_store_write(f->store, GIT_OBJECT_TREE, w.data, w.size, &id), 0);
        git_store_oid_to_sync(ret, &id);
        free(w.data);
}

static void malformed_chunk_trees_are_refused(void **state) {
        static const struct {
                const char *group, *top;
                unsigned n_chunks, n_groups, group_mode, top_mode;
        } cases[] = {
                { "%08x-80000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE }, /* good */
                { "%08x-80000", "%08x-1000001", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80001", "%08x-1000020", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-0", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-080000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-8000G", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "0%08x-80000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "1%07x-80000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-1000000", 32, 0, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-10000", 2, 1, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-10080000", 513, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB_EXECUTABLE, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-1000000", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_BLOB },
                { "%08x-80000", "%08x-ffffffffffffffff", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
                { "%08x-80000", "%08x-7fffffffffffffff", 32, 2, GIT_FILEMODE_BLOB, GIT_FILEMODE_TREE },
        };
        GitFixture *f = *state;
        SyncOid chunk = { .bytes = { 1 } }, group, top;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Seen seen = {};

                write_chunk_tree(f, cases[i].group_mode, cases[i].group, cases[i].n_chunks, &chunk, &group);
                write_chunk_tree(f, cases[i].top_mode, cases[i].top, cases[i].n_groups, &group, &top);
                assert_int_equal(
                                git_store_foreach_chunk(f->store, &top, see_chunk, &seen),
                                i == 0 ? 0 : -EBADMSG);
        }
        group.bytes[0] ^= 1;
        write_chunk_tree(f, GIT_FILEMODE_TREE, "%08x-1000000", 2, &group, &top);
        assert_int_equal(git_store_foreach_chunk(f->store, &top, see_chunk, &(Seen) {}), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(chunks_come_back_in_order),
                TEST(a_file_has_the_oid_of_the_format),
                TEST(malformed_chunk_trees_are_refused),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
