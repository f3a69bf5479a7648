/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to the server: ssh sessions over one shared connection, with the key that the server takes. A
 * session of git-upload-pack stays open for the next request; one of git-receive-pack is opened beforehand,
 * since it serves one push. Blocks: for the transfer worker. */
#pragma once

#include "syncd/receive-pack.h"
#include "syncd/ssh-session.h"

typedef struct TransferLink {
        const char *directory;    /* of the instance: keys, known hosts */
        const char *control_path; /* of the shared connection, "" for none; the key's name is put behind it
                                   */
        RepositoryUrl url;
        bool background;     /* new connections are marked for the lower-effort service */
        RateLimit *limit_in; /* NULL: none */
        RateLimit *limit_out;
        int silence_msec; /* of new sessions, in place of PKT_SILENCE_MAX_MSEC; 0: that */

        SshSession *upload;
        uint64_t upload_reused; /* when it was given out again, monotonic; 0: it is new */
        SshSession *next_upload; /* opened beforehand: nothing was asked on it */
        SshSession *receive;
        bool next_key; /* the next key was accepted, and is the current one now */
        uint64_t sent; /* by the sessions that are closed */
        uint64_t received;
        char *text; /* what the server or ssh said last, NULL for nothing */
} TransferLink;

void transfer_link_done(TransferLink *l);

/* Bytes so far, in all sessions. */
void transfer_link_count(const TransferLink *l, uint64_t *ret_sent, uint64_t *ret_received);

/* Gives the session of git-upload-pack; with fresh, or if there is none, a new one. */
TransferResult transfer_link_upload(TransferLink *l, bool fresh, PktStream **ret);
/* A request on it failed with error (-E2BIG: what came is above a limit): closes it, and tells why. Sets text. */
TransferResult transfer_link_upload_failed(TransferLink *l, int error);
/* True if the failure is that of a session which died while it waited: another try with a new one is due. What the
 * server has ended says so at once; what fell silent is no case for a connection that is waited for as long again. */
bool transfer_link_upload_died(const TransferLink *l, int error);
/* Begins to open one, for when a new one is asked for next. Failures show when it is used. */
void transfer_link_prepare_upload(TransferLink *l);

/* Opens a session of git-receive-pack, or takes the one that was opened beforehand, and reads the references
 * that there are (receive_pack_begin()); the handler is called with NULL when it begins, perhaps again. The
 * session is the caller's, who gives it back to transfer_link_close(). *ret_fresh is false if the references
 * may have changed since. */
TransferResult transfer_link_receive(
                TransferLink *l,
                ReceivePackReferenceHandler handler,
                void *userdata,
                SshSession **ret,
                bool *ret_fresh);
/* Begins to open one, for the next push. Failures show when it is used. */
void transfer_link_prepare_receive(TransferLink *l);

/* Frees the session, and counts its bytes. Returns NULL. */
SshSession *transfer_link_close(TransferLink *l, SshSession *session);
/* Tells why a conversation ended with error, and sets text. */
TransferResult transfer_link_failure(TransferLink *l, SshSession *session, int error);
