/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a pack as a stream (gitformat-pack(5)). Needs the number of objects beforehand, and memory for one
 * object. */
#pragma once

#include <git2/oid.h>
#include <git2/types.h>

#include "common/base/macro.h"

typedef struct PackWriter PackWriter;

/* Takes the next bytes of the pack. 0 or a negative errno. */
typedef int (*PackSink)(const void *data, size_t size, void *userdata);

/* Begins a pack of exactly n_objects, each of which appears once. 0, -ENOMEM, or the sink's error. */
int pack_writer_new(PackWriter **ret, uint32_t n_objects, PackSink sink, void *userdata);
PackWriter *pack_writer_free(PackWriter *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(PackWriter *, pack_writer_free);

/* Adds an object. What does not shrink, as a sample tells, is stored: that is many times faster. 0 or the
 * sink's error. */
int pack_writer_add(PackWriter *w, git_object_t type, const void *data, size_t size);

/* Adds an object as a delta (git-delta.h) against another one, which the receiver has or which is in this
 * pack. */
int pack_writer_add_delta(PackWriter *w, const git_oid *base, const void *delta, size_t size);

/* Ends the pack, after n_objects were added. 0 or the sink's error. */
int pack_writer_finish(PackWriter *w);
