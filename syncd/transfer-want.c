/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds out what of a file is still to be fetched. */
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-object.h"
#include "syncd/transfer-part.h"
#include "syncd/transfer.h"

typedef struct WantFile {
        Wanted *wanted;
        int fd;       /* of the part */
        bool new;     /* so nothing is in it */
        uint8_t *buf; /* of CHUNK_MAX bytes */
} WantFile;

/* True if the part has the chunk. */
static bool has_chunk(WantFile *f, const SyncOid *chunk, uint64_t offset, uint32_t length) {
        git_oid id;

        if (f->new || length > CHUNK_MAX || !content_part_is_written(f->fd, offset, length) ||
            pread(f->fd, f->buf, length, (off_t) offset) != (ssize_t) length)
                return false;
        git_store_oid_from_sync(&id, chunk);
        return git_blob_has_name(f->buf, length, &id) > 0;
}

static int want_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        WantFile *f = userdata;

        return has_chunk(f, chunk, offset, length) ? 0 : wanted_add_item(f->wanted, chunk, offset, length);
}

static bool is_tree(GitStore *store, const SyncOid *oid) {
        git_object_t type;
        git_oid id;

        git_store_oid_from_sync(&id, oid);
        return git_store_has(store, &id) && git_store_read(store, &id, &type, NULL, NULL) >= 0 &&
               type == GIT_OBJECT_TREE;
}

/* group NULL: all of the file. */
static int want_chunks(
                Transfer *t,
                const SyncOid *file,
                uint64_t size,
                const SyncOid *group,
                uint64_t offset,
                Wanted *wanted) {
        _cleanup_free_ uint8_t *buf = malloc(CHUNK_MAX);
        WantFile f = { .wanted = wanted, .fd = -EBADF, .buf = buf };
        int r;

        if (!buf)
                return -ENOMEM;
        r = wanted_add_file(wanted, file, size);
        if (r < 0)
                return r;
        wanted->files[wanted->n_files - 1].complete = !group;
        r = content_part_open(&t->area, file, size, &f.new, &f.fd);
        if (r < 0)
                return r;
        r = group ? git_store_foreach_chunk_of_group(t->store, group, offset, want_chunk, &f)
                  : git_store_foreach_chunk(t->store, file, want_chunk, &f);
        /* The rest comes in another round. */
        if (r < 0)
                wanted->files[wanted->n_files - 1].complete = false;
        safe_close(f.fd);
        return r;
}

int transfer_want_group(
                Transfer *t,
                const SyncOid *file,
                uint64_t size,
                const SyncOid *group,
                uint64_t offset,
                Wanted *wanted) {
        return content_has(&t->area, file) ? 0 : want_chunks(t, file, size, group, offset, wanted);
}

int transfer_want_file(Transfer *t, const SyncOid *file, uint64_t size, Wanted *wanted) {
        int r;

        if (content_has(&t->area, file))
                return 0;
        if (is_tree(t->store, file)) {
                r = git_store_chunked_size(t->store, file, &size);
                return r < 0 ? r : want_chunks(t, file, size, NULL, 0, wanted);
        }
        r = wanted_add_file(wanted, file, size);
        if (r < 0)
                return r;
        wanted->files[wanted->n_files - 1].complete = true;
        return wanted_add_item(wanted, file, 0, size < UINT32_MAX ? (uint32_t) size : 0);
}

/* The item of the file kept last stays in the list. */
static void keep_item(Wanted *w, WantedItem item) {
        item.file = (uint32_t) w->n_files - 1;
        w->items[w->n_items++] = item;
        w->files[item.file].n_items++;
}

