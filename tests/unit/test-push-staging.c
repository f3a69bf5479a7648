/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a batch's trees tell others: where its chunks belong, whether they go with their groups or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "git-fixture.h"
#include "syncd/git-object.h"
#include "syncd/push-staging.h"
#include "syncd/staging-ref.h"

#define CHUNK 100000U
#define FILE_SIZE (UINT64_C(10000) * CHUNK)

/* The object of this number. */
static git_oid object(unsigned n) {
        git_oid id = {};

        memcpy(id.id, &n, sizeof(n));
        id.id[GIT_OID_RAWSZ - 1] = 1;
        return id;
}

static void add(PushList *l, unsigned file, PushKind kind, unsigned number, uint64_t offset, bool alone) {
        PushFound found = { .kind = kind, .id = object(number), .path = "file", .size = FILE_SIZE, .offset = offset };

        memset(&found.file, (int) file, sizeof(found.file));
        assert_int_equal(push_list_add(l, &found, CHUNK), 1);
        l->items[l->n - 1].alone = alone;
}

typedef struct Place {
        unsigned number; /* of the first chunk */
        uint64_t offset;
        size_t n;
} Place;

static int take_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        Place *p = userdata;
        git_oid expected = object(p->number + (unsigned) p->n), id;

        git_store_oid_from_sync(&id, chunk);
        assert_true(git_oid_equal(&id, &expected));
        assert_int_equal(offset, p->offset + CHUNK * p->n);
        assert_int_equal(length, CHUNK);
        p->n++;
        return 0;
}

/* Stores all trees. Returns how many entries the staging tree has. */
static size_t make(GitFixture *f, const PushList *batch, StagingEntry *entries, size_t n_max) {
        _cleanup_(push_staging_done) PushStaging s = {};
        GitTreeReader reader;
        GitTreeEntry e;
        size_t n = 0;
        git_oid id;

        assert_int_equal(push_staging_make(&s, batch), 0);
        for (size_t i = 0; i < s.n_trees; i++)
                assert_int_equal(git_store_write(f->store, GIT_OBJECT_TREE, s.trees[i].data, s.trees[i].size, &id), 0);
        assert_true(git_oid_equal(&id, &s.id));
        git_tree_reader_init(&reader, s.trees[s.n_trees - 1].data, s.trees[s.n_trees - 1].size);
        for (; git_tree_next(&reader, &e) > 0; n++) {
                assert_true(n < n_max);
                assert_int_equal(staging_entry_parse(&e, entries + n), 0);
        }
        return n;
}

static void expect_run(GitFixture *f, const StagingEntry *e, unsigned number, uint64_t offset, size_t n) {
        Place place = { .number = number, .offset = offset };
        SyncOid tree;

        assert_true(e->group);
        assert_int_equal(e->size, FILE_SIZE);
        assert_int_equal(e->offset, offset);
        git_store_oid_to_sync(&tree, &e->id);
        assert_int_equal(git_store_foreach_chunk_of_group(f->store, &tree, offset, take_chunk, &place), 0);
        assert_int_equal(place.n, n);
}

static void chunks_without_their_group_get_a_tree(void **state) {
        PushList batch = {};
        StagingEntry e[4];

        for (unsigned i = 0; i < 5; i++)
                add(&batch, 1, PUSH_CHUNK, i, (100 + i) * CHUNK, true);
        assert_int_equal(make(*state, &batch, e, 4), 1);
        expect_run(*state, e, 0, 100 * CHUNK, 5);
        push_list_done(&batch);
}

/* What lies between them is on main, or was sent before. */
static void a_gap_begins_another_tree(void **state) {
        PushList batch = {};
        StagingEntry e[4];

        add(&batch, 1, PUSH_CHUNK, 0, 100 * CHUNK, true);
        add(&batch, 1, PUSH_CHUNK, 1, 101 * CHUNK, true);
        add(&batch, 1, PUSH_CHUNK, 2, 103 * CHUNK, true);
        assert_int_equal(make(*state, &batch, e, 4), 2);
        expect_run(*state, e, 0, 100 * CHUNK, 2);
        expect_run(*state, e + 1, 2, 103 * CHUNK, 1);
        push_list_done(&batch);
}

static void a_group_names_its_own_chunks(void **state) {
        PushList batch = {};
        StagingEntry e[4];
        git_oid group = object(1000);

        add(&batch, 1, PUSH_GROUP, 1000, 100 * CHUNK, false);
        add(&batch, 1, PUSH_CHUNK, 0, 100 * CHUNK, false);
        add(&batch, 1, PUSH_CHUNK, 1, 101 * CHUNK, false);
        add(&batch, 1, PUSH_CHUNK, 2, 102 * CHUNK, true);
        add(&batch, 2, PUSH_CHUNK, 3, 103 * CHUNK, true);
        assert_int_equal(make(*state, &batch, e, 4), 3);
        assert_true(e[0].group && git_oid_equal(&e[0].id, &group));
        expect_run(*state, e + 1, 2, 102 * CHUNK, 1);
        expect_run(*state, e + 2, 3, 103 * CHUNK, 1);
        push_list_done(&batch);
}

/* A reader refuses a tree of more. */
static void a_tree_has_no_more_chunks_than_a_group(void **state) {
        PushList batch = {};
        StagingEntry e[4];

        for (unsigned i = 0; i < GROUP_MAX + 1; i++)
                add(&batch, 1, PUSH_CHUNK, i, (1000 + i) * CHUNK, true);
        assert_int_equal(make(*state, &batch, e, 4), 2);
        expect_run(*state, e, 0, 1000 * CHUNK, GROUP_MAX);
        expect_run(*state, e + 1, GROUP_MAX, (1000 + GROUP_MAX) * CHUNK, 1);
        push_list_done(&batch);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                chunks_without_their_group_get_a_tree, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(a_gap_begins_another_tree, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(a_group_names_its_own_chunks, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(
                                a_tree_has_no_more_chunks_than_a_group, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
