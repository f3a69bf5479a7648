/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/cwmp-message.h"

#include "common/base/str.h"

static const char *const message_names[CWMP_MESSAGE_TYPE_MAX] = {
        [CWMP_FAULT] = "Fault",
        [CWMP_INFORM] = "Inform",
        [CWMP_INFORM_RESPONSE] = "InformResponse",
        [CWMP_GET_RPC_METHODS] = "GetRPCMethods",
        [CWMP_GET_RPC_METHODS_RESPONSE] = "GetRPCMethodsResponse",
        [CWMP_SET_PARAMETER_VALUES] = "SetParameterValues",
        [CWMP_SET_PARAMETER_VALUES_RESPONSE] = "SetParameterValuesResponse",
        [CWMP_GET_PARAMETER_VALUES] = "GetParameterValues",
        [CWMP_GET_PARAMETER_VALUES_RESPONSE] = "GetParameterValuesResponse",
        [CWMP_GET_PARAMETER_NAMES] = "GetParameterNames",
        [CWMP_GET_PARAMETER_NAMES_RESPONSE] = "GetParameterNamesResponse",
        [CWMP_SET_PARAMETER_ATTRIBUTES] = "SetParameterAttributes",
        [CWMP_SET_PARAMETER_ATTRIBUTES_RESPONSE] = "SetParameterAttributesResponse",
        [CWMP_GET_PARAMETER_ATTRIBUTES] = "GetParameterAttributes",
        [CWMP_GET_PARAMETER_ATTRIBUTES_RESPONSE] = "GetParameterAttributesResponse",
        [CWMP_ADD_OBJECT] = "AddObject",
        [CWMP_ADD_OBJECT_RESPONSE] = "AddObjectResponse",
        [CWMP_DELETE_OBJECT] = "DeleteObject",
        [CWMP_DELETE_OBJECT_RESPONSE] = "DeleteObjectResponse",
        [CWMP_SCHEDULE_INFORM] = "ScheduleInform",
        [CWMP_SCHEDULE_INFORM_RESPONSE] = "ScheduleInformResponse",
        [CWMP_REBOOT] = "Reboot",
        [CWMP_REBOOT_RESPONSE] = "RebootResponse",
        [CWMP_FACTORY_RESET] = "FactoryReset",
        [CWMP_FACTORY_RESET_RESPONSE] = "FactoryResetResponse",
        [CWMP_DOWNLOAD] = "Download",
        [CWMP_DOWNLOAD_RESPONSE] = "DownloadResponse",
        [CWMP_UPLOAD] = "Upload",
        [CWMP_UPLOAD_RESPONSE] = "UploadResponse",
        [CWMP_SCHEDULE_DOWNLOAD] = "ScheduleDownload",
        [CWMP_SCHEDULE_DOWNLOAD_RESPONSE] = "ScheduleDownloadResponse",
        [CWMP_CANCEL_TRANSFER] = "CancelTransfer",
        [CWMP_CANCEL_TRANSFER_RESPONSE] = "CancelTransferResponse",
        [CWMP_GET_QUEUED_TRANSFERS] = "GetQueuedTransfers",
        [CWMP_GET_QUEUED_TRANSFERS_RESPONSE] = "GetQueuedTransfersResponse",
        [CWMP_GET_ALL_QUEUED_TRANSFERS] = "GetAllQueuedTransfers",
        [CWMP_GET_ALL_QUEUED_TRANSFERS_RESPONSE] = "GetAllQueuedTransfersResponse",
        [CWMP_TRANSFER_COMPLETE] = "TransferComplete",
        [CWMP_TRANSFER_COMPLETE_RESPONSE] = "TransferCompleteResponse",
};

static const char *const fault_texts[] = {
        "Method not supported",
        "Request denied",
        "Internal error",
        "Invalid arguments",
        "Resources exceeded",
        "Invalid parameter name",
        "Invalid parameter type",
        "Invalid parameter value",
        "Attempt to set a non-writable parameter",
        "Notification request rejected",
        "File transfer failure",
        "Upload failure",
        "File transfer server authentication failure",
        "Unsupported protocol for file transfer",
        "Unable to join multicast group",
        "Unable to contact file server",
        "Unable to access file",
        "Unable to complete download",
        "File corrupted",
        "File authentication failure",
        "Unable to complete download within specified time windows",
        "Cancelation of file transfer not permitted in current transfer state",
};

CwmpMessage *cwmp_message_new(CwmpMessageType type) {
        CwmpMessage *m = calloc(1, sizeof(*m));
        if (m)
                m->type = type;
        return m;
}

