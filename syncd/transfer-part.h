/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of files, into which several processes may write: a prefetch and a fetch. As soon as one of them has
 * completed a file it may be in the user's folder, where nobody but the user writes any more. */
#pragma once

#include "syncd/content.h"

/* content_part_open(), also if another process makes the part at the same time. */
int transfer_part_open(ContentArea *a, const SyncOid *file, uint64_t size, int *ret_fd);

/* Writes to the part, which is open as fd, unless it is a part no more: content_part_complete() waits, and keeps others
 * from writing. 0; 1 if nothing was written; or a negative errno. */
int transfer_part_write(
                ContentArea *a, const SyncOid *file, int fd, const void *data, size_t size, uint64_t offset);
