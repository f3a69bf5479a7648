/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree worker's part in tests of the transfer worker, without a scan or a plan.
 *
 *   sync-store commit STATE FOLDER     commits the folder on top of main as the candidate      "<commit>"
 *   sync-store want STATE STAGING      wants all content of main that is not there             "<missing
 * bytes>" sync-store check STATE STAGING     compares all content of main with its ids "<files>" sync-store
 * size STATE REFERENCE    bytes of all files of the commit                        "<bytes>" sync-store get
 * STATE REFERENCE     the commit                                              "<commit>" sync-store set
 * STATE REFERENCE COMMIT sync-store file STATE PATH         the file of main's tip "<oid> <size>" sync-store
 * poison STATE PATH       makes that directory of the candidate one that git refuses  "<commit>" */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/content.h"
#include "syncd/git-object.h"
#include "syncd/git-store.h"

static _Noreturn void die(int error, const char *what) {
        (void) fprintf(stderr, "sync-store: %s: %s\n", what, strerror(error < 0 ? -error : error));
        exit(1);
}

static int check(int r, const char *what) {
        if (r < 0)
                die(r, what);
        return r;
}

/* --- commit --- */

static GitStore *arg_store;
static SyncTree *arg_tree;
static const char *arg_folder;

static void name_large(int fd, uint8_t *buf, SyncOid *ret) {
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *w = NULL;
        Chunker chunker = {};
        size_t held = 0, used = 0;

        check(git_chunk_writer_new(&w, arg_store), "chunks");
        for (;;) {
                bool end = false;
                SyncOid oid;

                if (held < CHUNK_MAX) {
                        ssize_t n = check(
                                        (int) loop_read(fd, buf + held, (size_t) FORMAT_PLAIN_MAX - held),
                                        "read");

                        held += (size_t) n;
                }
                if (held == 0)
                        break;
                used = chunker_next(&chunker, buf, held, &end);
                check(git_hash_bytes(GIT_OBJECT_BLOB, buf, used, &oid), "hash");
                check(git_chunk_writer_add(w, &oid, (uint32_t) used), "chunk");
                memmove(buf, buf + used, held - used);
                held -= used;
        }
        check(git_chunk_writer_finish(w, ret), "chunks");
}

static void name_file(const char *path, uint64_t size, SyncOid *ret) {
        _cleanup_free_ uint8_t *buf = malloc(FORMAT_PLAIN_MAX);
        _cleanup_close_ int fd = check(open(path, O_RDONLY | O_CLOEXEC), path);

        if (!buf)
                die(ENOMEM, path);
        if (size > FORMAT_PLAIN_MAX)
                name_large(fd, buf, ret);
        else
                check(git_hash_bytes(GIT_OBJECT_BLOB,
                                     buf,
                                     (size_t) loop_read(fd, buf, FORMAT_PLAIN_MAX),
                                     ret),
                      path);
}

static int add_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        SyncEntry e = {
                .path = path + strlen(arg_folder) + 1,
                .mode = st->st_mode & 0777,
                .kind = SYNC_DIRECTORY,
        };

        if (ftw->level == 0)
                return 0;
        if (type == FTW_F) {
                e.kind = SYNC_FILE;
                e.size = (uint64_t) st->st_size;
                e.mtime_ns = (int64_t) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
                e.executable = st->st_mode & 0100;
                name_file(path, e.size, &e.oid);
        } else if (type == FTW_SL) {
                char target[SYNC_TARGET_MAX + 1];
                ssize_t n = readlink(path, target, sizeof(target));

                e.kind = SYNC_SYMLINK;
                e.size = (uint64_t) n;
                check(git_hash_bytes(GIT_OBJECT_BLOB, target, (size_t) n, &e.oid), path);
        }
        check(sync_tree_add(arg_tree, &e), path);
        return 0;
}

static void get(const char *reference, git_oid *ret) {
        int r = git_store_get_reference(arg_store, reference, ret);

        if (r == -ENOENT)
                *ret = (git_oid){};
        else
                check(r, reference);
}

static void print_id(const git_oid *id) {
        char hex[GIT_OID_HEXSZ + 1];

        printf("%s\n", git_oid_tostr(hex, sizeof(hex), id));
}

