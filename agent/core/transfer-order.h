/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent tells a transfer worker, and how that ended: one message each way over the worker's socket pair. */
#pragma once

#include "agent/core/wire.h"
#include "common/base/macro.h"

/* Four strings of 256 characters, and paths. */
#define TRANSFER_ORDER_MAX (16U * 1024U)

typedef struct TransferOrder {
        bool upload;
        char *url, *username, *password;
        char *path;                 /* of the file here; a download that was cut goes on where it ended */
        char *trusted_certificates; /* file with the authorities of https servers */
        uint64_t file_size;         /* as the ACS told; 0 if it did not */
        uint64_t max_size;          /* bytes */
        uint64_t disk_floor;        /* bytes that stay free on the file's disk */
} TransferOrder;

typedef struct TransferResult {
        uint32_t fault_code; /* 0, or 9010 to 9018 */
        char *text;          /* for people; NULL if it went well */
} TransferResult;

void transfer_order_done(TransferOrder *o);
#define _cleanup_transfer_order_ _cleanup_(transfer_order_done)
void transfer_result_done(TransferResult *r);
#define _cleanup_transfer_result_ _cleanup_(transfer_result_done)

/* 0, or a negative errno. */
int transfer_order_send(int fd, const TransferOrder *o);
int transfer_result_send(int fd, const TransferResult *r);

/* *ret is the caller's. 1, 0 if the other side has closed, -EAGAIN on a non-blocking descriptor, -EBADMSG, or another
 * negative errno. */
int transfer_order_receive(int fd, TransferOrder *ret);
int transfer_result_receive(int fd, TransferResult *ret);
