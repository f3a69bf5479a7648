/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/soap-codec.h"

#include "agent/session-worker/soap-codec-transfer.h"
#include "common/base/str.h"

/* An array of n zeroed elements that lives until soap_end(). */
static void *array_new(struct soap *soap, size_t n, size_t size) {
        void *p = soap_malloc(soap, MAX(n, 1U) * size);
        if (p)
                memset(p, 0, MAX(n, 1U) * size);
        return p;
}

/* gSOAP's structures are not const, though it only reads them here. */
static char *text(const char *s) {
        return (char *) (uintptr_t) strempty(s);
}

static enum xsd__boolean boolean(bool b) {
        return b ? xsd__boolean__true_ : xsd__boolean__false_;
}

static char *xsi_type(struct soap *soap, const char *type) {
        _cleanup_free_ char *s = strfmt(
                        "%s:%s", streq(strempty(type), "base64") ? "SOAP-ENC" : "xsd", type ?: "string");
        return s ? soap_strdup(soap, s) : NULL;
}

static int put_values(struct soap *soap, const ParameterList *l, struct ParameterValueList *ret) {
        struct cwmp__ParameterValueStruct *v = array_new(soap, l->n, sizeof(*v));
        if (!v)
                return SOAP_EOM;

        for (size_t i = 0; i < l->n; i++) {
                v[i].Name = text(l->items[i].name);
                v[i].Value.__item = text(l->items[i].value);
                v[i].Value.xsi__type = xsi_type(soap, l->items[i].type);
                if (!v[i].Value.xsi__type)
                        return SOAP_EOM;
        }
        *ret = (struct ParameterValueList) { .__ptrParameterValueStruct = v, .__size = (int) l->n };
        return SOAP_OK;
}

static int put_strv(struct soap *soap, char *const *l, struct StringList *ret) {
        size_t n = strv_length(l);
        char **strings = array_new(soap, n, sizeof(*strings));
        if (!strings)
                return SOAP_EOM;

        for (size_t i = 0; i < n; i++)
                strings[i] = l[i];
        *ret = (struct StringList) { .__ptrstring = strings, .__size = (int) n };
        return SOAP_OK;
}

static int put_inform(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__EventStruct *events = array_new(soap, m->events.n, sizeof(*events));
        struct cwmp__Inform inform = {
                .DeviceId = {
                        .Manufacturer = text(m->manufacturer),
                        .OUI = text(m->oui),
                        .ProductClass = text(m->product_class),
                        .SerialNumber = text(m->serial_number),
                },
                .Event = { .__ptrEventStruct = events, .__size = (int) m->events.n },
                .MaxEnvelopes = 1,
                .CurrentTime = text(m->current_time),
                .RetryCount = m->number,
        };

        if (!events || put_values(soap, &m->parameters, &inform.ParameterList))
                return SOAP_EOM;
        for (size_t i = 0; i < m->events.n; i++)
                events[i] = (struct cwmp__EventStruct) {
                        .EventCode = text(m->events.items[i].name),
                        .CommandKey = text(m->events.items[i].value),
                };
        return soap_put_cwmp__Inform(soap, &inform, "cwmp:Inform", "");
}

static int put_methods(struct soap *soap, const CwmpMessage *m) {
        char **names = array_new(soap, m->parameters.n, sizeof(*names));
        struct cwmp__GetRPCMethodsResponse t = {
                .MethodList = { .__ptrstring = names, .__size = (int) m->parameters.n },
        };

        if (!names)
                return SOAP_EOM;
        for (size_t i = 0; i < m->parameters.n; i++)
                names[i] = m->parameters.items[i].name;
        return soap_put_cwmp__GetRPCMethodsResponse(soap, &t, "cwmp:GetRPCMethodsResponse", "");
}

static int put_get_values_response(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__GetParameterValuesResponse t = {};

        if (put_values(soap, &m->parameters, &t.ParameterList))
                return SOAP_EOM;
        return soap_put_cwmp__GetParameterValuesResponse(soap, &t, "cwmp:GetParameterValuesResponse", "");
}

