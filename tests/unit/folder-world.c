/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <git2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/folder-internal.h"
#include "syncd/git-object.h"
#include "tests/unit/folder-world.h"

#define WORLD_UUID "0b5a2a4e-6f0c-4a57-9a52-7c1b3ad1f6a5"
#define SETTLE_ROUNDS_MAX 200U
#define SETTLE_QUIET_ROUNDS 3U

typedef char OidHex[2 * SYNC_OID_SIZE + 1];

unsigned world_random(World *w, unsigned n) {
        w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned) (w->seed >> 33) % n;
}

/* --- the world --- */

static void engine(World *w, bool inside) {
        if (w->engine)
                w->engine(inside);
}

/* What the engine returned. */
static bool is_good(World *w, WorldGateway *g, int r) {
        g->error = MIN(r, 0);
        if (r < 0 && !w->tolerant)
                fail_msg("%s: %s", g->name, strerror(-r));
        return r >= 0;
}

static void open_folder(World *w, WorldGateway *g) {
        SyncConflictList conflicts = {};
        int r;

        engine(w, true);
        r = folder_open(&g->folder, g->state, g->path, WORLD_UUID, g->name, &conflicts);
        engine(w, false);
        if (is_good(w, g, r) && w->window > 0)
                g->folder->window = w->window;
        sync_conflict_list_clear(&conflicts);
        g->push = (git_oid) {};
        g->missing = false;
}

static void make_gateway(World *w, unsigned number, const char *directory) {
        WorldGateway *g = w->gateways + number;

        g->number = number;
        g->name = strfmt("gw%u", number + 1);
        g->volume = strfmt("%s/%s", directory, g->name);
        g->path = strfmt("%s/folder", g->volume);
        g->state = strfmt("%s/%s.state", directory, g->name);
        assert_int_equal(mkdir(g->volume, 0755), 0);
        assert_int_equal(mkdir(g->path, 0755), 0);
        assert_int_equal(mkdir(g->state, 0700), 0);
        world_open(w, g);
}

World *world_new(unsigned n_gateways, uint64_t seed) {
        return world_new_at(n_gateways, seed, NULL);
}

