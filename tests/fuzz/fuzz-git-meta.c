/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"
#include "tests/fuzz/fuzz.h"

/* A record that was read is written as it was, but for fields of later versions. */
static void check_record(const MetaRecord *r) {
        _cleanup_free_ char *xattrs = NULL, *written = NULL, *again = NULL;
        SyncEntry e = { .kind = SYNC_FILE, .mtime_ns = r->mtime_ns, .size = r->size, .mode = r->mode };
        MetaBlob blob;
        size_t length;

        if (r->mode > 0777 || r->length > META_RECORD_MAX || meta_record_xattrs(r, &xattrs) < 0)
                abort();
        written = meta_record_new(r->stored, &e, xattrs, &length);
        if (!written || meta_blob_parse(TAKE_PTR(written), length, &blob) < 0 || blob.n != 1)
                abort();
        if (blob.records[0].mtime_ns != r->mtime_ns || blob.records[0].size != r->size ||
            blob.records[0].mode != r->mode || strcmp(blob.records[0].stored, r->stored) != 0 ||
            meta_record_xattrs(&blob.records[0], &again) < 0 || !xattrs != !again ||
            (xattrs && strcmp(xattrs, again) != 0))
                abort();
        meta_blob_done(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *copy = malloc(size);
        MetaBlob blob;

        if (size > 0 && !copy)
                abort();
        if (size > 0)
                memcpy(copy, data, size);
        if (meta_blob_parse(copy, size, &blob) < 0)
                return 0;
        for (size_t i = 0; i < blob.n; i++)
                check_record(blob.records + i);
        meta_blob_done(&blob);
        return 0;
}