static int put_names_response(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__ParameterInfoStruct *p = array_new(soap, m->parameters.n, sizeof(*p));
        struct cwmp__GetParameterNamesResponse t = {
                .ParameterList = { .__ptrParameterInfoStruct = p, .__size = (int) m->parameters.n },
        };

        if (!p)
                return SOAP_EOM;
        for (size_t i = 0; i < m->parameters.n; i++) {
                p[i].Name = m->parameters.items[i].name;
                p[i].Writable = boolean(m->parameters.items[i].writable);
        }
        return soap_put_cwmp__GetParameterNamesResponse(soap, &t, "cwmp:GetParameterNamesResponse", "");
}

static int put_attributes_response(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__ParameterAttributeStruct *p = array_new(soap, m->parameters.n, sizeof(*p));
        struct cwmp__GetParameterAttributesResponse t = {
                .ParameterList = { .__ptrParameterAttributeStruct = p, .__size = (int) m->parameters.n },
        };

        if (!p)
                return SOAP_EOM;
        for (size_t i = 0; i < m->parameters.n; i++) {
                p[i].Name = m->parameters.items[i].name;
                p[i].Notification = m->parameters.items[i].notification;
                if (put_strv(soap, m->parameters.items[i].access_list, &p[i].AccessList))
                        return SOAP_EOM;
        }
        return soap_put_cwmp__GetParameterAttributesResponse(soap, &t, "cwmp:GetParameterAttributesResponse", "");
}

/* TR-069 A.5.1: whose fault it is. */
static const char *fault_party(uint32_t code) {
        switch (code) {
        case FAULT_INVALID_ARGUMENTS:
        case FAULT_INVALID_PARAMETER_NAME:
        case FAULT_INVALID_PARAMETER_TYPE:
        case FAULT_INVALID_PARAMETER_VALUE:
        case FAULT_NON_WRITABLE_PARAMETER:
                return "Client";
        default:
                return "Server";
        }
}

/* By hand instead of soap_send_fault(), which closes the connection and has its own texts. */
static int put_fault(struct soap *soap, const CwmpMessage *m) {
        struct cwmp__SetParameterValuesFault *faults = array_new(soap, m->parameters.n, sizeof(*faults));
        struct cwmp__FaultDetail detail = {
                .FaultCode = m->fault_code,
                .FaultString = text(m->fault_string),
                .__sizeSetParameterValuesFault = (int) m->parameters.n,
                .SetParameterValuesFault = faults,
        };

        if (!faults)
                return SOAP_EOM;
        for (size_t i = 0; i < m->parameters.n; i++)
                faults[i] = (struct cwmp__SetParameterValuesFault) {
                        .ParameterName = m->parameters.items[i].name,
                        .FaultCode = m->parameters.items[i].fault,
                        .FaultString = text(m->parameters.items[i].value),
                };

        if (soap_element_begin_out(soap, "SOAP-ENV:Fault", 0, NULL) ||
            soap_element(soap, "faultcode", 0, NULL) || soap_element_start_end_out(soap, NULL) ||
            soap_string_out(soap, fault_party(m->fault_code), 0) || soap_element_end_out(soap, "faultcode") ||
            soap_element(soap, "faultstring", 0, NULL) || soap_element_start_end_out(soap, NULL) ||
            soap_string_out(soap, "CWMP fault", 0) || soap_element_end_out(soap, "faultstring") ||
            soap_element_begin_out(soap, "detail", 0, NULL) ||
            soap_put_cwmp__FaultDetail(soap, &detail, "cwmp:Fault", "") ||
            soap_element_end_out(soap, "detail") || soap_element_end_out(soap, "SOAP-ENV:Fault"))
                return soap->error;
        return SOAP_OK;
}

