/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A push while it runs: planning (transfer-push.c) and sending (push-send.c). */
#pragma once

#include "syncd/push-size.h"
#include "syncd/push-staging.h"
#include "syncd/staging-ref.h"
#include "syncd/transfer.h"

/* A batch never has less than this, and more only to end where the content says: so that what changes in one place does
 * not change all batches after it. */
#define PUSH_BATCH_LEAST(max) ((max) / 4 * 3)
#define PUSH_BATCH_MASK 15U
/* A push has no more batches than about this: each is a reference, which every session is told. */
#define PUSH_BATCHES_MAX 1024U
/* Objects that are planned at once. */
#define PUSH_WINDOW_MAX 16384U

typedef struct Push {
        Transfer *t;
        const git_oid *known;
        const git_oid *candidate;
        TransferOutcome *outcome;
        PushSource source;
        uint64_t done;
        uint64_t total;

        git_oid server_main;  /* as advertised */
        ObjectMap staged;     /* trees of our staging refs on the server */
        ObjectMap used;       /* those of this push's batches */
        bool last;            /* nothing is to be pushed after it */
        bool stop;            /* others wait: it ends at the next batch's end */
        SshSession *session;  /* for the next push, with its references read; NULL: another one is opened */
        SshSession *awaiting; /* a batch was sent on it, its report is due */
        bool fresh;           /* the first session is a new one; else it may have died while it waited */
        bool settle_first;    /* batches refer to objects of the one before */
} Push;

void push_done(Push *p);
/* Takes a failure of reading content of the file or, with NULL, of sending. */
TransferResult push_failure(Push *p, SshSession *session, int error, const PushFile *file);

/* Opens the first session, and learns what is staged. With *ret_landed, main is the candidate already. */
TransferResult push_open(Push *p, bool *ret_landed);
/* Sends the units (groups with chunks, chunks alone, and files) of the list as a batch, unless it has landed before.
 * TRANSFER_STOPPED: it is sent, and the push is to end: each try gets at least one batch further. */
TransferResult push_send_batch(Push *p, PushList *batch);
/* Tells how far it has come. 0 or a negative errno. */
int push_progress(Push *p);
/* Reads the report of the last batch. */
TransferResult push_settle(Push *p);
/* Sends the rest, reads the report of the last batch, moves main, and removes the staging refs, all at once. Those of
 * batches that are for later commits stay. */
TransferResult push_send_final(Push *p, PushList *rest);
