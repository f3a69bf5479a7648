/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories of a folder as git trees (docs/repository-format.md): entries, marks and metadata. */
#pragma once

#include "syncd/git-store-internal.h"
#include "syncd/sync-stream.h"

#define TREE_MARK_CHUNKED "%%+"
#define TREE_MARK_CHUNKED_EXECUTABLE "%%x"
#define TREE_NAME_META "%%meta"
#define TREE_NAME_FORMAT "%%format-1"
#define TREE_MARK_SIZE 3U

/* A directory of more entries has its metadata in buckets. */
#define META_PLAIN_ENTRIES 256U
#define META_BUCKETS 256U
/* Bytes of one directory's metadata that meta_keep_few() leaves in memory. */
#define META_KEPT_MAX ((size_t) 1 << 20)
/* Bytes of a record, its name included. */
#define META_RECORD_MAX 4096U

/* --- entries of any git tree --- */

typedef struct RawEntry {
        unsigned mode;    /* a git_filemode_t */
        const char *name; /* with a NUL behind it, in the tree's data */
        size_t length;
        const git_oid *id;
} RawEntry;

typedef struct RawTree {
        const char *data;
        size_t size, at;
        RawEntry previous;
} RawTree;

/* The next entry: 1, 0 at the end, -EBADMSG: no tree, or not in git's order. */
int raw_tree_next(RawTree *t, RawEntry *ret);
/* git's order: bytewise, a directory as if its name ended with a slash. */
int raw_entry_compare(const RawEntry *a, const RawEntry *b) _pure_;
void raw_entry_write(SyncWriter *w, const RawEntry *e);
static inline bool git_mode_is_tree(unsigned mode) {
        return mode == GIT_FILEMODE_TREE;
}

/* --- entries of a directory's tree --- */

typedef enum TreeRole {
        TREE_ENTRY, /* stands for an entry of the directory */
        TREE_META,
        TREE_FORMAT, /* in the root */
} TreeRole;

typedef struct TreeItem {
        RawEntry raw;
        TreeRole role;
        SyncKind kind;
        bool executable;
        bool chunked;
        const char *stored; /* the escaped name, without a mark */
        char *unescaped;    /* the file's name, if it is not stored as it is */
} TreeItem;

static inline const char *tree_item_name(const TreeItem *i) {
        return i->unescaped ?: i->stored;
}

/* What the entry is. Sets all but unescaped, and does not check that an escape is canonical. 0 or -EBADMSG:
 * a mark of a newer version, or nothing that a folder can have. */
int tree_item_parse(const RawEntry *raw, bool root, TreeItem *ret);

/* --- metadata --- */

typedef struct MetaRecord {
        const char *stored; /* the record begins with it; it ends with a newline */
        size_t length;      /* of the record */
        int64_t mtime_ns;
        uint64_t size;
        uint16_t mode;
        bool fuzzy;
        const char *extra; /* the fields behind these, each with a space before it */
        size_t extra_length;
} MetaRecord;

typedef struct MetaBlob {
        char *data;
        size_t size;
        MetaRecord *records; /* sorted by stored */
        size_t n;
} MetaBlob;

/* Parses; takes the data, also on failure. 0, -EBADMSG, -ENOMEM. */
int meta_blob_parse(char *data, size_t size, MetaBlob *ret);
void meta_blob_done(MetaBlob *b);

/* The metadata of one directory, loaded as it is asked for. */
typedef struct MetaBucket {
        git_oid id; /* zero: no records */
        bool loaded;
        MetaBlob blob;
} MetaBucket;

typedef struct Meta {
        bool exists;
        bool bucketed;
        bool malformed;      /* a part of it, which counts as not there */
        git_oid id;          /* of the blob, or of the tree of buckets */
        MetaBucket *buckets; /* one or META_BUCKETS */
        size_t n_buckets;
} Meta;

void meta_done(Meta *m);
/* Finds its blobs; item is the entry %%meta. None, if a tree of buckets is malformed. */
int meta_open(GitStore *store, const TreeItem *item, Meta *ret);
/* *ret is NULL if there is no record, or the blob is malformed. -ENOENT: the blob is not in the store. */
int meta_find(GitStore *store, Meta *m, const char *stored, const MetaRecord **ret);
int meta_load_bucket(GitStore *store, Meta *m, size_t bucket);
/* Forgets all buckets if more than META_KEPT_MAX is loaded: they are loaded anew when asked for. */
void meta_keep_few(Meta *m);
size_t meta_bucket_of(const char *stored);

/* Makes the text of a record. xattrs ("name=hex ...", may be NULL): what cannot be recorded of it is left
 * out. *ret is the caller's, NULL if memory ran out. */
char *meta_record_new(const char *stored, const SyncEntry *e, const char *xattrs, size_t *ret_length);
/* The extended attributes of a record as "name=hex ..."; *ret is NULL for none. 0 or -ENOMEM. */
int meta_record_xattrs(const MetaRecord *record, char **ret);

typedef struct MetaEdit {
        const char *stored;
        char *record; /* with its NUL inside; NULL: there is none any more */
        size_t length;
        size_t bucket;
} MetaEdit;

/* Writes the metadata of a directory that has n_entries now. The edits are sorted on the way. *ret->id is
 * zero if there is none. */
int meta_write(GitStore *store,
               Meta *old,
               MetaEdit *edits,
               size_t n_edits,
               size_t n_entries,
               RawEntry *ret,
               git_oid *ret_id);

/* --- directories --- */

typedef struct Directory {
        char *data;
        TreeItem *items; /* its entries, by name */
        size_t n;
        Meta meta;
} Directory;

#define _cleanup_directory_done_ _cleanup_(directory_done)
void directory_done(Directory *d);
/* Reads the tree of a directory; the zero id is an empty one. */
int directory_load(GitStore *store, const git_oid *id, bool root, Directory *ret);
/* The same of two directories, but only the entries that one has and the other does not have just so. ret is
 * zeroed, and to be freed also after a failure. */
int directory_load_differing(GitStore *store, const git_oid *const ids[2], bool root, Directory ret[2]);
/* Notes for git_store_take_malformed() that the tree of the directory is none, if that is the error. Returns the
 * error. */
int git_store_note_directory(GitStore *store, const char *path, int error);
/* Fills the entry of an item, with its metadata. tolerant: what is not in the store counts as not recorded.
 */
int directory_entry(
                GitStore *store,
                Meta *meta,
                const TreeItem *item,
                const char *path,
                bool tolerant,
                SyncEntry *ret);

/* The path of an entry, while a walk goes down. */
typedef struct TreePath {
        char text[SYNC_PATH_MAX + 1];
        size_t length;
        unsigned depth;
        unsigned n_visited; /* names so far: a tree may name another many times, and that one others */
} TreePath;

/* Appends a name. *ret_length is for tree_path_pop(). -EBADMSG: no path of a folder; -E2BIG: too many of
 * them. */
int tree_path_push(TreePath *p, const char *name, size_t *ret_length);
void tree_path_pop(TreePath *p, size_t length);

/* The entries beneath the directory at p, which is the root if p is empty. p is as before afterwards. */
int tree_walk(GitStore *store, const git_oid *id, TreePath *p, GitStoreEntryHandler handler, void *userdata);

/* The tree of the commit; zero for the zero id. */
int git_store_root(GitStore *store, const git_oid *commit, git_oid *ret);
/* As git_store_find_entry(), but 1, 0 if there is no such path, and -ENOENT only if an object is missing. */
int git_store_find_path(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret);
