/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"
#include "tests/unit/git-fixture.h"

char *fixture_run(GitFixture *f, const char *arguments) {
        _cleanup_free_ char *command =
                        strfmt("cd '%s' && GIT_CONFIG_NOSYSTEM=1 HOME='%s' git %s 2>&1",
                               f->repository,
                               f->directory,
                               arguments);
        char *buf = malloc(65536);
        FILE *p = popen(command, "r");
        size_t n;

        assert_non_null(p);
        n = fread(buf, 1, 65535, p);
        buf[n] = 0;
        if (pclose(p) != 0)
                fail_msg("git %s: %s", arguments, buf);
        return buf;
}

int fixture_setup(void **state) {
        GitFixture *f = calloc(1, sizeof(*f));

        f->directory = strdup("/tmp/test-git-store.XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        f->objects = strfmt("%s/objects", f->directory);
        f->repository = strfmt("%s/repository.git", f->directory);
        assert_int_equal(mkdir(f->repository, 0700), 0);
        free(fixture_run(f, "-c init.defaultBranch=main init -q --bare ."));
        assert_int_equal(git_store_open(&f->store, f->objects), 0);
        *state = f;
        return 0;
}

int fixture_teardown(void **state) {
        GitFixture *f = *state;
        _cleanup_free_ char *command = strfmt("rm -rf '%s'", f->directory);

        git_store_free(f->store);
        assert_int_equal(system(command), 0);
        free(f->directory);
        free(f->objects);
        free(f->repository);
        free(f);
        return 0;
}

void fixture_reopen(GitFixture *f) {
        git_store_free(f->store);
        assert_int_equal(git_store_open(&f->store, f->objects), 0);
}

/* --- between the store and git --- */

/* As a loose object: gitrepository-layout(5). False if git has it. */
static bool write_loose(GitFixture *f, git_object_t type, const char *data, size_t size, const git_oid *id) {
        _cleanup_free_ char *path = NULL, *object = malloc(size + 64);
        _cleanup_free_ Bytef *deflated = NULL;
        _cleanup_close_ int fd = -EBADF;
        char hex[GIT_OID_HEXSZ + 1];
        uLongf n;
        int header;

        (void) git_oid_tostr(hex, sizeof(hex), id);
        path = strfmt("%s/objects/%.2s", f->repository, hex);
        (void) mkdir(path, 0700);
        free(path);
        path = strfmt("%s/objects/%.2s/%s", f->repository, hex, hex + 2);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0400);
        if (fd < 0) {
                assert_int_equal(errno, EEXIST);
                return false;
        }
        header = sprintf(object, "%s %zu", git_object_type2string(type), size) + 1;
        memcpy(object + header, data, size);
        n = compressBound(size + 64);
        deflated = malloc(n);
        assert_int_equal(compress2(deflated, &n, (Bytef *) object, size + (size_t) header, 1), Z_OK);
        assert_int_equal(loop_write(fd, deflated, n), 0);
        return true;
}

void fixture_export(GitFixture *f, const git_oid *id) {
        _cleanup_free_ void *data = NULL;
        git_object_t type;
        size_t size;
        git_oid other;

        if (git_store_read(f->store, id, &type, &data, &size) < 0 || !write_loose(f, type, data, size, id))
                return;
        if (type == GIT_OBJECT_COMMIT) {
                assert_int_equal(git_store_commit_tree(f->store, id, &other), 0);
                fixture_export(f, &other);
                assert_int_equal(git_store_commit_parent(f->store, id, &other), 0);
                if (!git_oid_is_zero(&other))
                        fixture_export(f, &other);
        } else if (type == GIT_OBJECT_TREE) {
                RawTree tree = { .data = data, .size = size };
                RawEntry e;

                while (raw_tree_next(&tree, &e) > 0)
                        fixture_export(f, e.id);
        }
}

/* Takes an object that git has, and what it reaches if it is a commit or a tree, into the store. */
static void import(GitFixture *f, const char *hex, git_oid *ret) {
        _cleanup_free_ char *command = strfmt("rev-list --objects --missing=allow-any %s", hex),
                            *list = fixture_run(f, command);
        _cleanup_strv_free_ char **lines = NULL;

        assert_true(strv_split(list, "\n", &lines) > 0);
        STRV_FOREACH (line, lines) {
                _cleanup_free_ char *type_command = NULL, *type = NULL, *content_command = NULL,
                                    *path = NULL, *data = NULL;
                size_t size;
                git_oid id, written;

                (*line)[GIT_OID_HEXSZ] = 0;
                type_command = strfmt("cat-file -t %s", *line);
                type = fixture_run(f, type_command);
                type[strlen(type) - 1] = 0;
                content_command = strfmt("cat-file %s %s > ../object", type, *line);
                free(fixture_run(f, content_command));
                path = strfmt("%s/object", f->directory);
                assert_int_equal(read_file(AT_FDCWD, path, 1 << 24, &data, &size), 0);
                assert_int_equal(git_oid_fromstr(&id, *line), 0);
                assert_int_equal(
                                git_store_write(f->store,
                                                git_object_string2type(type),
                                                data,
                                                size,
                                                &written),
                                0);
                assert_true(git_oid_equal(&id, &written));
        }
        assert_int_equal(git_oid_fromstrn(ret, hex, GIT_OID_HEXSZ), 0);
}

