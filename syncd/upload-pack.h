/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side of git-upload-pack, protocol version 2 (gitprotocol-v2(5)). One conversation has any
 * number of requests, and the next may be sent before the answer to the last has come. Blocks: for the
 * transfer worker.
 *
 * Errors of all functions: those of pkt-line.h; -EBADMSG if the other end does not speak as it must;
 * -EREMOTEIO if it said why it goes no further: *text, the caller's, is what it said then. After an error
 * the conversation is over. */
#pragma once

#include "syncd/pack-reader.h"
#include "syncd/pkt-line.h"

/* Objects that are asked for in one request: few enough that a cut costs little, enough that requests do not
 * count. */
#define UPLOAD_PACK_WANTS_MAX 256U
/* Requests that are under way at once: the link does not idle while the server begins with the next. More
 * would fill the buffers on the way. */
#define UPLOAD_PACK_REQUESTS_MAX 2U
/* Trees, each of a batch of some MiB, that are told the server to be here. More would come once more. */
#define UPLOAD_PACK_HAVE_TREES_MAX 256U

typedef struct UploadPackRequest {
        const char *want_reference; /* the tip of this reference, NULL for none; it must exist */
        const git_oid *wants;       /* objects; each must exist */
        size_t n_wants;             /* at most UPLOAD_PACK_WANTS_MAX */
        const git_oid *have;        /* a commit that is here with its history; NULL for none */
        const git_oid *have_trees;  /* trees that are here with what they name, or on their way; those that the server
                                     * does not know do not matter */
        size_t n_have_trees;        /* at most UPLOAD_PACK_HAVE_TREES_MAX; only with have */
        bool certain;               /* send what have does not reach, also if what is wanted does not lead back to it */
        bool thin;                  /* deltas may be against what that commit reaches */
        /* "blob:none", "blob:limit=<bytes>"; NULL: everything. Objects that are asked for by their id come
         * in any case. */
        const char *filter;
} UploadPackRequest;

/* Reads what the server can do; once, first. -EBADMSG also if it cannot do what is needed here (version 2,
 * SHA-1, filter, want-ref). */
int upload_pack_begin(PktStream *s, char **text);

/* Calls the handler for each reference that begins with one of the prefixes (a NULL-terminated list). In an
 * old conversation the answer may be old: git reads packed references once. A negative errno of the handler
 * is returned at the end. */
typedef int (*UploadPackReferenceHandler)(const char *name, const git_oid *id, void *userdata);
int upload_pack_list(
                PktStream *s,
                char *const *prefixes,
                UploadPackReferenceHandler handler,
                void *userdata,
                char **text);

/* Sends a request for objects. */
int upload_pack_request(PktStream *s, const UploadPackRequest *request);

/* Reads the answer to the first request that has none yet. With want_reference, *ret_tip is its tip. Errors
 * as of pack_read() besides, and -ESTALE: nothing was sent, as what is wanted does not lead back to have as far as the
 * server has looked; the conversation goes on. */
int upload_pack_receive(
                PktStream *s,
                const char *want_reference,
                git_oid *ret_tip,
                const PackConsumer *consumer,
                PackSummary *ret_summary,
                char **text);
