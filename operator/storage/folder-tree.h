/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A synchronized folder in a repository: what the entries of its trees stand for
 * (docs/repository-format.md). */
#pragma once

#include "operator/storage/object-reader.h"

/* The entry of the root that says the version. */
#define NAME_FORMAT "%%format-1"
/* Deeper than a path of 4095 bytes can be is another program's work. */
#define FOLDER_DEPTH_MAX 128U

typedef enum FolderKind {
        FOLDER_FILE,
        FOLDER_CHUNKED, /* a file in chunks: a tree of groups */
        FOLDER_DIRECTORY,
        FOLDER_SYMLINK,
        FOLDER_META,   /* metadata of the other entries */
        FOLDER_FORMAT, /* the version, in the root */
} FolderKind;

typedef struct FolderEntry {
        FolderKind kind;
        bool executable;
        char *name; /* of the file; NULL for FOLDER_META and FOLDER_FORMAT */
} FolderEntry;

/* Understands an entry. ret->name is the caller's. 0, -EBADMSG if it is of a format that this program does
 * not know, -ENOMEM. */
int folder_entry_parse(const TreeEntry *e, FolderEntry *ret);

/* Makes the name of the entry of a file; *ret is the caller's. As git_name_escape(). */
int folder_entry_name(const char *name, bool chunked, bool executable, char **ret);

/* "<index>-<length>", the name of a group or a chunk. 0 or -EBADMSG. */
int folder_chunk_parse(const char *name, uint64_t *ret_index, uint64_t *ret_length);

/* The metadata of one directory. */
typedef struct FolderMeta {
        char *text;
        size_t size;
} FolderMeta;

/* Reads it from the entry FOLDER_META. meta must be zero or in use; free its text. 0 or an error of
 * object_read(). */
int folder_meta_read(ObjectReader *r, const TreeEntry *e, FolderMeta *meta);

/* Looks up what is recorded of an entry by its stored name without a mark. False if nothing is. */
bool folder_meta_find(const FolderMeta *meta, const char *stored, int64_t *ret_mtime_ns, unsigned *ret_mode);

/* The stored name without a mark. */
const char *folder_stored_name(const TreeEntry *e, const FolderEntry *f);
