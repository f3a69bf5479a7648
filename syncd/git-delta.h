/* SPDX-License-Identifier: GPL-2.0-or-later */
/* git's deltas: an object told as copies from another and bytes of its own (gitformat-pack(5), "Deltified
 * representation"). Pure; nothing here trusts its input. */
#pragma once

#include "common/base/macro.h"

/* Reads what the delta says of its base and its result, without the instructions. *ret_header is where these
 * begin. 0 or -EBADMSG. */
int git_delta_read_sizes(
                const uint8_t *delta,
                size_t size,
                uint64_t *ret_base_size,
                uint64_t *ret_result_size,
                size_t *ret_header);

/* Makes the result; result_size is what git_delta_read_sizes() told. The caller has bounded it. 0, or
 * -EBADMSG if the delta is not one of this base, copies from outside it, or does not make exactly the
 * result. */
int git_delta_apply(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *delta,
                size_t size,
                uint8_t *result,
                size_t result_size);

/* Makes a delta of target against base; *ret is the caller's. 0; -E2BIG if it would not be smaller than max
 * bytes; -ENOMEM. Both forms are of linear cost. The first finds what both begin and end with; the second
 * takes git trees, and finds each run of entries that they share. What is no tree gets a worse delta, never
 * a wrong one. */
int git_delta_of_bytes(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size,
                size_t max,
                uint8_t **ret,
                size_t *ret_size);
int git_delta_of_trees(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size,
                size_t max,
                uint8_t **ret,
                size_t *ret_size);