/* Keeps what is still missing of a file, whose items are those from first on. */
static int keep_rest(Transfer *t, Wanted *w, WantedFile file, size_t first, uint8_t *buf) {
        size_t end = first + file.n_items;
        WantFile f = { .fd = -EBADF, .buf = buf };
        int r = 0;

        if (content_has(&t->area, &file.file))
                return 0;
        file.n_items = 0;
        w->files[w->n_files++] = file;
        for (size_t i = first; i < end && r >= 0; i++) {
                WantedItem item = w->items[i];
                /* Of a plain file there is all or nothing. */
                bool plain = sync_oid_equal(&item.blob, &file.file);

                if (!plain && f.fd < 0)
                        r = transfer_part_open(&t->area, &file.file, file.size, &f.fd);
                if (r >= 0 && (plain || !has_chunk(&f, &item.blob, item.offset, item.length)))
                        keep_item(w, item);
        }
        safe_close(f.fd);
        return r;
}

int transfer_want_rest(Transfer *t, Wanted *w) {
        _cleanup_free_ uint8_t *buf = malloc(CHUNK_MAX);
        size_t n_files = w->n_files, first = 0;
        int r = 0;

        if (!buf)
                return -ENOMEM;
        w->n_files = w->n_items = 0;
        for (size_t i = 0; i < n_files && r >= 0; i++) {
                WantedFile file = w->files[i];

                r = keep_rest(t, w, file, first, buf);
                first += file.n_items;
        }
        return r;
}

static int parse_file(const char *text, SyncOid *ret_file, uint64_t *ret_size) {
        git_oid id;

        if (strlen(text) < GIT_OID_HEXSZ || git_oid_fromstrn(&id, text, GIT_OID_HEXSZ) < 0)
                return -EINVAL;
        git_store_oid_to_sync(ret_file, &id);
        *ret_size = SYNC_SIZE_UNKNOWN;
        text += GIT_OID_HEXSZ;
        return *text == 0 ? 0 : *text == ' ' ? parse_uint64(text + 1, ret_size) : -EINVAL;
}

/* The trees of those files that may have some, and of which the store has none. */
static TransferResult fetch_chunk_trees(Transfer *t, char *const *files) {
        git_oid *ids = NULL;
        TransferResult result = TRANSFER_OK;
        size_t n = 0;

        ids = calloc(strv_length(files) + 1, sizeof(*ids));
        if (!ids)
                return TRANSFER_LOCAL_ERROR;
        STRV_FOREACH (text, files) {
                uint64_t size;
                SyncOid file;

                if (parse_file(*text, &file, &size) >= 0 && size > FORMAT_PLAIN_MAX &&
                    !content_has(&t->area, &file) && !is_tree(t->store, &file))
                        git_store_oid_from_sync(ids + n++, &file);
        }
        if (n > 0)
                result = transfer_fetch_trees(t, ids, n);
        free(ids);
        /* Who applies the file reads them. */
        if (result == TRANSFER_OK && n > 0) {
                int r = git_store_sync(t->store);

                if (r < 0)
                        result = transfer_link_failure(&t->link, NULL, r);
        }
        return result;
}

static int want_files(Transfer *t, char *const *files, Wanted *wanted) {
        STRV_FOREACH (text, files) {
                uint64_t size;
                SyncOid file;
                int r;

                r = parse_file(*text, &file, &size);
                if (r >= 0)
                        r = transfer_want_file(t, &file, size, wanted);
                if (r < 0)
                        return r;
        }
        return 0;
}

TransferResult transfer_files(Transfer *t, char *const *files) {
        TransferResult result;
        int r;

        result = fetch_chunk_trees(t, files);
        if (result != TRANSFER_OK)
                return result;
        do {
                _cleanup_(wanted_done) Wanted wanted = { .proven = true };

                r = want_files(t, files, &wanted);
                if (r < 0 && (r != -E2BIG || wanted.n_items == 0))
                        return transfer_link_failure(&t->link, NULL, r);
                result = transfer_content(t, &wanted);
                if (result != TRANSFER_OK)
                        return result;
        } while (r == -E2BIG && t->progress(0, 0, t->userdata) >= 0);
        return TRANSFER_OK;
}
