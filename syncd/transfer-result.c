/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "syncd/transfer-result.h"

static const char *const result_names[_TRANSFER_RESULT_MAX] = {
        [TRANSFER_OK] = "ok",
        [TRANSFER_NON_FAST_FORWARD] = "non-fast-forward",
        [TRANSFER_AUTHENTICATION_FAILED] = "authentication-failed",
        [TRANSFER_HOST_KEY_MISMATCH] = "host-key-mismatch",
        [TRANSFER_UNREACHABLE] = "unreachable",
        [TRANSFER_REFUSED] = "refused",
        [TRANSFER_QUOTA_EXCEEDED] = "quota-exceeded",
        [TRANSFER_PROTOCOL_ERROR] = "protocol-error",
        [TRANSFER_HISTORY_REWRITTEN] = "history-rewritten",
        [TRANSFER_CHANGED] = "changed",
        [TRANSFER_STOPPED] = "stopped",
        [TRANSFER_DISK_FULL] = "disk-full",
        [TRANSFER_LOCAL_ERROR] = "local-error",
};

const char *transfer_result_to_string(TransferResult result) {
        assert(result >= 0 && result < _TRANSFER_RESULT_MAX);
        return result_names[result];
}

TransferResult transfer_result_from_string(const char *s) {
        for (TransferResult i = 0; i < _TRANSFER_RESULT_MAX; i++)
                if (streq(s, result_names[i]))
                        return i;
        return _TRANSFER_RESULT_INVALID;
}
