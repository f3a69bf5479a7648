/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/soap-codec.h"

#include "agent/session-worker/soap-codec-transfer.h"
#include "common/base/parse.h"
#include "common/base/str.h"

/* "xsd:boolean" without the sender's prefix. */
static const char *local_name(const char *type) {
        const char *colon = type ? strchr(type, ':') : NULL;
        return colon ? colon + 1 : type;
}

static int copy_text(char **ret, const char *s) {
        return free_and_strdup(ret, strempty(s)) < 0 ? SOAP_EOM : SOAP_OK;
}

/* What has no Name comes from an array that claims more than it has (or is not CWMP): such elements are skipped. */
static int get_names(const struct StringList *from, ParameterList *to) {
        for (int i = 0; i < from->__size; i++)
                if (from->__ptrstring[i] && !parameter_list_add(to, from->__ptrstring[i], NULL, NULL))
                        return SOAP_EOM;
        return SOAP_OK;
}

static int get_set_parameter_values(struct soap *soap, CwmpMessage *m) {
        struct cwmp__SetParameterValues t;

        soap_default_cwmp__SetParameterValues(soap, &t);
        if (!soap_get_cwmp__SetParameterValues(soap, &t, NULL, NULL))
                return soap->error;
        for (int i = 0; i < t.ParameterList.__size; i++) {
                const struct cwmp__ParameterValueStruct *v = t.ParameterList.__ptrParameterValueStruct + i;
                if (v->Name && !parameter_list_add(&m->parameters, v->Name, strempty(local_name(v->Value.xsi__type)),
                                                   strempty(v->Value.__item)))
                        return SOAP_EOM;
        }
        return copy_text(&m->key, t.ParameterKey);
}

static int get_get_parameter_values(struct soap *soap, CwmpMessage *m) {
        struct cwmp__GetParameterValues t;

        soap_default_cwmp__GetParameterValues(soap, &t);
        if (!soap_get_cwmp__GetParameterValues(soap, &t, NULL, NULL))
                return soap->error;
        return get_names(&t.ParameterNames, &m->parameters);
}

static int get_get_parameter_names(struct soap *soap, CwmpMessage *m) {
        struct cwmp__GetParameterNames t;

        soap_default_cwmp__GetParameterNames(soap, &t);
        if (!soap_get_cwmp__GetParameterNames(soap, &t, NULL, NULL))
                return soap->error;
        m->next_level = t.NextLevel == xsd__boolean__true_;
        return copy_text(&m->path, t.ParameterPath);
}

static int get_set_parameter_attributes(struct soap *soap, CwmpMessage *m) {
        struct cwmp__SetParameterAttributes t;

        soap_default_cwmp__SetParameterAttributes(soap, &t);
        if (!soap_get_cwmp__SetParameterAttributes(soap, &t, NULL, NULL))
                return soap->error;

        for (int i = 0; i < t.ParameterList.__size; i++) {
                const struct cwmp__SetParameterAttributesStruct *a =
                                t.ParameterList.__ptrSetParameterAttributesStruct + i;
                if (!a->Name)
                        continue;
                Parameter *p = parameter_list_add(&m->parameters, a->Name, NULL, NULL);
                if (!p)
                        return SOAP_EOM;
                /* A negative number must not be mistaken for "leave it": it is as wrong as one that is too large. */
                p->notification = a->NotificationChange == xsd__boolean__false_ ? -1 :
                                  a->Notification < 0 ? NOTIFICATION_ACTIVE + 1 : a->Notification;
                p->access_list_set = a->AccessListChange == xsd__boolean__true_;
                for (int k = 0; k < a->AccessList.__size; k++)
                        if (a->AccessList.__ptrstring[k] &&
                            strv_extend(&p->access_list, a->AccessList.__ptrstring[k]) < 0)
                                return SOAP_EOM;
        }
        return SOAP_OK;
}

static int get_get_parameter_attributes(struct soap *soap, CwmpMessage *m) {
        struct cwmp__GetParameterAttributes t;

        soap_default_cwmp__GetParameterAttributes(soap, &t);
        if (!soap_get_cwmp__GetParameterAttributes(soap, &t, NULL, NULL))
                return soap->error;
        return get_names(&t.ParameterNames, &m->parameters);
}

