/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content that a plan wants: from the content area, from elsewhere in the folder, or to be fetched. */
#include <fcntl.h>
#include <git2.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/folder-internal.h"
#include "syncd/sync-open.h"

#define COPY_SIZE ((size_t) 256 << 10)

/* --- where it is --- */

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static bool wants_content(const SyncOperation *o) {
        return (o->kind == SYNC_CREATE || o->kind == SYNC_REPLACE) &&
               (o->wanted->kind == SYNC_FILE || o->wanted->kind == SYNC_SYMLINK);
}

/* An oid begins the struct. */
static FolderSource *find_source(Folder *f, const SyncOid *oid) {
        return f->n_sources > 0 ? bsearch(oid, f->sources, f->n_sources, sizeof(*f->sources), compare_oids) : NULL;
}

/* Lists what the plan wants, and finds it in the folder. */
static int find_sources(Folder *f, const SyncPlan *plan) {
        size_t n = 0;

        folder_forget_sources(f);
        f->sources = calloc(plan->n_operations + 1, sizeof(*f->sources));
        if (!f->sources)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_operations; i++)
                if (wants_content(plan->operations + i))
                        f->sources[n++] = (FolderSource) { .oid = plan->operations[i].wanted->oid };
        if (n == 0)
                return 0;
        qsort(f->sources, n, sizeof(*f->sources), compare_oids);
        for (size_t i = 0; i < n; i++)
                if (i == 0 || !sync_oid_equal(&f->sources[i].oid, &f->sources[f->n_sources - 1].oid))
                        f->sources[f->n_sources++] = f->sources[i];
        if (f->distrust)
                return 0;
        SYNC_TREE_FOREACH(e, f->index) {
                FolderSource *s;

                if ((e->kind != SYNC_FILE && e->kind != SYNC_SYMLINK) || e->certainty >= SYNC_BUSY)
                        continue;
                s = find_source(f, &e->oid);
                if (s)
                        s->local = e;
        }
        return 0;
}

/* What the local entries of the plan hold and main has, too: main's entry at the path, and base's, which was
 * main's. */
static int find_on_main(Folder *f, const SyncPlan *plan) {
        size_t n = 0;

        f->on_main = calloc(2 * plan->n_operations + 1, sizeof(*f->on_main));
        if (!f->on_main)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncOperation *o = plan->operations + i;
                const SyncEntry *base = folder_base_of(sync_tree_find(f->differing, o->path), o->local),
                                *main = sync_tree_find(f->main_to, o->path);

                if (base)
                        f->on_main[n++] = base->oid;
                if (main)
                        f->on_main[n++] = main->oid;
        }
        if (n > 0)
                qsort(f->on_main, n, sizeof(*f->on_main), compare_oids);
        f->n_on_main = n;
        return 0;
}

void folder_forget_sources(Folder *f) {
        f->sources = mfree(f->sources);
        f->on_main = mfree(f->on_main);
        f->n_sources = f->n_on_main = 0;
}

static bool is_at_hand(Folder *f, const SyncEntry *wanted) {
        const FolderSource *s = find_source(f, &wanted->oid);

        return (s && s->local) || content_has(&f->content, &wanted->oid) > 0 ||
               (!f->distrust && content_pending_has(&f->content, &wanted->oid) > 0);
}

/* --- bringing it --- */

