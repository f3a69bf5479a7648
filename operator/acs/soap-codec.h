/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CWMP messages, from and to XML. Everything handed out lives in the gSOAP context until soap_end(). */
#pragma once

#include "common/base/macro.h"
#include "common/cwmp/cwmp-soap.h"
#include "operator/acs/command.h"

/* TR-069 Annex A: at most 64 events in an Inform. */
#define EVENTS_MAX 64
/* Members of DeviceIdStruct (cwmp-1-2.xsd). */
#define DEVICE_ID_MEMBER_LENGTH_MAX 64U

/* Faults of an ACS (TR-069 Annex A.5.2). */
enum {
        ACS_FAULT_METHOD_NOT_SUPPORTED = 8000,
        ACS_FAULT_REQUEST_DENIED = 8001,
        ACS_FAULT_INVALID_ARGUMENTS = 8003,
};

typedef enum SoapMessageKind {
        SOAP_MESSAGE_EMPTY, /* an HTTP request without a body */
        SOAP_MESSAGE_INFORM,
        SOAP_MESSAGE_TRANSFER_COMPLETE,
        SOAP_MESSAGE_GET_RPC_METHODS,
        SOAP_MESSAGE_OTHER_REQUEST, /* a method that the ACS does not have */
        SOAP_MESSAGE_SET_RESPONSE,
        SOAP_MESSAGE_GET_RESPONSE,
        SOAP_MESSAGE_ADD_RESPONSE,
        SOAP_MESSAGE_DELETE_RESPONSE,
        SOAP_MESSAGE_NAMES_RESPONSE,
        SOAP_MESSAGE_ATTRIBUTES_RESPONSE,
        SOAP_MESSAGE_FAULT,
} SoapMessageKind;

typedef struct SoapMessage {
        SoapMessageKind kind;
        const char *id; /* cwmp:ID, NULL if there is none */
        union {
                struct cwmp__Inform inform;
                struct cwmp__SetParameterValuesResponse set;
                struct cwmp__GetParameterValuesResponse get;
                struct cwmp__AddObjectResponse add;
                struct cwmp__DeleteObjectResponse delete;
                struct cwmp__GetParameterNamesResponse names;
                struct cwmp__SetParameterAttributesResponse attributes;
                struct cwmp__FaultDetail fault;
        };
} SoapMessage;

/* Reads one envelope. Members that the schema demands are there (no NULL among them; empty strings
 * instead, where a value may be empty), arrays have all their members, limits hold. 0, or -EBADMSG. */
int soap_codec_read(struct soap *soap, const char *text, SoapMessage *ret);

/* Write one envelope in the version of CWMP that the context last read; id may be NULL. 0 or -ENOMEM. */
int soap_codec_inform_response(struct soap *soap, const char *id, const char **ret);
int soap_codec_transfer_complete_response(struct soap *soap, const char *id, const char **ret);
int soap_codec_get_rpc_methods_response(struct soap *soap, const char *id, const char **ret);
int soap_codec_fault(struct soap *soap, const char *id, unsigned code, const char *string, const char **ret);
int soap_codec_command(struct soap *soap, const char *id, const Command *c, const char **ret);
