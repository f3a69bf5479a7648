/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "syncd/git-delta.h"
#include "syncd/git-object.h"
#include "syncd/push-list.h"

void push_list_done(PushList *l) {
        for (size_t i = 0; i < l->n_files; i++)
                free(l->files[i].path);
        free(l->files);
        free(l->items);
        object_map_done(&l->index);
        *l = (PushList){};
}

/* The file is the last one, or becomes it. */
static int add_file(PushList *l, const SyncOid *oid, uint64_t size, const char *path) {
        int r;

        if (l->n_files > 0 && sync_oid_equal(&l->files[l->n_files - 1].oid, oid))
                return 0;
        r = ARRAY_GROW(l->files, l->n_files);
        if (r < 0)
                return r;
        l->files[l->n_files] = (PushFile){ .oid = *oid, .size = size, .path = strdup(path) };
        if (!l->files[l->n_files].path)
                return -ENOMEM;
        l->n_files++;
        return 0;
}

static int add_item(PushList *l, const PushItem *item) {
        int r;

        r = ARRAY_GROW(l->items, l->n);
        if (r >= 0)
                r = object_map_add(&l->index, &item->id, (uint32_t) l->n);
        if (r > 0)
                l->items[l->n++] = *item;
        return r;
}

int push_list_add(PushList *l, const PushFound *found, uint64_t length) {
        PushItem item = {
                .id = found->id,
                .base = found->base,
                .offset = found->offset,
                .length = length,
                .kind = (uint8_t) found->kind,
        };
        int r;

        if (object_map_find(&l->index, &found->id, NULL))
                return 0;
        if (push_kind_is_content(found->kind) || found->kind == PUSH_GROUP) {
                r = add_file(l, &found->file, found->size > 0 ? found->size : length, found->path);
                if (r < 0)
                        return r;
                item.file = (uint32_t) l->n_files - 1;
        }
        return add_item(l, &item);
}

int push_list_copy(PushList *l, const PushList *from, const PushItem *item) {
        PushItem copy = *item;

        if (object_map_find(&l->index, &item->id, NULL))
                return 0;
        if (push_kind_is_content(item->kind) || item->kind == PUSH_GROUP) {
                const PushFile *file = from->files + item->file;
                int r = add_file(l, &file->oid, file->size, file->path);

                if (r < 0)
                        return r;
                copy.file = (uint32_t) l->n_files - 1;
        }
        return add_item(l, &copy);
}

static bool is_empty_blob(const git_oid *id) {
        git_oid empty;

        return git_object_name(GIT_OBJECT_BLOB, "", 0, &empty) >= 0 && git_oid_equal(id, &empty);
}

/* Writes an object of the store, as a delta where that is worth it. */
static int write_stored(const PushItem *item, GitStore *store, PackWriter *w) {
        _cleanup_free_ void *data = NULL, *base = NULL;
        _cleanup_free_ uint8_t *delta = NULL;
        size_t size, base_size, delta_size;
        git_object_t type, base_type;
        int r;

        r = git_store_read(store, &item->id, &type, &data, &size);
        /* The mark of the format needs no store. */
        if (r == -ENOENT && is_empty_blob(&item->id))
                return pack_writer_add(w, GIT_OBJECT_BLOB, "", 0);
        if (r < 0)
                return r;
        if (!git_oid_is_zero(&item->base) &&
            git_store_read(store, &item->base, &base_type, &base, &base_size) >= 0 && base_type == type) {
                r = (type == GIT_OBJECT_TREE ? git_delta_of_trees : git_delta_of_bytes)(
                                base, base_size, data, size, size / 2, &delta, &delta_size);
                if (r >= 0)
                        return pack_writer_add_delta(w, &item->base, delta, delta_size);
                if (r != -E2BIG)
                        return r;
        }
        return pack_writer_add(w, type, data, size);
}

int push_item_write(
                const PushList *l,
                const PushItem *item,
                GitStore *store,
                PushSource *source,
                PackWriter *w) {
        const PushFile *file = l->files + item->file;
        const void *data;
        size_t size = item->length;
        int r;

        switch ((PushKind) item->kind) {
        case PUSH_CHUNK:
        case PUSH_FILE:
                r = push_source_read(
                                source,
                                &file->oid,
                                file->path,
                                item->offset,
                                item->length,
                                &item->id,
                                &data);
                break;
        case PUSH_SYMLINK:
                r = push_source_read_symlink(source, &file->oid, file->path, &item->id, &data, &size);
                break;
        case PUSH_COMMIT:
        case PUSH_TREE:
        case PUSH_META:
        case PUSH_GROUP:
        default:
                return write_stored(item, store, w);
        }
        return r < 0 ? r : pack_writer_add(w, GIT_OBJECT_BLOB, data, size);
}
