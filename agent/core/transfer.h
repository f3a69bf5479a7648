/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file transfer that the ACS ordered (TR-069 A.3.2.8 Download, A.4.1.5 Upload, A.4.1.8 ScheduleDownload), from the
 * order to the TransferComplete that reports it. */
#pragma once

#include "agent/core/wire.h"
#include "common/base/macro.h"

/* cwmp-1-2.xsd: QueuedTransferStruct; what GetAllQueuedTransfers can list. */
#define TRANSFERS_MAX 16U
/* cwmp-1-2.xsd: TimeWindowList. */
#define TRANSFER_WINDOWS_MAX 2U
/* cwmp-1-2.xsd: URL, Username, Password, TargetFileName, FaultString; FileType. */
#define TRANSFER_STRING_MAX 256U
#define TRANSFER_FILE_TYPE_MAX 64U

typedef enum TransferKind {
        TRANSFER_DOWNLOAD,
        TRANSFER_UPLOAD,
        TRANSFER_SCHEDULED_DOWNLOAD,
        TRANSFER_KIND_MAX,
} TransferKind;

/* The first three as in QueuedTransferStruct (TR-069 A.4.1.7) once one is added to them. */
typedef enum TransferState {
        TRANSFER_NOT_STARTED,
        TRANSFER_IN_PROGRESS,
        TRANSFER_COMPLETED, /* the ACS has yet to be told */
        TRANSFER_STATE_MAX,
} TransferState;

/* Seconds since the order; modes 1 and 2 of TR-069 A.4.1.8 only. */
typedef struct TransferWindow {
        uint32_t start, end;
        char *mode;
        int32_t max_retries; /* -1: as the device thinks fit */
} TransferWindow;

typedef struct Transfer {
        TransferKind kind;
        TransferState state;
        uint32_t number; /* of the file on disk and the apply unit's instance; unique in the queue */
        char *command_key, *file_type, *url, *username, *password, *target_file_name;
        uint32_t file_size; /* 0: not told */
        uint32_t delay_sec; /* in the order only */
        TransferWindow windows[TRANSFER_WINDOWS_MAX];
        size_t n_windows;
        int64_t ordered; /* UTC seconds */
        int64_t due;     /* UTC seconds: when it may start */
        uint32_t tries;  /* begun so far */
        uint32_t fault_code; /* COMPLETED: 0 or 9001 to 9020 */
        char *fault_string;
        int64_t start_time, complete_time; /* UTC seconds, INT64_MIN unknown */
        bool informed; /* the session's Inform has its events; not persistent */
} Transfer;

typedef struct TransferList {
        Transfer items[TRANSFERS_MAX];
        size_t n;
} TransferList;

/* Frees the content. */
void transfer_done(Transfer *t);
#define _cleanup_transfer_ _cleanup_(transfer_done)

/* Appends a copy. 0, -ENOMEM, or -ENOSPC. */
int transfer_list_add(TransferList *l, const Transfer *t);
void transfer_list_done(TransferList *l);
void transfer_list_put(WireWriter *w, const TransferList *l);
/* Appends to the (empty) list; defects show in the reader. */
void transfer_list_get(WireReader *r, TransferList *l);

/* Checks an order: 0 or the CWMP fault code with which it is refused. */
uint32_t transfer_check(const Transfer *t);

/* The EventCode of the M event that reports it. */
const char *transfer_event(const Transfer *t);

/* The window that is open at the time, or NULL; for those that are not scheduled, NULL. */
const TransferWindow *transfer_window(const Transfer *t, int64_t now);
/* When the next window opens after the time, UTC seconds, or INT64_MAX if none does. */
int64_t transfer_next_window(const Transfer *t, int64_t now);