void fixture_foreign_commit(GitFixture *f, const char *lines, git_oid *ret) {
        _cleanup_free_ char *command =
                        strfmt("--version >/dev/null; git -c user.name=a -c user.email=b commit-tree -m x "
                               "$(printf '%s' | git mktree --missing)",
                               lines);
        _cleanup_free_ char *out = fixture_run(f, command);

        import(f, out, ret);
}

/* --- trees --- */

/* Times and modes that tell the entries apart. */
static void add_metadata(SyncEntry *e) {
        uint32_t hash = (uint32_t) crc32(0, (const Bytef *) e->path, (uInt) strlen(e->path));

        e->mode = (uint16_t) (0400 | (hash & 0377) | (e->executable ? 0100 : 0));
        e->mtime_ns = e->kind == SYNC_DIRECTORY ? 0 : (int64_t) hash * 1000000007 - 1000000000;
}

void fixture_add(
                GitFixture *f,
                SyncTree *t,
                const char *path,
                SyncKind kind,
                bool executable,
                const char *content) {
        SyncEntry e = { .path = path, .kind = (uint8_t) kind, .executable = executable };

        if (content) {
                git_oid id;

                assert_int_equal(git_store_write(f->store, GIT_OBJECT_BLOB, content, strlen(content), &id), 0);
                git_store_oid_to_sync(&e.oid, &id);
                e.size = strlen(content);
        }
        add_metadata(&e);
        assert_int_equal(sync_tree_add(t, &e), 0);
}

uint64_t fixture_add_chunked(
                GitFixture *f, SyncTree *t, const char *path, bool executable, unsigned n, unsigned seed) {
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *w = NULL;
        SyncEntry e = { .path = path, .kind = SYNC_FILE, .executable = executable };

        assert_int_equal(git_chunk_writer_new(&w, f->store), 0);
        for (unsigned i = 0; i < n; i++) {
                char text[64];
                SyncOid chunk;
                uint32_t length = CHUNK_MAX - (i * 7919 + seed) % (CHUNK_MAX - CHUNK_MIN);

                assert_int_equal(
                                git_hash_bytes(GIT_OBJECT_BLOB,
                                               text,
                                               (size_t) sprintf(text, "%u %u", seed, i),
                                               &chunk),
                                0);
                assert_int_equal(git_chunk_writer_add(w, &chunk, length), 0);
                e.size += length;
        }
        assert_int_equal(git_chunk_writer_finish(w, &e.oid), 0);
        assert_true(e.size > FORMAT_PLAIN_MAX);
        add_metadata(&e);
        assert_int_equal(sync_tree_add(t, &e), 0);
        return e.size;
}

void fixture_commit_tree(
                GitFixture *f, const git_oid *parent, const git_oid *tree, int64_t time, git_oid *ret) {
        GitStoreCommit c = { .tree = *tree, .author = "gw", .time = time, .message = "test" };

        if (parent)
                c.parent = *parent;
        assert_int_equal(git_store_write_commit(f->store, &c, ret), 0);
}

void fixture_commit_changes(
                GitFixture *f,
                const git_oid *parent,
                const SyncTree *changes,
                int64_t time,
                const char *author,
                git_oid *ret) {
        GitStoreCommit c = { .author = author, .time = time, .message = "test" };

        if (parent)
                c.parent = *parent;
        assert_int_equal(git_store_write_changes(f->store, &c.parent, changes, NULL, NULL, &c.tree), 0);
        assert_int_equal(git_store_write_commit(f->store, &c, ret), 0);
}

void assert_same_tree(const SyncTree *a, const SyncTree *b) {
        for (size_t i = 0; i < MIN(sync_tree_size(a), sync_tree_size(b)); i++) {
                const SyncEntry *x = sync_tree_at(a, i), *y = sync_tree_at(b, i);

                assert_string_equal(x->path, y->path);
                assert_true(sync_entry_equal(x, y));
                assert_int_equal(x->size, y->size);
                assert_int_equal(x->mtime_ns, y->mtime_ns);
                assert_int_equal(x->mode, y->mode);
        }
        assert_int_equal(sync_tree_size(a), sync_tree_size(b));
}

SyncTree *fixture_new_tree(void) {
        SyncTree *t;

        assert_int_equal(sync_tree_new(&t), 0);
        return t;
}

SyncTree *fixture_read_tree(GitFixture *f, const git_oid *commit) {
        SyncTree *t = NULL;

        assert_int_equal(git_store_read_tree(f->store, commit, &t), 0);
        return t;
}
