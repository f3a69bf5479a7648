/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "operator/acs/soap-codec.h"

typedef int (*BodyWriter)(struct soap *soap, const void *message);

static int write_inform_response(struct soap *soap, const void *message) {
        return soap_put_cwmp__InformResponse(soap, message, "cwmp:InformResponse", NULL);
}

static int write_transfer_complete_response(struct soap *soap, const void *message) {
        return soap_put_cwmp__TransferCompleteResponse(soap, message, "cwmp:TransferCompleteResponse", NULL);
}

static int write_get_rpc_methods_response(struct soap *soap, const void *message) {
        return soap_put_cwmp__GetRPCMethodsResponse(soap, message, "cwmp:GetRPCMethodsResponse", NULL);
}

static int write_fault(struct soap *soap, const void *message) {
        return soap_put_SOAP_ENV__Fault(soap, message, "SOAP-ENV:Fault", NULL);
}

static int write_set(struct soap *soap, const void *message) {
        return soap_put_cwmp__SetParameterValues(soap, message, "cwmp:SetParameterValues", NULL);
}

static int write_get(struct soap *soap, const void *message) {
        return soap_put_cwmp__GetParameterValues(soap, message, "cwmp:GetParameterValues", NULL);
}

static int write_add(struct soap *soap, const void *message) {
        return soap_put_cwmp__AddObject(soap, message, "cwmp:AddObject", NULL);
}

static int write_delete(struct soap *soap, const void *message) {
        return soap_put_cwmp__DeleteObject(soap, message, "cwmp:DeleteObject", NULL);
}

static int write_names(struct soap *soap, const void *message) {
        return soap_put_cwmp__GetParameterNames(soap, message, "cwmp:GetParameterNames", NULL);
}

static int write_attributes(struct soap *soap, const void *message) {
        return soap_put_cwmp__SetParameterAttributes(soap, message, "cwmp:SetParameterAttributes", NULL);
}

static bool has_array(BodyWriter write) {
        return write == write_get_rpc_methods_response || write == write_set || write == write_get ||
               write == write_attributes;
}

/* Writes header and body into the context's memory instead of a socket. */
static int write_envelope(struct soap *soap, const char *id, BodyWriter write, const void *message, const char **ret) {
        struct SOAP_ENV__Header header = { .cwmp__ID = (char *) id };
        const char *text = NULL;
        int rc;

        soap->header = id ? &header : NULL;
        soap->encodingStyle = NULL;
        /* a request without a body leaves the context without a version of SOAP */
        soap_set_version(soap, 1);
        cwmp_soap_declare(soap, has_array(write));
        soap->os = &text;
        rc = soap_begin_send(soap) || soap_envelope_begin_out(soap) || soap_putheader(soap) ||
                        soap_body_begin_out(soap) || write(soap, message) || soap_body_end_out(soap) ||
                        soap_envelope_end_out(soap) || soap_end_send(soap);
        soap->os = NULL;
        soap->header = NULL;
        cwmp_soap_declare(soap, true);
        if (rc || !text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

int soap_codec_inform_response(struct soap *soap, const char *id, const char **ret) {
        const struct cwmp__InformResponse m = { .MaxEnvelopes = 1 };

        return write_envelope(soap, id, write_inform_response, &m, ret);
}

int soap_codec_transfer_complete_response(struct soap *soap, const char *id, const char **ret) {
        const struct cwmp__TransferCompleteResponse m = {};

        return write_envelope(soap, id, write_transfer_complete_response, &m, ret);
}

int soap_codec_get_rpc_methods_response(struct soap *soap, const char *id, const char **ret) {
        static char *methods[] = { (char *) "Inform", (char *) "GetRPCMethods", (char *) "TransferComplete" };
        const struct cwmp__GetRPCMethodsResponse m = {
                .MethodList = { .__ptrstring = methods, .__size = ELEMENTSOF(methods) },
        };

        return write_envelope(soap, id, write_get_rpc_methods_response, &m, ret);
}

int soap_codec_fault(struct soap *soap, const char *id, unsigned code, const char *string, const char **ret) {
        struct cwmp__FaultDetail fault = { .FaultCode = code, .FaultString = (char *) string };
        struct SOAP_ENV__Detail detail = { .cwmp__Fault = &fault };
        const struct SOAP_ENV__Fault m = {
                .faultcode = (char *) (code == ACS_FAULT_INVALID_ARGUMENTS ? "Client" : "Server"),
                .faultstring = (char *) "CWMP fault",
                .detail = &detail,
        };

        return write_envelope(soap, id, write_fault, &m, ret);
}

static int command_set(struct soap *soap, const char *id, const Command *c, const char **ret) {
        struct cwmp__ParameterValueStruct *list = soap_malloc(soap, c->n_values * sizeof(*list));
        const struct cwmp__SetParameterValues m = {
                .ParameterList = { .__ptrParameterValueStruct = list, .__size = (int) c->n_values },
                .ParameterKey = (char *) "",
        };

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_values; i++)
                list[i] = (struct cwmp__ParameterValueStruct) {
                        .Name = c->values[i].name,
                        .Value = { .__item = c->values[i].value, .xsi__type = (char *) c->values[i].type },
                };
        return write_envelope(soap, id, write_set, &m, ret);
}

static int command_attributes(struct soap *soap, const char *id, const Command *c, const char **ret) {
        struct cwmp__SetParameterAttributesStruct *list = soap_malloc(soap, c->n_values * sizeof(*list));
        const struct cwmp__SetParameterAttributes m = {
                .ParameterList = { .__ptrSetParameterAttributesStruct = list, .__size = (int) c->n_values },
        };

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_values; i++)
                list[i] = (struct cwmp__SetParameterAttributesStruct) {
                        .Name = c->values[i].name,
                        .NotificationChange = xsd__boolean__true_,
                        .Notification = atoi(c->values[i].value),
                };
        return write_envelope(soap, id, write_attributes, &m, ret);
}

