/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/sync-op.h"

static const char *const kind_names[_SYNC_OP_MAX] = {
        [SYNC_OP_PULL] = "pull",
        [SYNC_OP_PREFETCH] = "prefetch",
        [SYNC_OP_PUSH] = "push",
        [SYNC_OP_RESCAN] = "rescan",
};

static const char *const outcome_names[_SYNC_OUTCOME_MAX] = {
        [SYNC_OUTCOME_STARTED] = "started",
        [SYNC_OUTCOME_OK] = "ok",
        [SYNC_OUTCOME_CONFLICT] = "conflict",
        [SYNC_OUTCOME_ERROR] = "error:",
};

const char *sync_op_kind_to_string(SyncOpKind kind) {
        assert(kind >= 0 && kind < _SYNC_OP_MAX);
        return kind_names[kind];
}

int sync_op_parse(const char *s, SyncOp *ret) {
        uint32_t opseq;

        for (SyncOpKind kind = 0; kind < _SYNC_OP_MAX; kind++) {
                const char *rest = startswith(s, kind_names[kind]);

                if (!rest || *rest != ' ')
                        continue;
                rest++;
                if (*rest == '0' || parse_uint32(rest, &opseq) < 0)
                        return -EINVAL;
                *ret = (SyncOp) { .kind = kind, .opseq = opseq };
                return 0;
        }
        return -EINVAL;
}

char *sync_revision_format(const SyncRevision *revision, char buf[static SYNC_REVISION_SIZE]) {
        if (revision->n == 0)
                buf[0] = 0;
        else
                (void) snprintf(buf, SYNC_REVISION_SIZE, "%" PRIu64 ".%.40s", revision->n, revision->commit);
        return buf;
}

int sync_revision_parse(const char *s, SyncRevision *ret) {
        SyncRevision revision = {};
        const char *dot = strchr(s, '.');
        char number[21];
        uint8_t id[20];

        if (isempty(s)) {
                *ret = revision;
                return 0;
        }
        if (!dot || (size_t) (dot - s) >= sizeof(number))
                return -EINVAL;
        memcpy(number, s, (size_t) (dot - s));
        number[dot - s] = 0;
        if (*number == '0' || parse_uint64(number, &revision.n) < 0 ||
            parse_hex(dot + 1, id, sizeof(id)) < 0)
                return -EINVAL;
        (void) format_hex(id, sizeof(id), revision.commit);
        *ret = revision;
        return 0;
}

char *sync_status_format(
                SyncOp op,
                SyncOutcome outcome,
                const char *word,
                const SyncRevision *revision,
                char buf[static SYNC_STATUS_SIZE]) {

        char rev[SYNC_REVISION_SIZE] = "", opseq[11] = "-";

        if (op.opseq > 0)
                (void) snprintf(opseq, sizeof(opseq), "%" PRIu32, op.opseq);
        if (revision)
                (void) sync_revision_format(revision, rev);
        (void) snprintf(
                        buf,
                        SYNC_STATUS_SIZE,
                        "%s %s %s%.*s %s",
                        sync_op_kind_to_string(op.kind),
                        opseq,
                        outcome_names[outcome],
                        outcome == SYNC_OUTCOME_ERROR ? (int) SYNC_WORD_MAX : 0,
                        strempty(word),
                        rev[0] ? rev : "-");
        return buf;
}
