/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file transfers that the ACS ordered, in one file that is written before anything is acknowledged or begun. One
 * runs at a time. What is done stays here until the ACS has answered the TransferComplete. No I/O but that file; the
 * times are UTC seconds, so that delays go on while the device is off. */
#pragma once

#include "agent/core/parameter-list.h"
#include "agent/core/transfer.h"

typedef struct TransferQueue TransferQueue;

/* The whole queue with the longest strings fits many times. */
#define TRANSFER_QUEUE_FILE_MAX (256U * 1024U)
/* Begun so often without an end (power cuts, a firmware that does not come up), a transfer is given up. */
#define TRANSFER_TRIES_MAX 5U
/* Between two tries in one window of a ScheduleDownload. */
#define TRANSFER_RETRY_SEC 60

/* path is the file, NULL for none. What was in progress is not started: it is begun again. 0, -EBADMSG if the file is
 * damaged (then it was moved to "<path>.corrupt" and *ret is empty and usable), or a negative errno. */
int transfer_queue_new(TransferQueue **ret, const char *path);
TransferQueue *transfer_queue_free(TransferQueue *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(TransferQueue *, transfer_queue_free);

/* Takes an order (copied, with its delay or windows) that transfer_check() found right. Durable on return. 0, -ENOSPC,
 * or a negative errno. */
int transfer_queue_add(TransferQueue *q, const Transfer *order, int64_t now);

/* Cancels all with that CommandKey that are not completed (TR-069 A.4.1.9); *ret_running is the one of them that is in
 * progress, or NULL: it stays until the caller stopped it and called transfer_queue_remove(). 0 or a negative errno. */
int transfer_queue_cancel(TransferQueue *q, const char *command_key, const Transfer **ret_running);

/* The transfer that is to be begun now, or NULL: none is due, or one is in progress. Those that missed their last
 * window are completed with fault 9020. */
const Transfer *transfer_queue_next(TransferQueue *q, int64_t now);
/* When to ask for the next one: UTC seconds, INT64_MAX if never. */
int64_t transfer_queue_due(const TransferQueue *q);

/* The transfer has begun (durable on return). 0 or a negative errno. */
int transfer_queue_begin(TransferQueue *q, uint32_t number, int64_t now);
/* It is over; text is NULL for the standard's text of the code. A scheduled one that may be tried again waits for its
 * window instead. Durable on return. 0 or a negative errno. */
int transfer_queue_end(TransferQueue *q, uint32_t number, uint32_t fault_code, const char *text, int64_t now);
/* The ACS knows, or it was cancelled. Durable on return. 0 or a negative errno. */
int transfer_queue_remove(TransferQueue *q, uint32_t number);

/* True if something is completed that the ACS was not told in the session under way. */
bool transfer_queue_has_news(const TransferQueue *q);
/* Appends the events of what is completed (name: code, value: CommandKey) and marks it as informed. 0 or -ENOMEM. */
int transfer_queue_collect(TransferQueue *q, ParameterList *events);
/* The session is over: what is still here is told in the next. */
void transfer_queue_session_ended(TransferQueue *q);

/* All of them, in their order; stays the queue's. */
const TransferList *transfer_queue_list(const TransferQueue *q);