CwmpMessage *cwmp_message_free(CwmpMessage *m) {
        if (!m)
                return NULL;

        free(m->id);
        free(m->use_version);
        free(m->fault_string);
        free(m->path);
        free(m->key);
        parameter_list_done(&m->parameters);
        parameter_list_done(&m->events);
        transfer_list_done(&m->transfers);
        free(m->manufacturer);
        free(m->oui);
        free(m->product_class);
        free(m->serial_number);
        free(m->current_time);
        return mfree(m);
}

CwmpMessage *cwmp_message_new_fault(uint32_t code) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_FAULT);
        if (!m)
                return NULL;

        m->fault_code = code;
        m->fault_string = strdup(cwmp_fault_text(code));
        return m->fault_string ? TAKE_PTR(m) : NULL;
}

const char *cwmp_fault_text(uint32_t code) {
        uint32_t i = code - FAULT_METHOD_NOT_SUPPORTED;
        return code >= FAULT_METHOD_NOT_SUPPORTED && i < ELEMENTSOF(fault_texts) ? fault_texts[i] : "Fault";
}

const char *cwmp_message_type_to_string(CwmpMessageType type) {
        return type < CWMP_MESSAGE_TYPE_MAX ? message_names[type] : NULL;
}

bool cwmp_message_is_request(const CwmpMessage *m) {
        switch (m->type) {
        case CWMP_UNKNOWN_METHOD:
        case CWMP_GET_RPC_METHODS:
        case CWMP_SET_PARAMETER_VALUES:
        case CWMP_GET_PARAMETER_VALUES:
        case CWMP_GET_PARAMETER_NAMES:
        case CWMP_SET_PARAMETER_ATTRIBUTES:
        case CWMP_GET_PARAMETER_ATTRIBUTES:
        case CWMP_ADD_OBJECT:
        case CWMP_DELETE_OBJECT:
        case CWMP_SCHEDULE_INFORM:
        case CWMP_REBOOT:
        case CWMP_FACTORY_RESET:
        case CWMP_DOWNLOAD:
        case CWMP_UPLOAD:
        case CWMP_SCHEDULE_DOWNLOAD:
        case CWMP_CANCEL_TRANSFER:
        case CWMP_GET_QUEUED_TRANSFERS:
        case CWMP_GET_ALL_QUEUED_TRANSFERS:
                return true;
        default:
                return false;
        }
}

void cwmp_message_put(WireWriter *w, const CwmpMessage *m) {
        wire_put_u32(w, m->type);
        wire_put_string(w, m->id);
        wire_put_u32(w, m->hold_requests);
        wire_put_string(w, m->use_version);
        wire_put_u32(w, m->fault_code);
        wire_put_string(w, m->fault_string);
        wire_put_string(w, m->path);
        wire_put_string(w, m->key);
        wire_put_u32(w, m->next_level);
        wire_put_u32(w, m->number);
        wire_put_u32(w, m->status);
        parameter_list_put(w, &m->parameters);
        parameter_list_put(w, &m->events);
        transfer_list_put(w, &m->transfers);
        wire_put_string(w, m->manufacturer);
        wire_put_string(w, m->oui);
        wire_put_string(w, m->product_class);
        wire_put_string(w, m->serial_number);
        wire_put_string(w, m->current_time);
}

CwmpMessage *cwmp_message_get(WireReader *r) {
        uint32_t type = wire_get_u32(r);
        if (r->error == 0 && type >= CWMP_MESSAGE_TYPE_MAX)
                r->error = -EBADMSG;
        if (r->error < 0)
                return NULL;

        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(type);
        if (!m) {
                r->error = -ENOMEM;
                return NULL;
        }

        m->id = wire_get_string(r);
        m->hold_requests = wire_get_u32(r);
        m->use_version = wire_get_string(r);
        m->fault_code = wire_get_u32(r);
        m->fault_string = wire_get_string(r);
        m->path = wire_get_string(r);
        m->key = wire_get_string(r);
        m->next_level = wire_get_u32(r);
        m->number = wire_get_u32(r);
        m->status = wire_get_u32(r);
        parameter_list_get(r, &m->parameters);
        parameter_list_get(r, &m->events);
        transfer_list_get(r, &m->transfers);
        m->manufacturer = wire_get_string(r);
        m->oui = wire_get_string(r);
        m->product_class = wire_get_string(r);
        m->serial_number = wire_get_string(r);
        m->current_time = wire_get_string(r);
        return r->error < 0 ? NULL : TAKE_PTR(m);
}