World *world_new_at(unsigned n_gateways, uint64_t seed, const char *directory) {
        _cleanup_free_ char *server = NULL, *blobs = NULL;
        World *w = calloc(1, sizeof(*w));

        w->seed = seed;
        w->contents = mmap(NULL, WORLD_CONTENTS_MAX * sizeof(*w->contents), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(w->contents != MAP_FAILED);
        w->directory = strfmt("%s/test-world.XXXXXX", getenv("TMPDIR") ?: "/var/tmp");
        assert_non_null(mkdtemp(w->directory));
        server = strfmt("%s/server", w->directory);
        blobs = strfmt("%s/blobs", w->directory);
        assert_int_equal(git_store_open(&w->server, server), 0);
        assert_int_equal(mkdir(blobs, 0700), 0);
        w->blobs_fd = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->n_gateways = n_gateways;
        for (unsigned i = 0; i < n_gateways; i++)
                make_gateway(w, i, directory && i == 0 ? directory : w->directory);
        return w;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

World *world_free(World *w) {
        for (unsigned i = 0; i < w->n_gateways; i++) {
                WorldGateway *g = w->gateways + i;

                folder_free(g->folder);
                safe_close(g->root_fd);
                free(g->name);
                free(g->volume);
                free(g->path);
                free(g->state);
        }
        git_store_free(w->server);
        safe_close(w->blobs_fd);
        (void) nftw(w->directory, remove_one, 32, FTW_DEPTH | FTW_PHYS);
        (void) munmap(w->contents, WORLD_CONTENTS_MAX * sizeof(*w->contents));
        free(w->directory);
        free(w);
        return NULL;
}

void world_restart(World *w, WorldGateway *g) {
        g->folder = folder_free(g->folder);
        open_folder(w, g);
}

void world_close(World *w, WorldGateway *g) {
        g->folder = folder_free(g->folder);
        g->root_fd = safe_close(g->root_fd);
}

void world_open(World *w, WorldGateway *g) {
        g->root_fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(g->root_fd >= 0);
        open_folder(w, g);
}

/* --- the transport: objects from one store to another --- */

static void copy_tree(GitStore *from, GitStore *to, const git_oid *id, bool meta);

static void copy_one(GitStore *from, GitStore *to, const git_oid *id) {
        _cleanup_free_ void *data = NULL;
        git_object_t type;
        size_t size;

        assert_int_equal(git_store_read(from, id, &type, &data, &size), 0);
        assert_int_equal(git_store_write_named(to, type, data, size, id), 0);
}

/* All trees; of the blobs only metadata. */
static void copy_tree(GitStore *from, GitStore *to, const git_oid *id, bool meta) {
        _cleanup_free_ void *data = NULL;
        const char *p, *end;
        size_t size;

        if (git_store_has(to, id))
                return;
        assert_int_equal(git_store_read(from, id, NULL, &data, &size), 0);
        for (p = data, end = p + size; p < end;) {
                const char *name = strchr(p, ' ') + 1;
                bool is_tree = startswith(p, "40000 "), is_meta = meta || streq(name, "%%meta");
                git_oid child;

                memcpy(child.id, name + strlen(name) + 1, GIT_OID_RAWSZ);
                if (is_tree)
                        copy_tree(from, to, &child, is_meta);
                else if (is_meta && !git_store_has(to, &child))
                        copy_one(from, to, &child);
                p = name + strlen(name) + 1 + GIT_OID_RAWSZ;
        }
        copy_one(from, to, id);
}

static void copy_commits(GitStore *from, GitStore *to, const git_oid *tip, bool trees, bool all_trees) {
        git_oid tree, parent;

        if (git_oid_is_zero(tip) || git_store_has(to, tip))
                return;
        assert_int_equal(git_store_commit_parent(from, tip, &parent), 0);
        copy_commits(from, to, &parent, all_trees, all_trees);
        assert_int_equal(git_store_commit_tree(from, tip, &tree), 0);
        if (trees)
                copy_tree(from, to, &tree, false);
        copy_one(from, to, tip);
}

/* The trees alone, as a server sends them that is asked for no blobs. */
static void copy_bare_tree(GitStore *from, GitStore *to, const git_oid *id) {
        _cleanup_free_ void *data = NULL;
        GitTreeReader reader;
        GitTreeEntry e;
        size_t size;

        assert_int_equal(git_store_read(from, id, NULL, &data, &size), 0);
        git_tree_reader_init(&reader, data, size);
        while (git_tree_next(&reader, &e) > 0)
                if (git_tree_entry_is_directory(&e))
                        copy_bare_tree(from, to, &e.id);
        copy_one(from, to, id);
}

git_oid world_main(GitStore *store) {
        git_oid tip = {};
        int r = git_store_get_reference(store, GIT_STORE_REMOTE, &tip);

        assert_true(r == 0 || r == -ENOENT);
        return tip;
}

static void set_main(GitStore *store, const git_oid *tip) {
        assert_int_equal(git_store_set_reference(store, GIT_STORE_REMOTE, tip), 0);
        assert_int_equal(git_store_sync(store), 0);
}

void world_fetch(World *w, WorldGateway *g) {
        GitStore *store = folder_store(g->folder);
        git_oid tip = world_main(w->server), known = world_main(store);

        copy_commits(w->server, store, &tip, true, !w->shallow);
        assert_int_equal(git_store_check_succession(store, &known, &tip), 0);
        set_main(store, &tip);
}

bool world_run_unfinished(World *w, WorldGateway *g) {
        FolderRequest request = {
                .gateway_name = g->name,
                .full = !g->paths,
                .paths = g->paths,
                .changed = g->changed,
                .refused = g->refused,
                .n_refused = g->n_refused,
        };
        size_t n_moved = g->folder->n_moved;
        FolderResult result;
        int r;

        g->paths = NULL;
        engine(w, true);
        r = folder_run(g->folder, &request, &result);
        engine(w, false);
        w->n_moved += g->folder->n_moved - n_moved;
        if (!is_good(w, g, r))
                return false;
        g->words |= UINT64_C(1) << result.outcome.word;
        if (result.outcome.word != SYNC_WORD_NONE && !w->tolerant && g->n_refused == 0 &&
            !(w->odd && result.outcome.word == SYNC_WORD_BAD_ENTRY) &&
            !(g->may_lose_state && result.outcome.word == SYNC_WORD_STATE_LOST))
                fail_msg("%s: %s %s", g->name, sync_word_to_string(result.outcome.word), result.text);
        world_check_told(g, &result);
        g->push = result.outcome.candidate ? result.push : (git_oid) {};
        g->missing = result.outcome.missing;
        g->changed = false;
        g->again = result.outcome.again || result.outcome.replan;
        g->rest = result.outcome.rest;
        g->conflict |= result.outcome.conflict;
        w->n_conflicts += result.conflicts.n;
        folder_result_clear(&result);
        return true;
}

void world_run(World *w, WorldGateway *g) {
        int r;

        if (!world_run_unfinished(w, g))
                return;
        engine(w, true);
        r = folder_finish_run(g->folder);
        engine(w, false);
        if (!is_good(w, g, r))
                return;
        world_see(w, g);
        /* Now and then nothing is asked for a while. */
        if ((w->n_contents + g->number) % 3 == 0)
                assert_int_equal(folder_rest(g->folder), 0);
}

/* --- the transport: content --- */

static int open_staging(const WorldGateway *g) {
        _cleanup_free_ char *path = strfmt("%s/.ispstorage/folder", g->volume);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void send_blob(World *w, const SyncOid *oid, const void *data, size_t size) {
        OidHex name;
        SyncOid found;
        int fd;

        assert_int_equal(git_hash_bytes(GIT_OBJECT_BLOB, data, size, &found), 0);
        assert_true(sync_oid_equal(&found, oid));
        format_hex(oid->bytes, SYNC_OID_SIZE, name);
        fd = openat(w->blobs_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) {
                assert_int_equal(errno, EEXIST);
                return;
        }
        assert_int_equal(loop_write(fd, data, size), 0);
        close(fd);
        w->bytes_pushed += size;
}

typedef struct Sending {
        World *world;
        int fd;
        bool changed;
} Sending;

static int send_chunk(const SyncOid *oid, uint64_t offset, uint32_t length, void *userdata) {
        _cleanup_free_ void *data = malloc(length);
        Sending *s = userdata;
        SyncOid found;
        OidHex name;

        if (faccessat(s->world->blobs_fd, format_hex(oid->bytes, SYNC_OID_SIZE, name), F_OK, 0) == 0)
                return 0;
        if (pread(s->fd, data, length, (off_t) offset) != (ssize_t) length ||
            git_hash_bytes(GIT_OBJECT_BLOB, data, length, &found) < 0 || !sync_oid_equal(&found, oid)) {
                s->changed = true;
                return 1;
        }
        send_blob(s->world, oid, data, length);
        return 0;
}

static bool send_entry(World *w, WorldGateway *g, ContentArea *area, const SyncEntry *e) {
        Sending s = { .world = w };
        OidHex name;

        if (e->size <= FORMAT_PLAIN_MAX &&
            faccessat(w->blobs_fd, format_hex(e->oid.bytes, SYNC_OID_SIZE, name), F_OK, 0) == 0)
                return true;
        if (content_pending_open(area, &e->oid, &s.fd) < 0)
                s.fd = openat(g->root_fd, e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (s.fd < 0)
                return false;
        if (e->kind == SYNC_FILE && e->size > FORMAT_PLAIN_MAX)
                (void) git_store_foreach_chunk(folder_store(g->folder), &e->oid, send_chunk, &s);
        else
                (void) send_chunk(&e->oid, 0, (uint32_t) e->size, &s);
        close(s.fd);
        return !s.changed;
}

/* What a commit holds that its parent does not, and those before it up to main. */
static bool send_commits(World *w, WorldGateway *g, ContentArea *area, const git_oid *commit, const git_oid *main) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        GitStore *store = folder_store(g->folder);
        git_oid parent;

        if (git_oid_equal(commit, main))
                return true;
        assert_int_equal(git_store_commit_parent(store, commit, &parent), 0);
        if (!send_commits(w, g, area, &parent, main))
                return false;
        assert_int_equal(git_store_diff(store, &parent, commit, &from, &to), 0);
        SYNC_TREE_FOREACH(e, to)
                if ((e->kind == SYNC_FILE || e->kind == SYNC_SYMLINK) && !send_entry(w, g, area, e))
                        return false;
        return true;
}

bool world_push_unheard(World *w, WorldGateway *g) {
        GitStore *store = folder_store(g->folder);
        git_oid main = world_main(w->server);
        int staging_fd = open_staging(g);
        ContentArea area;
        bool sent;

        assert_int_equal(content_area_open(&area, staging_fd, 0), 0);
        sent = git_store_has(store, &main) || git_oid_is_zero(&main);
        sent = sent && git_store_check_descent(store, &main, &g->push) >= 0;
        if (sent && !send_commits(w, g, &area, &g->push, &main)) {
                g->changed = true;
                sent = false;
        }
        content_area_close(&area);
        close(staging_fd);
        if (!sent)
                return false;
        copy_commits(store, w->server, &g->push, true, true);
        set_main(w->server, &g->push);
        return true;
}

bool world_push(World *w, WorldGateway *g) {
        SyncRevision revision;
        uint64_t bytes;
        int r;

        if (!world_push_unheard(w, g))
                return false;
        set_main(folder_store(g->folder), &g->push);
        engine(w, true);
        r = folder_landed(g->folder, &g->push, &revision, &g->push, &bytes);
        engine(w, false);
        return is_good(w, g, r);
}

void world_list_content(World *w, WorldGateway *g, const char *list, size_t items_max) {
        int state_fd = open(g->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), staging_fd = open_staging(g);
        Wanted wanted = {};
        ContentArea area;

        assert_int_equal(content_area_open(&area, staging_fd, 0), 0);
        assert_int_equal(wanted_load(state_fd, list, &wanted), 0);
        for (size_t i = 0; i < wanted.n_items && i < items_max; i++) {
                WantedFile *file = wanted.files + wanted.items[i].file;
                _cleanup_free_ char *data = NULL;
                OidHex name;
                size_t size;
                bool new;
                int fd;

                format_hex(wanted.items[i].blob.bytes, SYNC_OID_SIZE, name);
                assert_int_equal(read_file(w->blobs_fd, name, 1 << 24, &data, &size), 0);
                assert_int_equal(content_part_open(&area, &file->file, file->size, &new, &fd), 0);
                assert_int_equal(pwrite(fd, data, size, (off_t) wanted.items[i].offset), size);
                close(fd);
                w->bytes_fetched += size;
                if (--file->n_items == 0 && file->complete)
                        assert_int_equal(content_part_complete(&area, &file->file), 0);
        }
        wanted_done(&wanted);
        content_area_close(&area);
        close(staging_fd);
        close(state_fd);
}

void world_content(World *w, WorldGateway *g, size_t items_max) {
        world_list_content(w, g, WANTED_MAIN, items_max);
}

void world_objects(World *w, WorldGateway *g, const ObjectWants *wants) {
        GitStore *store = folder_store(g->folder);

        for (size_t i = 0; i < wants->n; i++) {
                git_object_t type;

                assert_false(git_store_has(store, wants->ids + i));
                assert_int_equal(git_store_read(w->server, wants->ids + i, &type, NULL, NULL), 0);
                if (type == GIT_OBJECT_TREE)
                        copy_bare_tree(w->server, store, wants->ids + i);
                else
                        copy_one(w->server, store, wants->ids + i);
        }
        assert_int_equal(git_store_sync(store), 0);
}

/* Returns true if something was done. */
static bool cycle(World *w, WorldGateway *g) {
        git_oid before = world_main(folder_store(g->folder));
        bool done = false;

        world_fetch(w, g);
        world_run(w, g);
        for (unsigned i = 0; g->missing; i++) {
                assert_true(i < SETTLE_ROUNDS_MAX);
                world_content(w, g, SIZE_MAX);
                world_run(w, g);
                done = true;
        }
        while (!git_oid_is_zero(&g->push)) {
                done = true;
                if (!world_push(w, g))
                        break;
        }
        git_oid after = world_main(folder_store(g->folder));
        return done || g->rest || !git_oid_equal(&before, &after);
}

void world_settle(World *w) {
        bool busy = true;
        unsigned quiet = 0;

        for (unsigned i = 0; i < w->n_gateways; i++)
                w->gateways[i].conflict = false;
        for (unsigned round = 0; busy || quiet < SETTLE_QUIET_ROUNDS; round++) {
                bool again = false;

                assert_true(round < SETTLE_ROUNDS_MAX);
                busy = false;
                for (unsigned i = 0; i < w->n_gateways; i++) {
                        busy |= cycle(w, w->gateways + i);
                        again |= w->gateways[i].again;
                }
                /* Some want to look again only because of what is displaced and still has its grace. */
                quiet = busy ? 0 : quiet + 1;
                if (!busy && !again)
                        break;
        }
}