static int copy_bytes(int from, int to) {
        _cleanup_free_ uint8_t *buffer = malloc(COPY_SIZE);

        if (!buffer)
                return -ENOMEM;
        for (off_t at = 0;;) {
                ssize_t n = pread(from, buffer, COPY_SIZE, at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                r = loop_write(to, buffer, (size_t) n);
                if (r < 0)
                        return r;
                at += n;
        }
}

static int copy_file(int from, int to) {
        return ioctl(to, FICLONE, from) >= 0 ? 0 : copy_bytes(from, to);
}

static int copy_local(Folder *f, const SyncEntry *local, int to) {
        char target[SYNC_TARGET_MAX + 1];
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        ssize_t n;

        if (local->kind == SYNC_FILE) {
                fd = sync_open_beneath(f->root_fd, local->path, O_RDONLY);
                return fd < 0 ? fd : copy_file(fd, to);
        }
        fd = sync_open_parent(f->root_fd, local->path, &name);
        if (fd < 0)
                return fd;
        n = readlinkat(fd, name, target, sizeof(target));
        return n < 0 ? -errno : loop_write(to, target, (size_t) n);
}

int folder_write_content(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        _cleanup_close_ int from = -EBADF;
        Folder *f = userdata;
        const FolderSource *s;
        int r;

        r = content_open(&f->content, oid, &from);
        if (r == -ENOENT && !f->distrust)
                r = content_pending_open(&f->content, oid, &from);
        if (r >= 0)
                return copy_file(from, fd);
        s = find_source(f, oid);
        if (!s || !s->local)
                return -ENOENT;
        r = copy_local(f, s->local, fd);
        /* Whatever took it away: it is looked for elsewhere the next time. */
        return r == -ENOMEM || r == -ENOSPC || r == -EDQUOT ? r : r < 0 ? -ENOENT : 0;
}

/* --- what is missing --- */

typedef struct Missing {
        Folder *folder;
        SyncEntry *files; /* by size */
        size_t n;         /* of them, those that are dealt with in this round */
        bool *is_whole;   /* all chunks that a file lacks are listed */
        FolderChunks chunks;
        uint64_t bytes;   /* of plain files in the list: to be reserved */
        FolderLack *lack;
} Missing;

static void missing_done(Missing *m) {
        free(m->files);
        free(m->is_whole);
        free(m->chunks.items);
}

void folder_lack_done(FolderLack *l) {
        strv_free(l->malformed);
        *l = (FolderLack) {};
}

static int compare_files(const void *a, const void *b) {
        const SyncEntry *x = a, *y = b;

        /* The unknown size is that of a plain file. */
        return (x->size + 1 > y->size + 1) - (x->size + 1 < y->size + 1) ?: compare_oids(&x->oid, &y->oid);
}

/* The files that are missing, each once, the small ones first. */
static int collect(Missing *m, const SyncPlan *plan) {
        size_t n = 0;

        m->files = calloc(plan->n_operations + 1, sizeof(*m->files));
        m->is_whole = calloc(plan->n_operations + 1, sizeof(*m->is_whole));
        if (!m->files || !m->is_whole)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_operations; i++)
                if (wants_content(plan->operations + i) && !is_at_hand(m->folder, plan->operations[i].wanted))
                        m->files[n++] = *plan->operations[i].wanted;
        qsort(m->files, n, sizeof(*m->files), compare_files);
        for (size_t i = 0; i < n; i++)
                if (m->n == 0 || !sync_oid_equal(&m->files[i].oid, &m->files[m->n - 1].oid))
                        m->files[m->n++] = m->files[i];
        return 0;
}

static int ignore_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        return 0;
}

/* Opens the part of a file of chunks. What only claims to be large is not refused for lack of space. */
static int open_part(Missing *m, const SyncEntry *e, bool *ret_new, int *ret_fd) {
        int k, r = content_part_open(&m->folder->content, &e->oid, e->size, ret_new, ret_fd);

        if (r != -ENOSPC)
                return r;
        k = git_store_foreach_chunk(m->folder->store, &e->oid, ignore_chunk, NULL);
        return k < 0 ? k : r;
}

/* 1, -EBADMSG if its chunk trees are none, -ENOSPC, or another negative errno. */
static int list_chunked(Missing *m, size_t i, size_t max) {
        size_t n_before = m->chunks.n;
        _cleanup_close_ int fd = -EBADF;
        SyncEntry *e = m->files + i;
        bool new;
        int r;

        if (content_is_malformed(&m->folder->content, &e->oid))
                return -EBADMSG;
        /* The metadata may say something else. */
        r = git_store_chunked_size(m->folder->store, &e->oid, &e->size);
        if (r >= 0)
                r = open_part(m, e, &new, &fd);
        if (r >= 0)
                r = folder_list_chunks(m->folder, &e->oid, (uint32_t) i, fd, new, max, &m->chunks);
        if (r == -EBADMSG) {
                m->chunks.n = n_before;
                content_part_remove(&m->folder->content, &e->oid);
        }
        if (r < 0)
                return r;
        m->is_whole[i] = r > 0;
        return 1;
}

