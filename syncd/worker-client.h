/* SPDX-License-Identifier: GPL-2.0-or-later */
/* syncd's end of its two workers. Nothing here waits. */
#pragma once

#include "common/daemon/worker.h"
#include "syncd/transfer-result.h"
#include "syncd/worker-message.h"

/* --- ispstorage-sync-tree: lives long, answers requests in their order
 * ------------------------------------------------- */

typedef struct TreeClient TreeClient;

/* Called for each message of an answer; the last one has event=done. message is NULL if the worker ended
 * before that. */
typedef void (*TreeReplyHandler)(char *const *message, void *userdata);
/* Called once when the worker has ended, after the handlers of all requests; it may free the client. */
typedef void (*TreeEndHandler)(TreeClient *c, void *userdata);

/* Starts it. opened gets the answer to the opening of the folder. 0 or a negative errno. */
int tree_client_new(
                TreeClient **ret,
                sd_event *event,
                char *const argv[],
                TreeReplyHandler opened,
                TreeEndHandler ended,
                void *userdata);
/* Kills it. The handlers of all requests are called with NULL, the TreeEndHandler is not. Returns NULL. */
TreeClient *tree_client_free(TreeClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(TreeClient *, tree_client_free);

/* Sends a request. 0; -EBUSY if too many wait; or a negative errno, then the handler is not called. */
int tree_client_send(TreeClient *c, char *const *message, TreeReplyHandler handler, void *userdata);

/* --- ispstorage-sync-transfer: one conversation
 * ------------------------------------------------------------------------ */

/* The longest conversation: a first upload of a large disk over a slow line takes days, but comes in
 * many; a broken line is noticed by ssh long before. */
#define TRANSFER_TIMEOUT_USEC (UINT64_C(24) * 3600 * 1000000)

typedef struct TransferClient TransferClient;

typedef struct TransferAnswer {
        TransferResult result;
        const char *text;
        bool next_key; /* the new key was accepted and is the current one */
        uint64_t sent;
        uint64_t received;
} TransferAnswer;

/* Called once; it may free the client. */
typedef void (*TransferHandler)(TransferClient *c, const TransferAnswer *answer, void *userdata);

int transfer_client_new(
                TransferClient **ret,
                sd_event *event,
                char *const argv[],
                TransferHandler handler,
                void *userdata);
/* Tells the worker, while a command runs, what holds from now on (transfer-pace.h). 0 or a negative errno. */
int transfer_client_tell(TransferClient *c, char *const *message);
TransferClient *transfer_client_free(TransferClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(TransferClient *, transfer_client_free);
