/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/soap-codec-transfer.h"

#include "common/base/parse.h"
#include "common/base/str.h"

static int copy_text(char **ret, const char *s) {
        return free_and_strdup(ret, strempty(s)) < 0 ? SOAP_EOM : SOAP_OK;
}

/* gSOAP's structures are not const, though it only reads them here. */
static char *text(const char *s) {
        return (char *) (uintptr_t) strempty(s);
}

/* The message's one transfer. */
static Transfer *transfer_of(CwmpMessage *m, TransferKind kind) {
        m->transfers.n = 1;
        m->transfers.items[0].kind = kind;
        return m->transfers.items;
}

int soap_codec_get_download(struct soap *soap, CwmpMessage *m) {
        Transfer *t = transfer_of(m, TRANSFER_DOWNLOAD);
        struct cwmp__Download d;

        soap_default_cwmp__Download(soap, &d);
        if (!soap_get_cwmp__Download(soap, &d, NULL, NULL))
                return soap->error;
        t->file_size = d.FileSize;
        t->delay_sec = d.DelaySeconds;
        return copy_text(&t->command_key, d.CommandKey) || copy_text(&t->file_type, d.FileType) ||
                               copy_text(&t->url, d.URL) || copy_text(&t->username, d.Username) ||
                               copy_text(&t->password, d.Password) ||
                               copy_text(&t->target_file_name, d.TargetFileName) ?
                               SOAP_EOM : SOAP_OK;
}

int soap_codec_get_upload(struct soap *soap, CwmpMessage *m) {
        Transfer *t = transfer_of(m, TRANSFER_UPLOAD);
        struct cwmp__Upload u;

        soap_default_cwmp__Upload(soap, &u);
        if (!soap_get_cwmp__Upload(soap, &u, NULL, NULL))
                return soap->error;
        t->delay_sec = u.DelaySeconds;
        return copy_text(&t->command_key, u.CommandKey) || copy_text(&t->file_type, u.FileType) ||
                               copy_text(&t->url, u.URL) || copy_text(&t->username, u.Username) ||
                               copy_text(&t->password, u.Password) ?
                               SOAP_EOM : SOAP_OK;
}

/* More windows than there can be are one too many, which the check of the order finds. */
static int get_windows(const struct TimeWindowList *l, Transfer *t) {
        for (int i = 0; i < l->__size; i++) {
                const struct cwmp__TimeWindowStruct *w = l->__ptrTimeWindowStruct + i;
                if (!w->WindowMode)
                        continue;
                if (t->n_windows == TRANSFER_WINDOWS_MAX) {
                        t->windows[0].end = 0;
                        return SOAP_OK;
                }

                TransferWindow *to = t->windows + t->n_windows++;
                *to = (TransferWindow) {
                        .start = w->WindowStart,
                        .end = w->WindowEnd,
                        .max_retries = w->MaxRetries,
                };
                if (copy_text(&to->mode, w->WindowMode))
                        return SOAP_EOM;
        }
        return SOAP_OK;
}

int soap_codec_get_schedule_download(struct soap *soap, CwmpMessage *m) {
        Transfer *t = transfer_of(m, TRANSFER_SCHEDULED_DOWNLOAD);
        struct cwmp__ScheduleDownload d;

        soap_default_cwmp__ScheduleDownload(soap, &d);
        if (!soap_get_cwmp__ScheduleDownload(soap, &d, NULL, NULL))
                return soap->error;
        t->file_size = d.FileSize;
        return copy_text(&t->command_key, d.CommandKey) || copy_text(&t->file_type, d.FileType) ||
                               copy_text(&t->url, d.URL) || copy_text(&t->username, d.Username) ||
                               copy_text(&t->password, d.Password) ||
                               copy_text(&t->target_file_name, d.TargetFileName) ||
                               get_windows(&d.TimeWindowList, t) ?
                               SOAP_EOM : SOAP_OK;
}

int soap_codec_get_cancel_transfer(struct soap *soap, CwmpMessage *m) {
        struct cwmp__CancelTransfer t;

        soap_default_cwmp__CancelTransfer(soap, &t);
        if (!soap_get_cwmp__CancelTransfer(soap, &t, NULL, NULL))
                return soap->error;
        return copy_text(&m->key, t.CommandKey);
}

