/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users of the world wrote, and what became of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <git2.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

static SyncOid name_content(const void *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("content", MFD_CLOEXEC);
        ContentHash hash = {};
        SyncOid oid;

        assert_int_equal(loop_write(fd, data, size), 0);
        assert_int_equal(content_hash_file(fd, false, &oid, &hash), 0);
        return oid;
}

void world_write(World *w, WorldGateway *g, const char *path, size_t size) {
        unsigned tag = w->n_contents++;
        uint64_t seed = tag + 1;
        char *text, head[32];
        size_t n;
        int fd;

        assert_true(tag < WORLD_CONTENTS_MAX);
        n = (size_t) sprintf(head, "tag %u\n", tag);
        text = malloc(MAX(n, size));
        memcpy(text, head, n);
        for (; n < size; n++) {
                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                text[n] = (char) (seed >> 56);
        }
        w->contents[tag] = (WorldContent) { .oid = name_content(text, n) };
        fd = openat(g->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (fd >= 0) {
                assert_int_equal(loop_write(fd, text, n), 0);
                close(fd);
        }
        free(text);
}

static int tag_of(int dir_fd, const char *path) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        char buf[32] = "";
        ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : -1;
        int tag;

        return n > 0 && sscanf(buf, "tag %d\n", &tag) == 1 ? tag : -1;
}

void world_see(World *w, WorldGateway *g) {
        SYNC_TREE_FOREACH(e, g->folder->index) {
                int tag = e->kind == SYNC_FILE && e->certainty < SYNC_BUSY ? tag_of(g->root_fd, e->path) : -1;

                if (tag >= 0 && sync_oid_equal(&w->contents[tag].oid, &e->oid))
                        w->contents[tag].seen = true;
        }
}

char *world_text(const WorldGateway *g) {
        SyncTree *tree = g->folder->index;
        char *text = strdup("");

        SYNC_TREE_FOREACH(e, tree) {
                char *longer, target[256] = "";
                ssize_t n = e->kind == SYNC_SYMLINK ? readlinkat(g->root_fd, e->path, target, sizeof(target) - 1) : 0;

                assert_true(n >= 0);
                longer = strfmt("%s%s %u %d %d %s\n", text, e->path, e->kind, e->executable,
                                e->kind == SYNC_FILE ? tag_of(g->root_fd, e->path) : 0, target);
                free(text);
                text = longer;
        }
        return text;
}

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static int name_file(int fd, bool store, SyncOid *ret, void *userdata) {
        return content_hash_file(fd, false, ret, userdata);
}

static int name_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        return content_hash_bytes(data, size, false, ret, userdata);
}

typedef struct OidList {
        SyncOid *items;
        size_t n;
} OidList;

static bool has_oid(const OidList *l, const SyncOid *oid) {
        return l->n > 0 && bsearch(oid, l->items, l->n, sizeof(*oid), compare_oids);
}

/* The content of all files that main ever had. */
static OidList content_on_main(World *w) {
        git_oid commit = world_main(w->server), parent;
        OidList l = {};

        for (; !git_oid_is_zero(&commit); commit = parent) {
                _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;

                assert_int_equal(git_store_commit_parent(w->server, &commit, &parent), 0);
                assert_int_equal(git_store_diff(w->server, &parent, &commit, &from, &to), 0);
                l.items = reallocarray(l.items, l.n + sync_tree_size(to) + 1, sizeof(*l.items));
                SYNC_TREE_FOREACH(e, to)
                        if (e->kind == SYNC_FILE)
                                l.items[l.n++] = e->oid;
        }
        if (l.n > 0)
                qsort(l.items, l.n, sizeof(*l.items), compare_oids);
        return l;
}

unsigned world_count_lost(World *w) {
        OidList known = content_on_main(w);
        unsigned n = 0;

        for (unsigned tag = 0; tag < w->n_contents; tag++)
                if (w->contents[tag].seen && !w->contents[tag].expired && !has_oid(&known, &w->contents[tag].oid)) {
                        print_message("content %u is lost\n", tag);
                        n++;
                }
        free(known.items);
        return n;
}

/* --- retention --- */

