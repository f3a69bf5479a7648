/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metadata of a directory's entries: writing what changed. */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/git-tree-internal.h"

static int compare_edits(const void *a, const void *b) {
        const MetaEdit *x = a, *y = b;

        return x->bucket != y->bucket ? (x->bucket > y->bucket) - (x->bucket < y->bucket)
                                      : strcmp(x->stored, y->stored);
}

/* Both are sorted. */
static void merge(
                SyncWriter *w, const MetaRecord *records, size_t n, const MetaEdit *edits, size_t n_edits) {
        for (size_t i = 0, k = 0; i < n || k < n_edits;) {
                int order = i == n ? 1 : k == n_edits ? -1 : strcmp(records[i].stored, edits[k].stored);

                if (order < 0) {
                        sync_write_bytes(w, records[i].stored, records[i].length);
                        i++;
                        continue;
                }
                sync_write_bytes(w, edits[k].record, edits[k].record ? edits[k].length : 0);
                i += order == 0;
                k++;
        }
}

/* The id is zero for no records. */
static int write_blob(GitStore *store, const SyncWriter *w, const git_oid *similar, git_oid *ret) {
        *ret = (git_oid) {};
        if (w->failed)
                return -ENOMEM;
        return w->size == 0 ? 0
                            : git_store_write_similar(
                                              store, GIT_OBJECT_BLOB, w->data, w->size, similar, ret);
}

static int write_bucket(GitStore *store, MetaBucket *b, const MetaEdit *edits, size_t n_edits) {
        _cleanup_free_ uint8_t *text = NULL;
        git_oid similar = b->id;
        SyncWriter w = {};
        int r;

        merge(&w, b->blob.records, b->blob.n, edits, n_edits);
        r = write_blob(store, &w, &similar, &b->id);
        text = w.data;
        return r;
}

static int write_bucket_tree(GitStore *store, const Meta *m, git_oid *ret) {
        _cleanup_free_ uint8_t *text = NULL;
        SyncWriter w = {};

        for (size_t i = 0; i < META_BUCKETS; i++) {
                RawEntry e = { .mode = GIT_FILEMODE_BLOB, .length = 2, .id = &m->buckets[i].id };
                char name[3];

                if (git_oid_is_zero(e.id))
                        continue;
                (void) snprintf(name, sizeof(name), "%02x", (unsigned) i);
                e.name = name;
                raw_entry_write(&w, &e);
        }
        text = w.data;
        if (w.failed)
                return -ENOMEM;
        *ret = (git_oid) {};
        return w.size == 0 ? 0
                           : git_store_write_similar(
                                             store,
                                             GIT_OBJECT_TREE,
                                             text,
                                             w.size,
                                             m->bucketed ? &m->id : NULL,
                                             ret);
}

/* The form stays: only the buckets with edits are read and written. */
static int write_same_form(GitStore *store, Meta *m, MetaEdit *edits, size_t n_edits, git_oid *ret) {
        for (size_t i = 0; i < n_edits; i++)
                edits[i].bucket = m->bucketed ? meta_bucket_of(edits[i].stored) : 0;
        if (n_edits > 0)
                qsort(edits, n_edits, sizeof(*edits), compare_edits);
        for (size_t i = 0, end; i < n_edits; i = end) {
                size_t bucket = edits[i].bucket;
                int r;

                for (end = i; end < n_edits && edits[end].bucket == bucket;)
                        end++;
                r = meta_load_bucket(store, m, bucket);
                if (r >= 0)
                        r = write_bucket(store, m->buckets + bucket, edits + i, end - i);
                if (r < 0)
                        return r;
        }
        if (m->bucketed)
                return write_bucket_tree(store, m, ret);
        *ret = m->buckets[0].id;
        return 0;
}

static int compare_records(const void *a, const void *b) {
        return strcmp(((const MetaRecord *) a)->stored, ((const MetaRecord *) b)->stored);
}

/* All records of the old form with the edits made, as one text. */
static int gather(GitStore *store, Meta *old, MetaEdit *edits, size_t n_edits, SyncWriter *ret) {
        _cleanup_free_ MetaRecord *records = NULL;
        size_t n = 0, at = 0;
        int r;

        for (size_t i = 0; i < old->n_buckets; i++) {
                r = meta_load_bucket(store, old, i);
                if (r < 0)
                        return r;
                n += old->buckets[i].blob.n;
        }
        records = calloc(n + 1, sizeof(*records));
        if (!records)
                return -ENOMEM;
        for (size_t i = 0; i < old->n_buckets; i++)
                for (size_t k = 0; k < old->buckets[i].blob.n; k++)
                        records[at++] = old->buckets[i].blob.records[k];
        qsort(records, n, sizeof(*records), compare_records);
        for (size_t i = 0; i < n_edits; i++)
                edits[i].bucket = 0;
        if (n_edits > 0)
                qsort(edits, n_edits, sizeof(*edits), compare_edits);
        merge(ret, records, n, edits, n_edits);
        return 0;
}

static int write_buckets(GitStore *store, const MetaBlob *all, git_oid *ret) {
        MetaBucket buckets[META_BUCKETS] = {};
        SyncWriter texts[META_BUCKETS] = {};
        Meta m = { .buckets = buckets };
        int r = 0;

        for (size_t i = 0; i < all->n; i++)
                sync_write_bytes(
                                texts + meta_bucket_of(all->records[i].stored),
                                all->records[i].stored,
                                all->records[i].length);
        for (size_t i = 0; i < META_BUCKETS; i++) {
                if (r >= 0)
                        r = write_blob(store, texts + i, NULL, &buckets[i].id);
                free(texts[i].data);
        }
        return r < 0 ? r : write_bucket_tree(store, &m, ret);
}

static int write_other_form(
                GitStore *store, Meta *old, MetaEdit *edits, size_t n_edits, bool bucketed, git_oid *ret) {
        SyncWriter text = {};
        MetaBlob all;
        int r;

        r = gather(store, old, edits, n_edits, &text);
        if (r >= 0 && text.failed)
                r = -ENOMEM;
        if (r < 0 || !bucketed || text.size == 0) {
                if (r >= 0)
                        r = write_blob(store, &text, NULL, ret);
                free(text.data);
                return r;
        }
        r = meta_blob_parse((char *) text.data, text.size, &all);
        if (r < 0)
                return r;
        r = write_buckets(store, &all, ret);
        meta_blob_done(&all);
        return r;
}

int meta_write(GitStore *store,
               Meta *old,
               MetaEdit *edits,
               size_t n_edits,
               size_t n_entries,
               RawEntry *ret,
               git_oid *ret_id) {

        bool bucketed = n_entries > META_PLAIN_ENTRIES;
        int r = 0;

        *ret_id = (git_oid) {};
        if (n_entries > 0 && old->exists && old->bucketed == bucketed)
                r = write_same_form(store, old, edits, n_edits, ret_id);
        else if (n_entries > 0)
                r = write_other_form(store, old, edits, n_edits, bucketed, ret_id);
        if (r < 0)
                return r;
        *ret = (RawEntry) {
                .mode = bucketed ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB,
                .name = TREE_NAME_META,
                .length = strlen(TREE_NAME_META),
                .id = ret_id,
        };
        return 0;
}
