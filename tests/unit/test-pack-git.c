/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs of ours for git's index-pack, and those of its pack-objects for us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/git-delta.h"
#include "syncd/git-object.h"
#include "syncd/pack-writer.h"
#include "tests/unit/pack-fixture.h"

#define GIT "env -i PATH=/usr/bin:/bin HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 git"

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
                cmocka_unit_test(git_takes_our_packs),
                cmocka_unit_test(we_take_packs_of_git),
                cmocka_unit_test(thin_packs_need_what_is_here),
        };

        git_libgit2_init();
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        git_libgit2_shutdown();
        return r;
}
