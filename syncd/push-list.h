/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that are to be sent, and sending them as a pack. */
#pragma once

#include "syncd/pack-writer.h"
#include "syncd/push-source.h"
#include "syncd/push-walk.h"

typedef struct PushItem {
        git_oid id;
        git_oid base;    /* of a delta; zero for none */
        uint64_t offset; /* of content in its file, of a group in its file */
        uint64_t length; /* bytes of content */
        uint32_t file;   /* index, of content and groups */
        uint8_t kind;    /* PushKind */
        bool present;    /* the server has it */
        bool alone;      /* a chunk that goes without its group */
} PushItem;

typedef struct PushFile {
        SyncOid oid;
        uint64_t size;
        char *path;
} PushFile;

/* Zeroed when empty. */
typedef struct PushList {
        PushItem *items;
        size_t n;
        PushFile *files;
        size_t n_files;
        ObjectMap index; /* of items by their ids */
} PushList;

void push_list_done(PushList *l);
/* Adds what was found, unless it is there. length: of content. 1, 0 if it was there, -E2BIG or -ENOMEM. */
int push_list_add(PushList *l, const PushFound *found, uint64_t length);
/* Adds an item of another list, with its file. The same. */
int push_list_copy(PushList *l, const PushList *from, const PushItem *item);

static inline bool push_kind_is_content(PushKind kind) {
        return kind == PUSH_CHUNK || kind == PUSH_FILE || kind == PUSH_SYMLINK;
}

/* Adds an item's object to the pack. 0; -ESTALE: the content is not what it was; or a negative errno of the
 * store, the source or the sink. */
int push_item_write(
                const PushList *l, const PushItem *item, GitStore *store, PushSource *source, PackWriter *w);
