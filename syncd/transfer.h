/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of the transfer worker, and what they have in common. All block. */
#pragma once

#include "syncd/content.h"
#include "syncd/git-store.h"
#include "syncd/transfer-link.h"
#include "syncd/upload-pack.h"

/* Blobs up to this come with the trees that name them: all metadata does, and the content of small files,
 * which saves a round trip each. */
#define TRANSFER_SMALL_BLOB_MAX 16384U
/* A %%meta blob of 256 records, or one bucket of a directory of a million entries. */
#define TRANSFER_META_MAX ((size_t) 16 << 20)

/* Commits, trees and metadata that one fetch may bring, in bytes as they are before they are packed: those of 50 TB of
 * large files, or a million versions. A server that sends more is broken, or a bomb. */
#define TRANSFER_METADATA_MAX (UINT64_C(16) << 30)

typedef struct Transfer {
        TransferLink link;
        GitStore *store;
        ContentArea area;
        uint64_t metadata_max; /* TRANSFER_METADATA_MAX, or less */
        int state_fd;
        int folder_fd;    /* of the user's folder, -EBADF if it is not there */
        char gateway[17]; /* in the names of staging refs (docs/repository-format.md) */

        /* Called with bytes that are done, of all that are expected (0: not known). -ECANCELED: the command
         * is to end soon; content that is on its way is taken in, and a push ends its batch. */
        int (*progress)(uint64_t done, uint64_t total, void *userdata);
        /* Waits for so long, or until progress() has something to say. */
        void (*wait)(uint64_t usec, void *userdata);
        void *userdata;
} Transfer;

/* How a command ended, besides its result. */
typedef struct TransferOutcome {
        git_oid tip; /* of main, as far as it is known now */
        char *path;  /* of what changed, or of what the server's fsck refused, or cannot be read; NULL: none */
        SyncOid version; /* the file there, which may be an older one than what is there now; zero: it is no file's */
} TransferOutcome;

/* Brings main's new commits, their trees and their metadata into the store, and sets GIT_STORE_REMOTE. known
 * is that reference as it was; another tells that it is of another repository, whose history this one need
 * not continue. Small files come along, to the content area. Results: all but TRANSFER_NON_FAST_FORWARD,
 * _QUOTA_EXCEEDED, _CHANGED and _STOPPED. */
TransferResult transfer_fetch(Transfer *t, const git_oid *known, bool another, TransferOutcome *ret);

/* Brings the trees of all of main's history into the store, as far as they are missing. The same results. */
TransferResult transfer_history(Transfer *t, const git_oid *tip);

/* Fetches trees by their ids, with all trees beneath them, into the store. It is not synced. */
TransferResult transfer_fetch_trees(Transfer *t, const git_oid *ids, size_t n);

/* The same with the metadata that is asked for by its own ids, and synced. */
TransferResult transfer_fetch_objects(Transfer *t, const git_oid *ids, size_t n);

/* Fetches what is wanted (wanted.c) to its place in the content area. The same results; TRANSFER_OK also if
 * it was to end before all had come. */
TransferResult transfer_content(Transfer *t, const Wanted *wanted);

/* Adds what of a file, or of a part of it, is missing in the content area: of a chunked file all that its
 * trees in the store name, or with group the chunks of that group at the offset; else the whole as one blob.
 * What is there is not fetched again: it is read and compared. 0; -E2BIG if no more can be wanted at once:
 * fetch, and ask again; -ENOSPC or another negative errno. */
int transfer_want_file(Transfer *t, const SyncOid *file, uint64_t size, Wanted *wanted);
int transfer_want_group(
                Transfer *t,
                const SyncOid *file,
                uint64_t size,
                const SyncOid *group,
                uint64_t offset,
                Wanted *wanted);

/* Takes off the list what is there: a prefetch may have brought some of it since it was made. 0; -ENOSPC or another
 * negative errno, then the list is only good to be freed. */
int transfer_want_rest(Transfer *t, Wanted *wanted);

/* Fetches whole files: each is "<oid>" or "<oid> <size>"; trees of chunks are fetched if the store does not
 * have them. The same results. */
TransferResult transfer_files(Transfer *t, char *const *files);

/* Brings what is new in the candidate, a descendant of main's tip known (zero: main does not exist yet), to
 * the server, and makes it main. TRANSFER_OK also if it is main already: an earlier push whose answer got
 * lost. TRANSFER_STOPPED: it was to end, and some of its batches wait on the server for the next try, until that or a
 * push for which last says that it leaves nothing to be pushed. Results: all but TRANSFER_HISTORY_REWRITTEN. */
TransferResult transfer_push(
                Transfer *t, const git_oid *known, const git_oid *candidate, bool last, TransferOutcome *ret);

/* Fetches what other gateways are about to make main, until main moves from known, or nothing new came for so long, or
 * as long as look_pace_patience() says. */
#define TRANSFER_PATIENCE_SEC 30U
TransferResult transfer_prefetch(Transfer *t, const git_oid *known, unsigned patience_sec);
