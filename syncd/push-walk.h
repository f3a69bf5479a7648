/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is new in a tree, in a fixed order: trees, metadata and content that the older tree does not have in
 * the same place. */
#pragma once

#include "syncd/git-store.h"
#include "syncd/object-map.h"

typedef enum PushKind {
        PUSH_COMMIT,
        PUSH_TREE,  /* of a directory, or the top tree of a chunked file */
        PUSH_META,  /* a blob that the store has */
        PUSH_GROUP, /* the tree of a group of chunks; its chunks follow */
        PUSH_CHUNK,
        PUSH_FILE, /* a file as one blob */
        PUSH_SYMLINK,
} PushKind;

/* All pointers last until the handler returns. */
typedef struct PushFound {
        PushKind kind;
        git_oid id;
        git_oid base;     /* a like object in the older tree, zero for none */
        const char *path; /* of the file, symlink or directory in the folder, as far as known: never NULL */
        SyncOid file;     /* groups, chunks, files */
        uint64_t size;    /* of a chunked file */
        uint64_t offset;  /* of a group or chunk in it */
        uint64_t length;  /* of a group or chunk */
} PushFound;

typedef int (*PushWalkHandler)(const PushFound *found, void *userdata);

/* Calls the handler for what is new. visited has what walks of earlier commits were called for or found replaced in
 * their older trees, and gets more: no tree comes twice, content may, and nothing that the receiver had and that came
 * back to its place. Non-zero of the handler ends the walk and is returned. Errors as of git-store.h. */
int push_walk(GitStore *store,
              const git_oid *tree,
              const git_oid *older,
              ObjectMap *visited,
              PushWalkHandler handler,
              void *userdata);

/* Calls the handler with the id of each tree and blob in the tree, but only where the newer tree (zero:
 * empty) has something else; with chunks, those of large files too. What is pruned is passed over. */
int push_walk_present(
                GitStore *store,
                const git_oid *tree,
                const git_oid *newer,
                bool chunks,
                void (*handler)(const git_oid *id, void *userdata),
                void *userdata);
