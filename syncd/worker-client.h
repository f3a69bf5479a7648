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
/* Called once when the worker has ended, after the handlers of all requests; it may free the client. signal is what
 * killed it, or 0; SIGTERM does not count. */
typedef void (*TreeEndHandler)(TreeClient *c, int signal, void *userdata);

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

/* Sends what is not answered. 0 or a negative errno. */
int tree_client_tell(TreeClient *c, char *const *message);

/* --- ispstorage-sync-transfer: one command at a time; ends by itself when it is idle, and is started again
 * for the next command --------- */

/* The longest command: a first upload of a large disk over a slow line takes days, but goes on where it was
 * cut; a broken line is noticed by ssh long before. */
#define TRANSFER_TIMEOUT_USEC (UINT64_C(24) * 3600 * 1000000)

typedef struct TransferClient TransferClient;

typedef struct TransferAnswer {
        TransferResult result;
        const char *text;
        const char *commit;  /* main's tip as far as it is known, in hexadecimal; "" if the worker failed */
        const char *changed; /* the path that is not what it was when it was committed; NULL: none */
        const char *poison;  /* the path that the server refuses; NULL: none */
        const char *version; /* with it, the oid of the file there: of the version that is refused */
        bool next_key;       /* the new key was accepted and is the current one */
        uint64_t sent;
        uint64_t received;
} TransferAnswer;

/* Called up to four times a second, with bytes; total is 0 if it is not known. yielding: it gives way to other
 * traffic at the moment. */
typedef void (*TransferProgressHandler)(uint64_t done, uint64_t total, bool yielding, void *userdata);
/* Called once for each command; it may free the client, or send the next command. */
typedef void (*TransferHandler)(TransferClient *c, const TransferAnswer *answer, void *userdata);

/* argv, of which a copy is made, is as transfer-worker.c has it. Nothing is started yet. 0 or -ENOMEM. */
int transfer_client_new(TransferClient **ret, sd_event *event, char *const argv[]);
/* Kills the worker; a command that runs gets no answer. Returns NULL. */
TransferClient *transfer_client_free(TransferClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(TransferClient *, transfer_client_free);

/* Sends a command (transfer-worker.c). progress may be NULL. 0; -EBUSY while one runs; or a negative errno,
 * then the handler is not called. */
int transfer_client_send(
                TransferClient *c,
                char *const *message,
                TransferProgressHandler progress,
                TransferHandler done,
                void *userdata);

/* Tells the worker, while a command runs, what holds from now on (transfer-pace.h); what comes too late is passed
 * over. 0, -ENOTCONN if no worker runs, or another negative errno. */
int transfer_client_tell(TransferClient *c, char *const *message);
