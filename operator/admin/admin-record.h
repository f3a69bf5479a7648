/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit log's entries of what is done on the host itself, with or without a frontend. */
#pragma once

#include "common/base/macro.h"

/* Notes in the frontend's database, beside what the frontend does, that the caller's account is about to do this with
 * the directory. *ret_id stays as it is if that fails, which is logged. */
void record_begin(const char *database, const char *what, const char *directory, int64_t *ret_id);
/* Notes how it ended, as the HTTP API would say: 200 or 500. A failure is logged. */
void record_end(const char *database, int64_t id, bool done);