static int put_body(struct soap *soap, const CwmpMessage *m) {
        switch (m->type) {
        case CWMP_INFORM:
                return put_inform(soap, m);
        case CWMP_FAULT:
                return put_fault(soap, m);
        case CWMP_GET_RPC_METHODS_RESPONSE:
                return put_methods(soap, m);
        case CWMP_SET_PARAMETER_VALUES_RESPONSE: {
                struct cwmp__SetParameterValuesResponse t = { .Status = (int) m->status };
                return soap_put_cwmp__SetParameterValuesResponse(soap, &t, "cwmp:SetParameterValuesResponse", "");
        }
        case CWMP_GET_PARAMETER_VALUES_RESPONSE:
                return put_get_values_response(soap, m);
        case CWMP_GET_PARAMETER_NAMES_RESPONSE:
                return put_names_response(soap, m);
        case CWMP_SET_PARAMETER_ATTRIBUTES_RESPONSE: {
                struct cwmp__SetParameterAttributesResponse t = {};
                return soap_put_cwmp__SetParameterAttributesResponse(
                                soap, &t, "cwmp:SetParameterAttributesResponse", "");
        }
        case CWMP_GET_PARAMETER_ATTRIBUTES_RESPONSE:
                return put_attributes_response(soap, m);
        case CWMP_ADD_OBJECT_RESPONSE: {
                struct cwmp__AddObjectResponse t = { .InstanceNumber = m->number, .Status = (int) m->status };
                return soap_put_cwmp__AddObjectResponse(soap, &t, "cwmp:AddObjectResponse", "");
        }
        case CWMP_DELETE_OBJECT_RESPONSE: {
                struct cwmp__DeleteObjectResponse t = { .Status = (int) m->status };
                return soap_put_cwmp__DeleteObjectResponse(soap, &t, "cwmp:DeleteObjectResponse", "");
        }
        case CWMP_REBOOT_RESPONSE: {
                struct cwmp__RebootResponse t = {};
                return soap_put_cwmp__RebootResponse(soap, &t, "cwmp:RebootResponse", "");
        }
        case CWMP_FACTORY_RESET_RESPONSE: {
                struct cwmp__FactoryResetResponse t = {};
                return soap_put_cwmp__FactoryResetResponse(soap, &t, "cwmp:FactoryResetResponse", "");
        }
        case CWMP_SCHEDULE_INFORM_RESPONSE: {
                struct cwmp__ScheduleInformResponse t = {};
                return soap_put_cwmp__ScheduleInformResponse(soap, &t, "cwmp:ScheduleInformResponse", "");
        }
        default:
                return soap_codec_put_transfer(soap, m);
        }
}

/* Whether the message has an array or a value with its type; a fault has neither. */
static bool needs_all_namespaces(CwmpMessageType type) {
        switch (type) {
        case CWMP_INFORM:
        case CWMP_GET_RPC_METHODS_RESPONSE:
        case CWMP_GET_PARAMETER_VALUES_RESPONSE:
        case CWMP_GET_PARAMETER_NAMES_RESPONSE:
        case CWMP_GET_PARAMETER_ATTRIBUTES_RESPONSE:
        case CWMP_GET_QUEUED_TRANSFERS_RESPONSE:
        case CWMP_GET_ALL_QUEUED_TRANSFERS_RESPONSE:
                return true;
        default:
                return false;
        }
}

int soap_codec_put(struct soap *soap, const CwmpMessage *m) {
        unsigned session_timeout = CWMP_SESSION_TIMEOUT;
        struct SOAP_ENV__Header header = { .cwmp__ID = m->id };

        /* TR-069 3.7.1.2: from CWMP 1.3 and 1.4 on; an older ACS ignores them. */
        if (m->type == CWMP_INFORM && !cwmp_soap_is_oldest(soap)) {
                header.cwmp__SessionTimeout = &session_timeout;
                header.cwmp__SupportedCWMPVersions = text(CWMP_SUPPORTED_VERSIONS);
        }

        soap->header = m->id ? &header : NULL;
        soap->encodingStyle = NULL;
        cwmp_soap_declare(soap, needs_all_namespaces(m->type));
        int r = soap_envelope_begin_out(soap) || soap_putheader(soap) || soap_body_begin_out(soap) ||
                put_body(soap, m) || soap_body_end_out(soap) || soap_envelope_end_out(soap);
        soap->header = NULL;
        cwmp_soap_declare(soap, true);
        return r ? soap->error : SOAP_OK;
}
