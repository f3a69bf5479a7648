/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side of git-receive-pack (gitprotocol-pack(5)): one push. Blocks: for the transfer worker.
 *
 * Errors of all functions: those of pkt-line.h; -EBADMSG if the other end does not speak as it must;
 * -EREMOTEIO if it said why it goes no further, and *text, the caller's, is that. */
#pragma once

#include <git2/oid.h>

#include "syncd/pkt-line.h"
#include "syncd/transfer-result.h"

typedef struct PushCommand {
        const char *name;
        git_oid old; /* zero: the reference does not exist */
        git_oid new; /* zero: it is to be removed */
} PushCommand;

/* Reads the references that there are, in the order of their names, and calls the handler for each. What a
 * session read long ago may be old; that does no harm, since each command tells what its reference must be.
 * A negative errno of the handler is returned at the end. */
typedef int (*ReceivePackReferenceHandler)(const char *name, const git_oid *id, void *userdata);
int receive_pack_begin(PktStream *s, ReceivePackReferenceHandler handler, void *userdata, char **text);

/* Orders the changes: all of them are made, or none. A pack follows, unless everything is removed. */
int receive_pack_command(PktStream *s, const PushCommand *commands, size_t n);

typedef struct PushReport {
        bool unpacked;
        unsigned updated;
        unsigned refused;
        char reason[256]; /* of the first refusal */
        size_t messages_size;
        char messages[4 * TRANSFER_TEXT_MAX]; /* what hooks and fsck printed */
} PushReport;

/* Reads what became of the push. */
int receive_pack_report(PktStream *s, PushReport *ret, char **text);

/* Tells from the report how the push ended. *ret_text becomes what the server said, and *ret_object the
 * object that its fsck refused, if it names one, else zero. */
TransferResult push_report_judge(PushReport *report, char **ret_text, git_oid *ret_object);
