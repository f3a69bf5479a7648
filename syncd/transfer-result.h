/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a conversation with the repository's server ended. */
#pragma once

#include "common/base/macro.h"

/* What is kept of the server's own words: hooks may be talkative. */
#define TRANSFER_TEXT_MAX ((size_t) 1024)

typedef enum TransferResult {
        TRANSFER_OK,
        TRANSFER_NON_FAST_FORWARD,      /* main is not at the commit's parent: fetch, plan again */
        TRANSFER_AUTHENTICATION_FAILED, /* the server does not take the key */
        TRANSFER_HOST_KEY_MISMATCH,     /* the server is not the provisioned one */
        TRANSFER_UNREACHABLE,           /* no connection, or it broke */
        TRANSFER_REFUSED,               /* the server said no: a hook, fsck, an unknown repository */
        TRANSFER_QUOTA_EXCEEDED,        /* the server's hook said so, with a line that begins with "quota" */
        TRANSFER_PROTOCOL_ERROR,        /* the other end does not speak as it must */
        TRANSFER_HISTORY_REWRITTEN,     /* main does not descend from what was its tip before */
        TRANSFER_CHANGED,               /* the content changed while it was read: scan again */
        TRANSFER_STOPPED,               /* a push made room for others; it can go on where it was */
        TRANSFER_DISK_FULL,             /* what comes has no room here */
        TRANSFER_LOCAL_ERROR,           /* this device's disk or memory */
        _TRANSFER_RESULT_MAX,
        _TRANSFER_RESULT_INVALID = -EINVAL,
} TransferResult;

/* A word, for messages between processes. */
const char *transfer_result_to_string(TransferResult result);

/* _TRANSFER_RESULT_INVALID for an unknown word. */
TransferResult transfer_result_from_string(const char *s);