static int put_transfer_complete(struct soap *soap, const CwmpMessage *m) {
        const Transfer *t = m->transfers.items;
        char start[DATETIME_SIZE], complete[DATETIME_SIZE];
        struct cwmp__TransferComplete c = {
                .CommandKey = text(t->command_key),
                .FaultStruct = { .FaultCode = t->fault_code, .FaultString = text(t->fault_string) },
                .StartTime = format_datetime(t->start_time, start),
                .CompleteTime = format_datetime(t->complete_time, complete),
        };

        return soap_put_cwmp__TransferComplete(soap, &c, "cwmp:TransferComplete", "");
}

/* TransferStateType counts from 1. */
static int state_of(const Transfer *t) {
        return (int) t->state + 1;
}

static int put_queued(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__QueuedTransferStruct q[TRANSFERS_MAX];
        struct cwmp__GetQueuedTransfersResponse r = { .TransferList = { .__ptrQueuedTransferStruct = q } };

        for (size_t i = 0; i < m->transfers.n; i++) {
                const Transfer *t = m->transfers.items + i;
                if (t->kind != TRANSFER_SCHEDULED_DOWNLOAD)
                        q[r.TransferList.__size++] = (struct cwmp__QueuedTransferStruct) {
                                .CommandKey = text(t->command_key),
                                .State = state_of(t),
                        };
        }
        return soap_put_cwmp__GetQueuedTransfersResponse(soap, &r, "cwmp:GetQueuedTransfersResponse", "");
}

static int put_all_queued(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__AllQueuedTransferStruct q[TRANSFERS_MAX];
        struct cwmp__GetAllQueuedTransfersResponse r = {
                .TransferList = { .__ptrAllQueuedTransferStruct = q, .__size = (int) m->transfers.n },
        };

        for (size_t i = 0; i < m->transfers.n; i++) {
                const Transfer *t = m->transfers.items + i;
                q[i] = (struct cwmp__AllQueuedTransferStruct) {
                        .CommandKey = text(t->command_key),
                        .State = state_of(t),
                        .IsDownload = t->kind == TRANSFER_UPLOAD ? xsd__boolean__false_ : xsd__boolean__true_,
                        .FileType = text(t->file_type),
                        .FileSize = t->file_size,
                        .TargetFileName = text(t->target_file_name),
                };
        }
        return soap_put_cwmp__GetAllQueuedTransfersResponse(soap, &r, "cwmp:GetAllQueuedTransfersResponse", "");
}

int soap_codec_put_transfer(struct soap *soap, const CwmpMessage *m) {
        char unknown[DATETIME_SIZE];

        (void) format_datetime(INT64_MIN, unknown);
        switch (m->type) {
        case CWMP_DOWNLOAD_RESPONSE: {
                struct cwmp__DownloadResponse t = { (int) m->status, unknown, unknown };
                return soap_put_cwmp__DownloadResponse(soap, &t, "cwmp:DownloadResponse", "");
        }
        case CWMP_UPLOAD_RESPONSE: {
                struct cwmp__UploadResponse t = { (int) m->status, unknown, unknown };
                return soap_put_cwmp__UploadResponse(soap, &t, "cwmp:UploadResponse", "");
        }
        case CWMP_SCHEDULE_DOWNLOAD_RESPONSE: {
                struct cwmp__ScheduleDownloadResponse t = {};
                return soap_put_cwmp__ScheduleDownloadResponse(soap, &t, "cwmp:ScheduleDownloadResponse", "");
        }
        case CWMP_CANCEL_TRANSFER_RESPONSE: {
                struct cwmp__CancelTransferResponse t = {};
                return soap_put_cwmp__CancelTransferResponse(soap, &t, "cwmp:CancelTransferResponse", "");
        }
        case CWMP_GET_QUEUED_TRANSFERS_RESPONSE:
                return put_queued(soap, m);
        case CWMP_GET_ALL_QUEUED_TRANSFERS_RESPONSE:
                return put_all_queued(soap, m);
        case CWMP_TRANSFER_COMPLETE:
                return put_transfer_complete(soap, m);
        default:
                return soap->error = SOAP_NO_METHOD;
        }
}