/* The same commit, with another parent and another tree. */
static git_oid rewrite_commit(World *w, const git_oid *commit, const git_oid *parent, const git_oid *tree) {
        _cleanup_free_ char *message = NULL;
        char hex[GIT_OID_HEXSZ + 1];
        git_oid original, ret;
        git_commit *c;

        assert_int_equal(git_commit_lookup(&c, git_store_repository(w->server), commit), 0);
        assert_int_equal(git_store_commit_original(w->server, commit, &original), 0);
        message = strfmt("%s\n\nOriginal: %s", git_commit_summary(c), git_oid_tostr(hex, sizeof(hex), &original));
        assert_int_equal(git_store_write_commit(w->server,
                                                &(GitStoreCommit) {
                                                                .tree = *tree,
                                                                .parent = *parent,
                                                                .author = git_commit_author(c)->name,
                                                                .time = git_commit_time(c),
                                                                .message = message,
                                                },
                                                &ret),
                         0);
        git_commit_free(c);
        return ret;
}

static void expire(World *w, const OidList *before) {
        OidList after = content_on_main(w);

        for (unsigned tag = 0; tag < w->n_contents; tag++)
                if (has_oid(before, &w->contents[tag].oid))
                        w->contents[tag].expired = !has_oid(&after, &w->contents[tag].oid);
        free(after.items);
}

void world_thin(World *w, unsigned n_recent, unsigned n) {
        git_oid commits[WORLD_COMMITS_MAX], id = world_main(w->server), parent = {}, tree;
        _cleanup_sync_tree_free_ SyncTree *nothing = NULL;
        OidList before = content_on_main(w);
        unsigned n_commits = 0;

        for (; !git_oid_is_zero(&id); n_commits++) {
                assert_true(n_commits < WORLD_COMMITS_MAX);
                commits[n_commits] = id;
                assert_int_equal(git_store_commit_parent(w->server, &id, &id), 0);
        }
        assert_int_equal(sync_tree_new(&nothing), 0);
        assert_int_equal(git_store_write_changes(w->server, &(git_oid) {}, nothing, NULL, NULL, &tree), 0);
        for (unsigned i = n_commits; i-- > 0;) {
                if (i < MAX(n_recent, 1U) || world_random(w, n) == 0)
                        assert_int_equal(git_store_commit_tree(w->server, commits + i, &tree), 0);
                parent = rewrite_commit(w, commits + i, &parent, &tree);
        }
        if (n_commits > 0)
                assert_int_equal(git_store_set_reference(w->server, GIT_STORE_REMOTE, &parent), 0);
        assert_int_equal(git_store_sync(w->server), 0);
        expire(w, &before);
        free(before.items);
}

void world_check_ledger(World *w) {
        assert_int_equal(world_count_lost(w), 0);
}

void world_check_origin(World *w) {
        OidList known = content_on_main(w), written = { .n = w->n_contents };

        written.items = calloc(w->n_contents + 1, sizeof(*written.items));
        for (unsigned tag = 0; tag < w->n_contents; tag++)
                written.items[tag] = w->contents[tag].oid;
        if (written.n > 0)
                qsort(written.items, written.n, sizeof(*written.items), compare_oids);
        for (size_t i = 0; i < known.n; i++)
                if (!has_oid(&written, known.items + i))
                        fail_msg("nobody wrote what is on main");
        free(known.items);
        free(written.items);
}

void world_check_equal(World *w) {
        _cleanup_free_ char *first = world_text(w->gateways);

        for (unsigned i = 1; i < w->n_gateways; i++) {
                _cleanup_free_ char *other = world_text(w->gateways + i);

                assert_string_equal(other, first);
        }
}

static bool is_written(const World *w, const SyncOid *oid) {
        for (unsigned tag = 0; tag < w->n_contents; tag++)
                if (sync_oid_equal(&w->contents[tag].oid, oid))
                        return true;
        return false;
}