int soap_codec_command(struct soap *soap, const char *id, const Command *c, const char **ret) {
        const struct cwmp__GetParameterValues get = {
                .ParameterNames = { .__ptrstring = c->names, .__size = (int) strv_length(c->names) },
        };
        const struct cwmp__AddObject add = { .ObjectName = c->object, .ParameterKey = (char *) "" };
        const struct cwmp__DeleteObject delete = { .ObjectName = c->object, .ParameterKey = (char *) "" };

        const struct cwmp__GetParameterNames names = {
                .ParameterPath = c->object,
                .NextLevel = c->next_level ? xsd__boolean__true_ : xsd__boolean__false_,
        };

        switch (c->kind) {
        case COMMAND_SET:
                return command_set(soap, id, c, ret);
        case COMMAND_GET:
                return write_envelope(soap, id, write_get, &get, ret);
        case COMMAND_ADD:
                return write_envelope(soap, id, write_add, &add, ret);
        case COMMAND_DELETE:
                return write_envelope(soap, id, write_delete, &delete, ret);
        case COMMAND_NAMES:
                return write_envelope(soap, id, write_names, &names, ret);
        case COMMAND_ATTRIBUTES:
                return command_attributes(soap, id, c, ret);
        case _COMMAND_KIND_MAX:
                break;
        }
        return -EINVAL;
}

static bool is_short(const char *s, size_t max) {
        return s && strlen(s) <= max;
}

static int check_values(struct ParameterValueList *l) {
        for (int i = 0; i < l->__size; i++) {
                struct cwmp__ParameterValueStruct *v = &l->__ptrParameterValueStruct[i];

                if (!is_short(v->Name, PARAMETER_NAME_LENGTH_MAX))
                        return -EBADMSG;
                v->Value.__item = v->Value.__item ?: (char *) "";
        }
        return 0;
}

static int check_names(const struct ParameterInfoList *l) {
        for (int i = 0; i < l->__size; i++)
                if (!is_short(l->__ptrParameterInfoStruct[i].Name, PARAMETER_NAME_LENGTH_MAX))
                        return -EBADMSG;
        return 0;
}

static int check_inform(struct cwmp__Inform *m) {
        struct cwmp__DeviceIdStruct *d = &m->DeviceId;

        d->ProductClass = d->ProductClass ?: (char *) "";
        if (!is_short(d->Manufacturer, DEVICE_ID_MEMBER_LENGTH_MAX) || !is_short(d->OUI, 6) ||
            !is_short(d->ProductClass, DEVICE_ID_MEMBER_LENGTH_MAX) ||
            !is_short(d->SerialNumber, DEVICE_ID_MEMBER_LENGTH_MAX) || m->Event.__size < 0 ||
            m->Event.__size > EVENTS_MAX)
                return -EBADMSG;
        for (int i = 0; i < m->Event.__size; i++) {
                struct cwmp__EventStruct *e = &m->Event.__ptrEventStruct[i];

                e->CommandKey = e->CommandKey ?: (char *) "";
                if (!is_short(e->EventCode, 64) || !is_short(e->CommandKey, 32))
                        return -EBADMSG;
        }
        return check_values(&m->ParameterList);
}

