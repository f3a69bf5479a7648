/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the parameters Status, LastError and State. */
#include <errno.h>

#include "common/base/str.h"
#include "syncd/sync-fsm.h"

static const char *const status_names[_SYNC_STATUS_MAX] = {
        [SYNC_STATUS_DISABLED] = "Disabled",
        [SYNC_STATUS_INITIALIZING] = "Initializing",
        [SYNC_STATUS_READY] = "Ready",
        [SYNC_STATUS_SUBSCRIBED] = "Subscribed",
        [SYNC_STATUS_SUSPENDED] = "Suspended",
        [SYNC_STATUS_REJECTED] = "Rejected",
        [SYNC_STATUS_ERROR] = "Error",
};

static const char *const words[_SYNC_WORD_MAX] = {
        [SYNC_WORD_NONE] = "",
        [SYNC_WORD_NO_FOLDER] = "NoFolder",
        [SYNC_WORD_FOLDER_OFFLINE] = "FolderOffline",
        [SYNC_WORD_FOLDER_EMPTIED] = "FolderEmptied",
        [SYNC_WORD_MASS_DELETE] = "MassDelete",
        [SYNC_WORD_DISK_FULL] = "DiskFull",
        [SYNC_WORD_QUOTA_EXCEEDED] = "QuotaExceeded",
        [SYNC_WORD_STATE_LOST] = "StateLost",
        [SYNC_WORD_BAD_ENTRY] = "BadEntry",
        [SYNC_WORD_WATCH_DEGRADED] = "WatchDegraded",
        [SYNC_WORD_BAD_REPOSITORY_URL] = "BadRepositoryURL",
        [SYNC_WORD_AUTHENTICATION_FAILED] = "AuthenticationFailed",
        [SYNC_WORD_HOST_KEY_MISMATCH] = "HostKeyMismatch",
        [SYNC_WORD_UNREACHABLE] = "Unreachable",
        [SYNC_WORD_TRANSFER_FAILED] = "TransferFailed",
        [SYNC_WORD_REPOSITORY_CORRUPT] = "RepositoryCorrupt",
        [SYNC_WORD_NOT_SUBSCRIBED] = "NotSubscribed",
        [SYNC_WORD_INTERNAL_ERROR] = "InternalError",
};

static const char *const state_names[_SYNC_STATE_MAX] = {
        [SYNC_STATE_IDLE] = "idle",
        [SYNC_STATE_SCANNING] = "scanning",
        [SYNC_STATE_PUSHING] = "pushing",
        [SYNC_STATE_PULLING] = "pulling",
        [SYNC_STATE_HELD] = "held",
        [SYNC_STATE_OFFLINE] = "offline",
        [SYNC_STATE_FULL] = "full",
        [SYNC_STATE_DEGRADED] = "degraded",
};

const char *sync_status_to_string(SyncStatus status) {
        assert(status >= 0 && status < _SYNC_STATUS_MAX);
        return status_names[status];
}

SyncStatus sync_status_from_string(const char *s) {
        for (SyncStatus i = 0; i < _SYNC_STATUS_MAX; i++)
                if (streq(s, status_names[i]))
                        return i;
        return _SYNC_STATUS_INVALID;
}

const char *sync_word_to_string(SyncWord word) {
        assert(word >= 0 && word < _SYNC_WORD_MAX);
        return words[word];
}

SyncWord sync_word_from_string(const char *s) {
        for (SyncWord i = 0; i < _SYNC_WORD_MAX; i++)
                if (streq(s, words[i]))
                        return i;
        return _SYNC_WORD_INVALID;
}

const char *sync_state_to_string(SyncState state) {
        assert(state >= 0 && state < _SYNC_STATE_MAX);
        return state_names[state];
}

SyncWord sync_word_from_transfer(TransferResult result) {
        switch (result) {
        case TRANSFER_OK:
                return SYNC_WORD_NONE;
        case TRANSFER_AUTHENTICATION_FAILED:
                return SYNC_WORD_AUTHENTICATION_FAILED;
        case TRANSFER_HOST_KEY_MISMATCH:
                return SYNC_WORD_HOST_KEY_MISMATCH;
        case TRANSFER_UNREACHABLE:
                return SYNC_WORD_UNREACHABLE;
        case TRANSFER_QUOTA_EXCEEDED:
                return SYNC_WORD_QUOTA_EXCEEDED;
        case TRANSFER_HISTORY_REWRITTEN:
                return SYNC_WORD_REPOSITORY_CORRUPT;
        case TRANSFER_DISK_FULL:
                return SYNC_WORD_DISK_FULL;
        case TRANSFER_LOCAL_ERROR:
                return SYNC_WORD_INTERNAL_ERROR;
        case TRANSFER_NON_FAST_FORWARD:
        case TRANSFER_CHANGED:
        case TRANSFER_STOPPED:
        case TRANSFER_REFUSED:
        case TRANSFER_PROTOCOL_ERROR:
        case _TRANSFER_RESULT_MAX:
        case _TRANSFER_RESULT_INVALID:
        default:
                return SYNC_WORD_TRANSFER_FAILED;
        }
}

SyncWord sync_word_from_error(int error) {
        switch (-error) {
        case ENOSPC:
        case EDQUOT:
                return SYNC_WORD_DISK_FULL;
        case ENOENT:
        case ENOTDIR:
        case ESTALE:
        case EIO:
        case EROFS:
        case EOPNOTSUPP:
        case EXDEV:
                return SYNC_WORD_FOLDER_OFFLINE;
        case EBADMSG:
                return SYNC_WORD_REPOSITORY_CORRUPT;
        default:
                return SYNC_WORD_INTERNAL_ERROR;
        }
}