static void do_commit(const char *folder) {
        GitStoreCommit c = { .author = "gateway", .time = time(NULL), .message = "changes" };
        git_oid id;

        arg_folder = folder;
        check(sync_tree_new(&arg_tree), "tree");
        if (nftw(folder, add_entry, 32, FTW_PHYS) < 0)
                die(errno, folder);
        check(sync_tree_sort(arg_tree), "sort");
        get(GIT_STORE_REMOTE, &c.parent);
        check(git_store_write_changes(arg_store, &(git_oid){}, arg_tree, NULL, NULL, &c.tree), "tree");
        check(git_store_write_commit(arg_store, &c, &id), "commit");
        check(git_store_set_reference(arg_store, GIT_STORE_CANDIDATE, &id), "candidate");
        check(git_store_sync(arg_store), "sync");
        sync_tree_free(arg_tree);
        print_id(&id);
}

/* --- content --- */

typedef struct Content {
        ContentArea area;
        Wanted wanted;
        int fd; /* of the file at hand */
        bool full;
        uint64_t missing;
        uint64_t files;
        uint8_t *buf;
} Content;

static bool has(Content *c, const SyncOid *blob, uint64_t offset, uint32_t length) {
        SyncOid oid;

        if (pread(c->fd, c->buf, length, (off_t) offset) != (ssize_t) length)
                return false;
        check(git_hash_bytes(GIT_OBJECT_BLOB, c->buf, length, &oid), "hash");
        return sync_oid_equal(&oid, blob);
}

static int want_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        Content *c = userdata;
        int r;

        if (has(c, chunk, offset, length))
                return 0;
        c->missing += length;
        r = wanted_add_item(&c->wanted, chunk, offset, length);
        if (r == -E2BIG)
                c->full = true;
        return 0;
}

static int want_entry(const SyncEntry *e, void *userdata) {
        Content *c = userdata;
        bool new;

        if ((e->kind != SYNC_FILE && e->kind != SYNC_SYMLINK) || content_has(&c->area, &e->oid) || c->full)
                return 0;
        if (wanted_add_file(&c->wanted, &e->oid, e->size) < 0) {
                c->full = true;
                c->missing += e->size;
                return 0;
        }
        check(content_part_open(&c->area, &e->oid, e->size, &new, &c->fd), e->path);
        if (e->kind == SYNC_FILE && e->size > FORMAT_PLAIN_MAX)
                check(git_store_foreach_chunk(arg_store, &e->oid, want_chunk, c), e->path);
        else
                (void) want_chunk(&e->oid, 0, (uint32_t) e->size, c);
        c->wanted.files[c->wanted.n_files - 1].complete = !c->full;
        close(c->fd);
        return 0;
}

static int check_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        if (!has(userdata, chunk, offset, length))
                die(EBADMSG, "a chunk");
        return 0;
}

static int check_entry(const SyncEntry *e, void *userdata) {
        Content *c = userdata;
        struct stat st;

        if (e->kind != SYNC_FILE && e->kind != SYNC_SYMLINK)
                return 0;
        check(content_open(&c->area, &e->oid, &c->fd), e->path);
        check(fstat(c->fd, &st), e->path);
        if ((uint64_t) st.st_size != e->size)
                die(EBADMSG, e->path);
        if (e->kind == SYNC_FILE && e->size > FORMAT_PLAIN_MAX)
                check(git_store_foreach_chunk(arg_store, &e->oid, check_chunk, c), e->path);
        else
                (void) check_chunk(&e->oid, 0, (uint32_t) e->size, c);
        close(c->fd);
        c->files++;
        return 0;
}

static void do_content(const char *state, const char *staging, bool want) {
        int staging_fd = check(open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC), staging);
        int state_fd = check(open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), state);
        Content c = { .buf = malloc(FORMAT_PLAIN_MAX) };
        git_oid tip;

        check(content_area_open(&c.area, staging_fd, 0), staging);
        get(GIT_STORE_REMOTE, &tip);
        check(git_store_foreach_entry(arg_store, &tip, "", want ? want_entry : check_entry, &c), "tree");
        if (want)
                check(wanted_save(state_fd, &c.wanted), "wanted");
        printf("%llu\n", (unsigned long long) (want ? c.missing : c.files));
        wanted_done(&c.wanted);
        content_area_close(&c.area);
        free(c.buf);
        close(staging_fd);
        close(state_fd);
}

