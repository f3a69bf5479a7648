/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One file over http or https, with libcurl. Blocks; lives in the transfer worker only. */
#pragma once

#include "agent/core/transfer-order.h"

/* Seconds. */
#define HTTP_TRANSFER_CONNECT_TIMEOUT 30L
/* Without a byte for so long the connection counts as cut. */
#define HTTP_TRANSFER_STALL_TIMEOUT 60L
#define HTTP_TRANSFER_REDIRECTS_MAX 5L
/* Tries, with a pause between them that doubles from one second on; each goes on where the last was cut. */
#define HTTP_TRANSFER_TRIES_MAX 5U

/* Carries the order out. A download is durable at order->path afterwards; beside it "<path>.validator" tells which
 * version of the file a part of it is (RFC 9110 section 13.1.5, If-Range). *ret is the caller's: a fault code of
 * TransferComplete (TR-069 A.3.3.2) and a text. */
void http_transfer(const TransferOrder *order, TransferResult *ret);