/* 1, 0 if nothing of it fits into this round, or an error as above. */
static int list_file(Missing *m, size_t i) {
        const SyncEntry *e = m->files + i;
        FolderChunk whole = { .oid = e->oid, .file = (uint32_t) i, .length = (uint32_t) e->size };
        size_t left = WANTED_ITEMS_MAX - m->chunks.n;

        if (left == 0)
                return 0;
        if (folder_is_chunked(e))
                return list_chunked(m, i, left);
        if (e->size == SYNC_SIZE_UNKNOWN)
                whole.length = 0;
        m->bytes += whole.length;
        if (!content_has_space(&m->folder->content, m->bytes))
                return -ENOSPC;
        m->is_whole[i] = true;
        if (ARRAY_GROW(m->chunks.items, m->chunks.n) < 0)
                return -ENOMEM;
        m->chunks.items[m->chunks.n++] = whole;
        return 1;
}

/* Lists as many files as fit into a round, and leaves out those that the disk has no space for, or that cannot be. */
static int list_files(Missing *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n && n < WANTED_FILES_MAX; i++) {
                int r;

                m->files[n] = m->files[i];
                r = list_file(m, n);
                if (r == 0)
                        break;
                if (r > 0)
                        n++;
                else if (r == -ENOSPC)
                        m->lack->no_space = m->files[n].path;
                else if (r != -EBADMSG || (r = strv_extend(&m->lack->malformed, m->files[n].path)) < 0)
                        return r;
        }
        m->n = n;
        return 0;
}

static int compare_places(const void *a, const void *b) {
        const FolderChunk *x = a, *y = b;

        if (x->file != y->file)
                return x->file < y->file ? -1 : 1;
        return (x->offset > y->offset) - (x->offset < y->offset);
}

/* What no file of the folder had is wanted. */
static int make_list(Missing *m, Wanted *wanted) {
        uint64_t *bytes = &m->lack->bytes;
        size_t k = 0;
        int r = 0;

        if (m->chunks.n > 0)
                qsort(m->chunks.items, m->chunks.n, sizeof(*m->chunks.items), compare_places);
        for (size_t i = 0; i < m->n && r >= 0; i++) {
                bool listed = false;

                for (; k < m->chunks.n && m->chunks.items[k].file == i && r >= 0; k++) {
                        const FolderChunk *c = m->chunks.items + k;

                        if (c->found)
                                continue;
                        if (!listed)
                                r = wanted_add_file(wanted, &m->files[i].oid, m->files[i].size);
                        listed = true;
                        if (r >= 0)
                                r = wanted_add_item(wanted, &c->oid, c->offset, c->length);
                        *bytes += MAX(c->length, 1U);
                }
                if (listed)
                        wanted->files[wanted->n_files - 1].complete = m->is_whole[i];
                else if (m->is_whole[i])
                        r = content_part_complete(&m->folder->content, &m->files[i].oid);
                else
                        /* Copied as far as it was listed; the next round goes on. */
                        *bytes += 1;
        }
        return r;
}

static int find_missing(Missing *m, const SyncPlan *plan, const char *list) {
        Wanted wanted = {};
        int r;

        r = collect(m, plan);
        if (r < 0 || m->n == 0)
                return r;
        r = list_files(m);
        if (r >= 0)
                r = folder_copy_chunks(m->folder, m->files, m->n, &m->chunks);
        if (r >= 0)
                r = make_list(m, &wanted);
        if (r >= 0 && m->lack->bytes > 0)
                r = wanted_save(m->folder->state_fd, list, &wanted);
        wanted_done(&wanted);
        return r;
}

int folder_prepare_content(Folder *f, SyncPlan *plan, const char *list, FolderLack *ret) {
        _cleanup_(missing_done) Missing m = { .folder = f, .lack = ret };
        size_t n = 0;
        int r;

        *ret = (FolderLack) {};
        r = find_sources(f, plan);
        if (r >= 0)
                r = find_on_main(f, plan);
        if (r >= 0)
                r = find_missing(&m, plan, list);
        if (r < 0)
                return r;
        for (size_t i = 0; i < plan->n_operations; i++)
                if (!wants_content(plan->operations + i) || is_at_hand(f, plan->operations[i].wanted))
                        plan->operations[n++] = plan->operations[i];
        plan->n_operations = n;
        return 0;
}