SyncTree *world_take_unknown(World *w, WorldGateway *g) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        ContentHash hash = {};
        SyncScan scan = {
                .root_fd = g->root_fd,
                .staging_fd = -1,
                .accept_empty = true,
                .hasher = { .file = name_file, .bytes = name_bytes, .userdata = &hash },
        };
        SyncScanReport report = {};
        SyncTree *ret;

        assert_int_equal(sync_tree_new(&ret), 0);
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), 0);
        sync_scan_report_clear(&report);
        SYNC_TREE_FOREACH(e, t)
                if (e->kind == SYNC_FILE && !is_written(w, &e->oid)) {
                        assert_true(w->n_contents < WORLD_CONTENTS_MAX);
                        w->contents[w->n_contents++] = (WorldContent) { .oid = e->oid };
                        assert_int_equal(sync_tree_add(ret, e), 0);
                }
        return ret;
}

static void check_conflicts(WorldGateway *g, const SyncConflictList *conflicts) {
        for (size_t i = 0; i < conflicts->n; i++) {
                const SyncConflict *c = conflicts->items + i;
                const SyncEntry *winner = sync_tree_find(g->folder->index, c->path),
                                *copy = sync_tree_find(g->folder->index, c->renamed_to);

                if (winner && copy && copy->kind != SYNC_DIRECTORY && sync_entry_equal(winner, copy))
                        fail_msg("%s: %s is the same as %s", g->name, c->renamed_to, c->path);
        }
}

void world_check_bounds(World *w, unsigned n_actions) {
        assert_true(w->n_conflicts <= n_actions);
        for (unsigned i = 0; i < w->n_gateways; i++) {
                _cleanup_free_ char *path = strfmt("%s/.ispstorage/folder/pending", w->gateways[i].volume);
                DIR *d = opendir(path);
                struct dirent *e;

                assert_non_null(d);
                while ((e = readdir(d)))
                        if (*e->d_name != '.')
                                fail_msg("%s keeps the snapshot %s", w->gateways[i].name, e->d_name);
                closedir(d);
        }
}

/* What is known of the chain is what there is to be read. */
static void check_chain(WorldGateway *g, const FolderResult *result) {
        Folder *f = g->folder;
        FolderKnownChain known = f->chain;
        uint64_t bytes;
        git_oid push;

        f->chain = (FolderKnownChain) {};
        assert_int_equal(folder_next_push(f, &push, &bytes), 0);
        if (result->outcome.candidate) {
                assert_true(git_oid_equal(&push, &result->push));
                assert_int_equal(bytes, result->outcome.bytes_to_push);
                assert_int_equal(f->chain.n, known.n);
        }
        for (size_t i = 0; i < MIN(known.n, f->chain.n); i++) {
                assert_true(git_oid_equal(known.commits + i, f->chain.commits + i));
                assert_true(known.bytes[i] == UINT64_MAX || f->chain.bytes[i] == UINT64_MAX ||
                            known.bytes[i] == f->chain.bytes[i]);
        }
        folder_known_chain_done(&f->chain);
        f->chain = known;
}

void world_check_told(WorldGateway *g, const FolderResult *result) {
        _cleanup_sync_tree_free_ SyncTree *base = NULL;
        const SyncEntry *entries[SYNC_WALK_MAX];
        const char *path;
        git_oid commit;
        SyncWalk walk;

        check_conflicts(g, &result->conflicts);
        check_chain(g, result);
        if (result->outcome.halted || result->outcome.missing || result->pending + result->unplaced > 0)
                return;
        assert_int_equal(git_oid_fromstr(&commit, result->outcome.base.commit), 0);
        assert_int_equal(git_store_read_tree(folder_store(g->folder), &commit, &base), 0);
        walk = (SyncWalk) { .trees = { base, g->folder->index } };
        while ((path = sync_walk_next(&walk, entries))) {
                const SyncEntry *local = sync_tree_find_local(g->folder->index, path);

                if (!sync_entry_equal(entries[0], entries[1]) && !(local && local->certainty >= SYNC_BUSY))
                        fail_msg("%s: nothing is pending, but %s is another one", g->name, path);
        }
}

void world_obey_permissions(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        assert_int_equal(syscall(SYS_capget, &header, data), 0);
        data[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
        assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

void world_let_settle(const WorldGateway *g, const char *path) {
        struct timespec now;
        struct stat st;

        assert_int_equal(fstatat(g->root_fd, path, &st, 0), 0);
        do
                assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        while ((now.tv_sec - st.st_ctim.tv_sec) * 1000000000 + now.tv_nsec - st.st_ctim.tv_nsec <= SYNC_RACY_NS);
}