static int get_add_object(struct soap *soap, CwmpMessage *m) {
        struct cwmp__AddObject t;

        soap_default_cwmp__AddObject(soap, &t);
        if (!soap_get_cwmp__AddObject(soap, &t, NULL, NULL))
                return soap->error;
        return copy_text(&m->path, t.ObjectName) || copy_text(&m->key, t.ParameterKey) ? SOAP_EOM : SOAP_OK;
}

static int get_delete_object(struct soap *soap, CwmpMessage *m) {
        struct cwmp__DeleteObject t;

        soap_default_cwmp__DeleteObject(soap, &t);
        if (!soap_get_cwmp__DeleteObject(soap, &t, NULL, NULL))
                return soap->error;
        return copy_text(&m->path, t.ObjectName) || copy_text(&m->key, t.ParameterKey) ? SOAP_EOM : SOAP_OK;
}

static int get_schedule_inform(struct soap *soap, CwmpMessage *m) {
        struct cwmp__ScheduleInform t;

        soap_default_cwmp__ScheduleInform(soap, &t);
        if (!soap_get_cwmp__ScheduleInform(soap, &t, NULL, NULL))
                return soap->error;
        m->number = t.DelaySeconds;
        return copy_text(&m->key, t.CommandKey);
}

static int get_reboot(struct soap *soap, CwmpMessage *m) {
        struct cwmp__Reboot t;

        soap_default_cwmp__Reboot(soap, &t);
        if (!soap_get_cwmp__Reboot(soap, &t, NULL, NULL))
                return soap->error;
        return copy_text(&m->key, t.CommandKey);
}

static int get_inform_response(struct soap *soap, CwmpMessage *m) {
        struct cwmp__InformResponse t;

        soap_default_cwmp__InformResponse(soap, &t);
        return soap_get_cwmp__InformResponse(soap, &t, NULL, NULL) ? SOAP_OK : soap->error;
}

static int get_fault(struct soap *soap, CwmpMessage *m) {
        if (soap_getfault(soap))
                return soap->error;

        const struct SOAP_ENV__Fault *f = soap->fault;
        const struct cwmp__FaultDetail *d = f && f->detail ? f->detail->cwmp__Fault : NULL;
        m->fault_code = d ? d->FaultCode : 0;
        return copy_text(&m->fault_string, d && d->FaultString ? d->FaultString : f ? f->faultstring : NULL);
}

/* Skips the element of a method that is not known, or has no arguments. */
static int get_unknown(struct soap *soap, CwmpMessage *m) {
        return soap_ignore_element(soap);
}

static const struct {
        const char *tag;
        CwmpMessageType type;
        int (*get)(struct soap *soap, CwmpMessage *m);
} readers[] = {
        { "cwmp:InformResponse", CWMP_INFORM_RESPONSE, get_inform_response },
        { "cwmp:GetRPCMethods", CWMP_GET_RPC_METHODS, get_unknown },
        { "cwmp:TransferCompleteResponse", CWMP_TRANSFER_COMPLETE_RESPONSE, get_unknown },
        { "cwmp:SetParameterValues", CWMP_SET_PARAMETER_VALUES, get_set_parameter_values },
        { "cwmp:GetParameterValues", CWMP_GET_PARAMETER_VALUES, get_get_parameter_values },
        { "cwmp:GetParameterNames", CWMP_GET_PARAMETER_NAMES, get_get_parameter_names },
        { "cwmp:SetParameterAttributes", CWMP_SET_PARAMETER_ATTRIBUTES, get_set_parameter_attributes },
        { "cwmp:GetParameterAttributes", CWMP_GET_PARAMETER_ATTRIBUTES, get_get_parameter_attributes },
        { "cwmp:AddObject", CWMP_ADD_OBJECT, get_add_object },
        { "cwmp:DeleteObject", CWMP_DELETE_OBJECT, get_delete_object },
        { "cwmp:ScheduleInform", CWMP_SCHEDULE_INFORM, get_schedule_inform },
        { "cwmp:Reboot", CWMP_REBOOT, get_reboot },
        { "cwmp:FactoryReset", CWMP_FACTORY_RESET, get_unknown },
        { "cwmp:Download", CWMP_DOWNLOAD, soap_codec_get_download },
        { "cwmp:Upload", CWMP_UPLOAD, soap_codec_get_upload },
        { "cwmp:ScheduleDownload", CWMP_SCHEDULE_DOWNLOAD, soap_codec_get_schedule_download },
        { "cwmp:CancelTransfer", CWMP_CANCEL_TRANSFER, soap_codec_get_cancel_transfer },
        { "cwmp:GetQueuedTransfers", CWMP_GET_QUEUED_TRANSFERS, get_unknown },
        { "cwmp:GetAllQueuedTransfers", CWMP_GET_ALL_QUEUED_TRANSFERS, get_unknown },
        { "SOAP-ENV:Fault", CWMP_FAULT, get_fault },
};