static int read_fault(struct soap *soap, struct cwmp__FaultDetail *ret) {
        const struct cwmp__FaultDetail *f;

        if (soap_getfault(soap))
                return -EBADMSG;
        f = soap->fault && soap->fault->detail ? soap->fault->detail->cwmp__Fault : NULL;
        if (!f)
                return -EBADMSG;
        *ret = *f;
        ret->FaultString = ret->FaultString ?: (char *) "";
        for (int i = 0; i < ret->__sizeSetParameterValuesFault; i++)
                if (!ret->SetParameterValuesFault[i].ParameterName)
                        return -EBADMSG;
        return 0;
}

/* Skips what it does not know: the arguments of a method that is refused anyway. */
static int read_other(struct soap *soap, SoapMessage *m) {
        struct cwmp__TransferComplete transfer = {};

        if (soap_match_tag(soap, soap->tag, "cwmp:TransferComplete") == SOAP_OK) {
                m->kind = SOAP_MESSAGE_TRANSFER_COMPLETE;
                return soap_get_cwmp__TransferComplete(soap, &transfer, "cwmp:TransferComplete", NULL) ? 0 : -EBADMSG;
        }
        m->kind = soap_match_tag(soap, soap->tag, "cwmp:GetRPCMethods") == SOAP_OK ? SOAP_MESSAGE_GET_RPC_METHODS
                                                                                  : SOAP_MESSAGE_OTHER_REQUEST;
        if (endswith(soap->tag, "Response"))
                return -EBADMSG;
        return soap_ignore_element(soap) == SOAP_OK ? 0 : -EBADMSG;
}

#define READ(name, member, value)                                                                            \
        if (soap_match_tag(soap, soap->tag, "cwmp:" #name) == SOAP_OK) {                                     \
                m->kind = (value);                                                                           \
                return soap_get_cwmp__##name(soap, &m->member, "cwmp:" #name, NULL) ? 0 : -EBADMSG;          \
        }

static int read_body(struct soap *soap, SoapMessage *m) {
        if (soap_peek_element(soap) != SOAP_OK)
                return -EBADMSG;
        READ(Inform, inform, SOAP_MESSAGE_INFORM);
        READ(SetParameterValuesResponse, set, SOAP_MESSAGE_SET_RESPONSE);
        READ(GetParameterValuesResponse, get, SOAP_MESSAGE_GET_RESPONSE);
        READ(AddObjectResponse, add, SOAP_MESSAGE_ADD_RESPONSE);
        READ(DeleteObjectResponse, delete, SOAP_MESSAGE_DELETE_RESPONSE);
        READ(GetParameterNamesResponse, names, SOAP_MESSAGE_NAMES_RESPONSE);
        READ(SetParameterAttributesResponse, attributes, SOAP_MESSAGE_ATTRIBUTES_RESPONSE);
        if (soap_match_tag(soap, soap->tag, "SOAP-ENV:Fault") == SOAP_OK) {
                m->kind = SOAP_MESSAGE_FAULT;
                return read_fault(soap, &m->fault);
        }
        return read_other(soap, m);
}

static int read_envelope(struct soap *soap, SoapMessage *m) {
        int r;

        if (soap_begin_recv(soap) || soap_envelope_begin_in(soap))
                return -EBADMSG;
        /* gSOAP takes a message without an envelope as well; CWMP is SOAP 1.1 */
        if (soap->version != 1 || soap_recv_header(soap) || soap_body_begin_in(soap))
                return -EBADMSG;
        r = read_body(soap, m);
        if (r < 0)
                return r;
        return soap_body_end_in(soap) || soap_envelope_end_in(soap) || soap_end_recv(soap) ? -EBADMSG : 0;
}

int soap_codec_read(struct soap *soap, const char *text, SoapMessage *ret) {
        int keep_alive = soap->keep_alive, r;
        SoapMessage m = {};

        soap->is = text;
        r = read_envelope(soap, &m);
        soap->is = NULL;
        soap->keep_alive = keep_alive;
        if (r < 0)
                return r;
        if (m.kind == SOAP_MESSAGE_INFORM)
                r = check_inform(&m.inform);
        else if (m.kind == SOAP_MESSAGE_GET_RESPONSE)
                r = check_values(&m.get.ParameterList);
        else if (m.kind == SOAP_MESSAGE_NAMES_RESPONSE)
                r = check_names(&m.names.ParameterList);
        if (r < 0)
                return r;
        m.id = soap->header ? soap->header->cwmp__ID : NULL;
        soap->header = NULL;
        *ret = m;
        return 0;
}
