/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Staging refs (docs/repository-format.md): what is on its way to main, in batches. A reference
 * refs/staging/<gateway>/<tree id> holds a tree, whose entries tell where the bytes go:
 *
 *      <file oid>.<size>.<offset>   a directory: the tree of a group of chunks of that file, from that
 * offset on <blob oid>.<size>.0          a file: the whole content of a file
 */
#pragma once

#include "syncd/git-object.h"
#include "syncd/sync-tree.h"

#define STAGING_PREFIX "refs/staging/"
/* The first half of the SHA-256 of the gateway's public key. */
#define STAGING_GATEWAY_DIGITS 16U
#define STAGING_NAME_MAX (sizeof(STAGING_PREFIX) + STAGING_GATEWAY_DIGITS + 1 + GIT_OID_HEXSZ)
/* The longest name of an entry, with its NUL. */
#define STAGING_ENTRY_MAX (GIT_OID_HEXSZ + 2 * 21 + 1)

typedef struct StagingEntry {
        SyncOid file;
        uint64_t size;   /* of the file */
        uint64_t offset; /* in it */
        bool group;
        git_oid id; /* of the tree of the group, or of the blob */
} StagingEntry;

/* Names the gateway by its public key, a line "<type> <base64> [<comment>]". 0, -EINVAL or -EIO. */
int staging_gateway_name(const char *public_key, char ret[static STAGING_GATEWAY_DIGITS + 1]);

/* "refs/staging/<gateway>/<tree>". */
void staging_reference_name(const char *gateway, const git_oid *tree, char ret[static STAGING_NAME_MAX]);

/* Makes the tree of the entries, which are put in its order; no two are equal. *ret is the caller's. 0 or
 * -ENOMEM. */
int staging_tree_write(StagingEntry *entries, size_t n, uint8_t **ret, size_t *ret_size);

/* 0, or -EBADMSG: not an entry of such a tree. */
int staging_entry_parse(const GitTreeEntry *e, StagingEntry *ret);