static int get_header(struct soap *soap, CwmpMessage *m) {
        const struct SOAP_ENV__Header *h = soap->header;
        if (!h)
                return SOAP_OK;

        m->hold_requests = h->cwmp__HoldRequests && *h->cwmp__HoldRequests == xsd__boolean__true_;
        if (h->cwmp__UseCWMPVersion && !(m->use_version = strdup(h->cwmp__UseCWMPVersion)))
                return SOAP_EOM;
        if (h->cwmp__ID && !(m->id = strdup(h->cwmp__ID)))
                return SOAP_EOM;
        return SOAP_OK;
}

static int get_body(struct soap *soap, CwmpMessage *m) {
        if (soap_peek_element(soap))
                return soap->error;

        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                if (soap_match_tag(soap, soap->tag, readers[i].tag) == SOAP_OK) {
                        m->type = readers[i].type;
                        return readers[i].get(soap, m);
                }
        return get_unknown(soap, m);
}

/* Some ACSs count wrongly in arrayType, or leave the number out. Without SOAP's encoding namespace gSOAP does not see
 * the attribute, and takes as many elements as there are, instead of making room for what is claimed. */
static const char *set_encoding_namespace(struct soap *soap, const char *uri) {
        soap_set_local_namespaces(soap);
        for (struct Namespace *n = soap->local_namespaces; n && n->id; n++)
                if (streq(n->id, "SOAP-ENC")) {
                        const char *before = n->ns;
                        n->ns = uri;
                        return before;
                }
        return NULL;
}

/* XML 1.0 section 2.2, which gSOAP does not insist on: what has no place in XML could not be given back either. */
static bool is_text(const char *s) {
        for (; s && *s; s++)
                if ((unsigned char) *s < ' ' && !strchr("\t\n\r", *s))
                        return false;
        return true;
}

static bool is_sound(const CwmpMessage *m) {
        if (m->parameters.n > CWMP_ARRAY_MAX || !is_text(m->id) || !is_text(m->key) || !is_text(m->path))
                return false;
        for (size_t i = 0; i < m->parameters.n; i++)
                if (!is_text(m->parameters.items[i].name) || !is_text(m->parameters.items[i].value))
                        return false;
        return m->transfers.n == 0 || is_text(m->transfers.items[0].command_key);
}

/* gSOAP takes a document without an envelope for a message, too. */
static int begin_envelope(struct soap *soap) {
        if (soap_envelope_begin_in(soap))
                return soap->error;
        return soap->version == 1 ? SOAP_OK : (soap->error = SOAP_VERSIONMISMATCH);
}

int soap_codec_get(struct soap *soap, CwmpMessage **ret) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(CWMP_UNKNOWN_METHOD);
        if (!m)
                return soap->error = SOAP_EOM;

        const char *encoding = set_encoding_namespace(soap, "");
        int failed = begin_envelope(soap) || soap_recv_header(soap) || soap_body_begin_in(soap) ||
                     (soap->error = get_header(soap, m)) || (soap->error = get_body(soap, m)) ||
                     soap_body_end_in(soap) || soap_envelope_end_in(soap) || soap_end_recv(soap);
        (void) set_encoding_namespace(soap, encoding);
        if (failed)
                return soap->error;
        if (!is_sound(m))
                return soap->error = SOAP_SYNTAX_ERROR;

        *ret = TAKE_PTR(m);
        return SOAP_OK;
}