static int add_size(const SyncEntry *e, void *userdata) {
        if (e->kind == SYNC_FILE)
                *(uint64_t *) userdata += e->size;
        return 0;
}

static void do_size(const char *reference) {
        uint64_t size = 0;
        git_oid commit;

        get(reference, &commit);
        check(git_store_foreach_entry(arg_store, &commit, "", add_size, &size), reference);
        printf("%llu\n", (unsigned long long) size);
}

static void do_file(const char *path) {
        git_oid tip, id;
        SyncEntry e;

        get(GIT_STORE_REMOTE, &tip);
        check(git_store_find_entry(arg_store, &tip, path, &e), path);
        git_store_oid_from_sync(&id, &e.oid);
        char hex[GIT_OID_HEXSZ + 1];
        printf("%s %llu\n", git_oid_tostr(hex, sizeof(hex), &id), (unsigned long long) e.size);
}

/* The tree with the directory at the path replaced by one that has its first entry twice. */
static git_oid poison_tree(const git_oid *tree, const char *path) {
        _cleanup_free_ void *data = NULL;
        _cleanup_free_ uint8_t *out = NULL;
        size_t size, n = 0, name = strcspn(path, "/");
        GitTreeReader reader;
        GitTreeEntry e;
        git_oid id;

        check(git_store_read(arg_store, tree, NULL, &data, &size), "tree");
        out = malloc(2 * size);
        git_tree_reader_init(&reader, data, size);
        while (check(git_tree_next(&reader, &e), "tree") > 0) {
                if (*path && e.name_size == name && memcmp(e.name, path, name) == 0)
                        e.id = poison_tree(&e.id, path + name + (path[name] == '/'));
                for (unsigned i = *path == 0 && n == 0 ? 2 : 1; i > 0; i--) {
                        n += (size_t) sprintf((char *) out + n, "%o %s", e.mode, e.name) + 1;
                        memcpy(out + n, e.id.id, GIT_OID_RAWSZ);
                        n += GIT_OID_RAWSZ;
                }
        }
        check(git_store_write(arg_store, GIT_OBJECT_TREE, out, n, &id), "tree");
        return id;
}

static void do_poison(const char *path) {
        GitStoreCommit c = { .author = "gateway", .time = time(NULL), .message = "poison" };
        git_oid candidate, id;

        get(GIT_STORE_CANDIDATE, &candidate);
        check(git_store_commit_tree(arg_store, &candidate, &id), "candidate");
        check(git_store_commit_parent(arg_store, &candidate, &c.parent), "candidate");
        c.tree = poison_tree(&id, path);
        check(git_store_write_commit(arg_store, &c, &id), "commit");
        check(git_store_set_reference(arg_store, GIT_STORE_CANDIDATE, &id), "candidate");
        check(git_store_sync(arg_store), "sync");
        print_id(&id);
}

int main(int argc, char *argv[]) {
        _cleanup_free_ char *objects = NULL;
        git_oid id;

        if (argc < 4)
                return 2;
        objects = strfmt("%s/objects", argv[2]);
        check(git_store_open(&arg_store, objects), objects);
        if (streq(argv[1], "commit"))
                do_commit(argv[3]);
        else if (streq(argv[1], "want"))
                do_content(argv[2], argv[3], true);
        else if (streq(argv[1], "check"))
                do_content(argv[2], argv[3], false);
        else if (streq(argv[1], "size"))
                do_size(argv[3]);
        else if (streq(argv[1], "file"))
                do_file(argv[3]);
        else if (streq(argv[1], "poison"))
                do_poison(argv[3]);
        else if (streq(argv[1], "get")) {
                get(argv[3], &id);
                print_id(&id);
        } else if (streq(argv[1], "set") && argc == 5) {
                if (git_oid_fromstrn(&id, argv[4], GIT_OID_HEXSZ) < 0)
                        die(EINVAL, argv[4]);
                check(git_store_set_reference(arg_store, argv[3], &id), argv[3]);
                check(git_store_sync(arg_store), "sync");
        } else
                return 2;
        git_store_free(arg_store);
        return 0;
}
