/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CWMP message (TR-069 Annex A) without its XML: what session workers and the agent exchange. */
#pragma once

#include "agent/core/parameter-list.h"
#include "agent/core/transfer.h"

typedef enum CwmpMessageType {
        CWMP_EMPTY, /* HTTP request or response without an envelope */
        CWMP_FAULT,
        CWMP_UNKNOWN_METHOD,
        CWMP_INFORM,
        CWMP_INFORM_RESPONSE,
        CWMP_GET_RPC_METHODS,
        CWMP_GET_RPC_METHODS_RESPONSE,
        CWMP_SET_PARAMETER_VALUES,
        CWMP_SET_PARAMETER_VALUES_RESPONSE,
        CWMP_GET_PARAMETER_VALUES,
        CWMP_GET_PARAMETER_VALUES_RESPONSE,
        CWMP_GET_PARAMETER_NAMES,
        CWMP_GET_PARAMETER_NAMES_RESPONSE,
        CWMP_SET_PARAMETER_ATTRIBUTES,
        CWMP_SET_PARAMETER_ATTRIBUTES_RESPONSE,
        CWMP_GET_PARAMETER_ATTRIBUTES,
        CWMP_GET_PARAMETER_ATTRIBUTES_RESPONSE,
        CWMP_ADD_OBJECT,
        CWMP_ADD_OBJECT_RESPONSE,
        CWMP_DELETE_OBJECT,
        CWMP_DELETE_OBJECT_RESPONSE,
        CWMP_SCHEDULE_INFORM,
        CWMP_SCHEDULE_INFORM_RESPONSE,
        CWMP_REBOOT,
        CWMP_REBOOT_RESPONSE,
        CWMP_FACTORY_RESET,
        CWMP_FACTORY_RESET_RESPONSE,
        CWMP_DOWNLOAD,
        CWMP_DOWNLOAD_RESPONSE,
        CWMP_UPLOAD,
        CWMP_UPLOAD_RESPONSE,
        CWMP_SCHEDULE_DOWNLOAD,
        CWMP_SCHEDULE_DOWNLOAD_RESPONSE,
        CWMP_CANCEL_TRANSFER,
        CWMP_CANCEL_TRANSFER_RESPONSE,
        CWMP_GET_QUEUED_TRANSFERS,
        CWMP_GET_QUEUED_TRANSFERS_RESPONSE,
        CWMP_GET_ALL_QUEUED_TRANSFERS,
        CWMP_GET_ALL_QUEUED_TRANSFERS_RESPONSE,
        CWMP_TRANSFER_COMPLETE,
        CWMP_TRANSFER_COMPLETE_RESPONSE,
        CWMP_MESSAGE_TYPE_MAX,
} CwmpMessageType;

/* TR-069 A.5.1, as far as this agent gives them. */
typedef enum CwmpFault {
        FAULT_METHOD_NOT_SUPPORTED = 9000,
        FAULT_REQUEST_DENIED = 9001,
        FAULT_INTERNAL_ERROR = 9002,
        FAULT_INVALID_ARGUMENTS = 9003,
        FAULT_RESOURCES_EXCEEDED = 9004,
        FAULT_INVALID_PARAMETER_NAME = 9005,
        FAULT_INVALID_PARAMETER_TYPE = 9006,
        FAULT_INVALID_PARAMETER_VALUE = 9007,
        FAULT_NON_WRITABLE_PARAMETER = 9008,
        FAULT_NOTIFICATION_REQUEST_REJECTED = 9009,
        FAULT_TRANSFER_FAILURE = 9010,
        FAULT_UPLOAD_FAILURE = 9011,
        FAULT_SERVER_AUTHENTICATION = 9012,
        FAULT_UNSUPPORTED_PROTOCOL = 9013,
        FAULT_CANNOT_CONTACT_SERVER = 9015,
        FAULT_CANNOT_ACCESS_FILE = 9016,
        FAULT_CANNOT_COMPLETE_DOWNLOAD = 9017,
        FAULT_FILE_CORRUPTED = 9018,
        FAULT_OUTSIDE_TIME_WINDOWS = 9020,
        FAULT_CANCELLATION_NOT_PERMITTED = 9021,
} CwmpFault;

/* TR-069 A.5.2: the ACS asks for the same request again. */
#define ACS_FAULT_METHOD_NOT_SUPPORTED 8000U
#define ACS_FAULT_RETRY_REQUEST 8005U
#define ACS_FAULT_INCOMPATIBLE_VERSION 8006U

/* TR-069 Annex A: ParameterKey and CommandKey. */
#define CWMP_KEY_MAX 32U

typedef struct CwmpMessage {
        CwmpMessageType type;
        char *id;                 /* cwmp:ID; NULL if the peer sent none */
        bool hold_requests;
        char *use_version;        /* cwmp:UseCWMPVersion; NULL if the ACS sent none */
        uint32_t fault_code;      /* FAULT */
        char *fault_string;
        char *path;               /* ParameterPath, ObjectName */
        char *key;                /* ParameterKey, CommandKey */
        bool next_level;
        uint32_t number;          /* InstanceNumber, DelaySeconds, RetryCount */
        uint32_t status;          /* Status of responses */
        ParameterList parameters; /* ParameterList, ParameterNames, MethodList, SetParameterValuesFaults */
        ParameterList events;     /* Inform: name is the EventCode, value the CommandKey */
        TransferList transfers;   /* of the transfer methods: one; GetQueuedTransfers and the like: all */
        char *manufacturer, *oui, *product_class, *serial_number, *current_time; /* Inform */
} CwmpMessage;

/* A new message of that type, or NULL if memory ran out. */
CwmpMessage *cwmp_message_new(CwmpMessageType type);
CwmpMessage *cwmp_message_free(CwmpMessage *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(CwmpMessage *, cwmp_message_free);

/* A fault with the standard's text for the code; NULL if memory ran out. */
CwmpMessage *cwmp_message_new_fault(uint32_t code);

/* "Invalid parameter name" and so on; "Fault" for codes that are not in CwmpFault. */
const char *cwmp_fault_text(uint32_t code);

/* "GetParameterValues"; NULL for what has no name. */
const char *cwmp_message_type_to_string(CwmpMessageType type);

/* True for what an ACS may ask of a CPE, known or not: it must be answered. */
bool cwmp_message_is_request(const CwmpMessage *m);

/* Writes what cwmp_message_get() reads. What fails shows in the writer. */
void cwmp_message_put(WireWriter *w, const CwmpMessage *m);
/* A new message of the caller's; NULL if the data is not one, and the reader then holds the error. */
CwmpMessage *cwmp_message_get(WireReader *r);
