/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/message.h"
#include "operator/acs/provision.h"
#include "operator/acs/session.h"

struct Session {
        char *device, *root;
        SessionSettings settings;
        Provision provision;
        SessionExpectation expectation;
        bool informed : 1;
        /* The request that the device has not answered. */
        Command *command;
        bool command_was_sent : 1; /* in an earlier session */
        bool is_provision : 1;     /* the command is the ACS's own */
        uint32_t id;
};

int session_new(Session **ret, const char *device, const SessionSettings *settings) {
        _cleanup_(session_freep) Session *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->settings = *settings;
        s->device = strdup(device);
        if (!s->device)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        (void) command_free(s->command);
        free(s->device);
        free(s->root);
        free(s);
        return NULL;
}

const char *session_device(const Session *s) {
        return s->device;
}

SessionExpectation session_expectation(const Session *s) {
        return s->expectation;
}

/* "InternetGatewayDevice." of "InternetGatewayDevice.DeviceInfo.SoftwareVersion": every name has it. */
static char *root_of(const struct ParameterValueList *l) {
        const char *name = l->__size > 0 ? l->__ptrParameterValueStruct[0].Name : "";
        const char *dot = strchr(name, '.');

        return dot ? strndup(name, (size_t) (dot + 1 - name)) : strdup("InternetGatewayDevice.");
}

static const char *value_of(const struct ParameterValueList *l, const char *root, const char *name) {
        for (int i = 0; i < l->__size; i++) {
                const char *rest = startswith(l->__ptrParameterValueStruct[i].Name, root);

                if (rest && streq(rest, name))
                        return l->__ptrParameterValueStruct[i].Value.__item;
        }
        return NULL;
}

static bool has_event(const struct cwmp__Inform *m, const char *code) {
        for (int i = 0; i < m->Event.__size; i++)
                if (streq(m->Event.__ptrEventStruct[i].EventCode, code))
                        return true;
        return false;
}

/* Which Informs the frontend is likely to answer: a start, or a new state of something. */
static bool is_answered(const struct cwmp__Inform *m) {
        if (has_event(m, "0 BOOTSTRAP") || has_event(m, "1 BOOT"))
                return true;
        if (has_event(m, "4 VALUE CHANGE"))
                for (int i = 0; i < m->ParameterList.__size; i++)
                        if (endswith(m->ParameterList.__ptrParameterValueStruct[i].Name, ".Status"))
                                return true;
        return false;
}

static int report_inform(
                Session *s,
                Store *store,
                struct soap *soap,
                const struct cwmp__Inform *m,
                int64_t now,
                bool *ret_provisioned) {
        size_t n_events = (size_t) m->Event.__size, n_parameters = (size_t) m->ParameterList.__size;
        NameValue *events = soap_malloc(soap, n_events * sizeof(NameValue));
        NameValue *parameters = soap_malloc(soap, (n_parameters + 1) * sizeof(NameValue));
        _cleanup_message_ Message message = {};
        _cleanup_free_ char *selection = NULL;
        DeviceRecord d = {
                .id = s->device,
                .root = s->root,
                .manufacturer = m->DeviceId.Manufacturer,
                .software_version = value_of(&m->ParameterList, s->root, "DeviceInfo.SoftwareVersion"),
                .connection_request_url =
                                value_of(&m->ParameterList, s->root, "ManagementServer.ConnectionRequestURL"),
                .last_inform = now,
                .bootstrapped = has_event(m, "0 BOOTSTRAP"),
        };
        int r;

        if (!events || !parameters)
                return -ENOMEM;
        for (size_t i = 0; i < n_events; i++)
                events[i] = (NameValue) { m->Event.__ptrEventStruct[i].EventCode,
                                          m->Event.__ptrEventStruct[i].CommandKey };
        for (size_t i = 0; i < n_parameters; i++)
                parameters[i] = (NameValue) { m->ParameterList.__ptrParameterValueStruct[i].Name,
                                              m->ParameterList.__ptrParameterValueStruct[i].Value.__item };
        r = message_selection(parameters, n_parameters, s->root, s->settings.parameters, &selection);
        if (r < 0)
                return r;
        d.parameters = selection;
        r = message_inform(
                        &message,
                        &(InformReport) {
                                        .device = s->device,
                                        .root = s->root,
                                        .manufacturer = m->DeviceId.Manufacturer,
                                        .oui = m->DeviceId.OUI,
                                        .product_class = m->DeviceId.ProductClass,
                                        .serial_number = m->DeviceId.SerialNumber,
                                        .events = events,
                                        .n_events = n_events,
                                        .parameters = parameters,
                                        .n_parameters = n_parameters,
                        },
                        now);
        return r < 0 ? r : store_device_inform(store, &d, &message, ret_provisioned);
}

static int step_inform(
                Session *s, Store *store, struct soap *soap, const SoapMessage *in, int64_t now, const char **ret) {
        const struct cwmp__DeviceIdStruct *d = &in->inform.DeviceId;
        _cleanup_free_ char *device = NULL;
        bool provisioned;
        int r;

        r = device_id_encode(d->OUI, d->ProductClass, d->SerialNumber, &device);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !streq(device, s->device)) {
                log_warning("%s says it is OUI %s, serial number %s.", s->device, d->OUI, d->SerialNumber);
                r = soap_codec_fault(soap, in->id, ACS_FAULT_REQUEST_DENIED, "Request denied", ret);
                return r < 0 ? r : SESSION_REPLY;
        }
        free(s->root);
        s->root = root_of(&in->inform.ParameterList);
        if (!s->root)
                return -ENOMEM;
        r = report_inform(s, store, soap, &in->inform, now, &provisioned);
        if (r < 0)
                return r;
        s->provision = provisioned ? PROVISION_DONE
                : s->settings.compression ? PROVISION_ASK
                                          : PROVISION_SET;
        s->expectation = is_answered(&in->inform) ? SESSION_EXPECTS_REACTION : SESSION_EXPECTS_NOTHING;
        s->informed = true;
        r = soap_codec_inform_response(soap, in->id, ret);
        return r < 0 ? r : SESSION_REPLY;
}

static int finish_command(Session *s, Store *store, Result *result, int64_t now) {
        _cleanup_message_ Message m = {};
        int r;

        result->device = s->device;
        result->command = s->command->id;
        r = message_result(&m, result, now);
        if (r == -EMSGSIZE)
                r = message_result(
                                &m,
                                &(Result) {
                                                .device = s->device,
                                                .command = s->command->id,
                                                .status = RESULT_REJECTED,
                                                .error = "the answer is too large for the queue",
                                },
                                now);
        if (r < 0)
                return r;
        r = store_command_finish(store, s->device, s->command->id, now, &m);
        /* it expired while the device executed it, and the frontend has been told so */
        if (r == -ENOENT)
                r = 0;
        if (r < 0)
                return r;
        s->expectation = s->command->more ? SESSION_EXPECTS_COMMAND : SESSION_EXPECTS_NOTHING;
        s->command = command_free(s->command);
        return 0;
}

static int fault_result(Session *s, struct soap *soap, const struct cwmp__FaultDetail *f, Result *ret) {
        size_t n = (size_t) MAX(f->__sizeSetParameterValuesFault, 0);
        ParameterFault *faults = soap_malloc(soap, (n + 1) * sizeof(ParameterFault));

        if (!faults)
                return -ENOMEM;
        /* It was executed, but the answer got lost: what was to go is gone. */
        if (s->command->kind == COMMAND_DELETE && s->command_was_sent && f->FaultCode == 9005) {
                *ret = (Result) { .status = RESULT_OK, .has_cwmp_status = true };
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                faults[i] = (ParameterFault) {
                        .name = f->SetParameterValuesFault[i].ParameterName,
                        .code = f->SetParameterValuesFault[i].FaultCode,
                        .string = f->SetParameterValuesFault[i].FaultString,
                };
        *ret = (Result) {
                .status = RESULT_FAULT,
                .fault_code = f->FaultCode,
                .fault_string = f->FaultString,
                .parameter_faults = faults,
                .n_parameter_faults = n,
        };
        return 0;
}

static int get_result(struct soap *soap, const struct ParameterValueList *l, Result *ret) {
        size_t n = (size_t) l->__size;
        NameValue *values = soap_malloc(soap, (n + 1) * sizeof(NameValue));

        if (!values)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                values[i] = (NameValue) { l->__ptrParameterValueStruct[i].Name,
                                          l->__ptrParameterValueStruct[i].Value.__item };
        *ret = (Result) { .status = RESULT_OK, .values = values, .n_values = n };
        return 0;
}

static int names_result(struct soap *soap, const struct ParameterInfoList *l, Result *ret) {
        size_t n = (size_t) l->__size;
        ParameterName *names = soap_malloc(soap, (n + 1) * sizeof(ParameterName));

        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                names[i] = (ParameterName) { l->__ptrParameterInfoStruct[i].Name,
                                             l->__ptrParameterInfoStruct[i].Writable == xsd__boolean__true_ };
        *ret = (Result) { .status = RESULT_OK, .names = names, .n_names = n };
        return 0;
}

/* Turns the device's answer into a result. -EBADMSG if it does not answer what was asked. */
static int result_of(Session *s, struct soap *soap, const SoapMessage *in, Result *ret) {
        static const SoapMessageKind expected[_COMMAND_KIND_MAX] = {
                [COMMAND_SET] = SOAP_MESSAGE_SET_RESPONSE,
                [COMMAND_GET] = SOAP_MESSAGE_GET_RESPONSE,
                [COMMAND_ADD] = SOAP_MESSAGE_ADD_RESPONSE,
                [COMMAND_DELETE] = SOAP_MESSAGE_DELETE_RESPONSE,
                [COMMAND_NAMES] = SOAP_MESSAGE_NAMES_RESPONSE,
                [COMMAND_ATTRIBUTES] = SOAP_MESSAGE_ATTRIBUTES_RESPONSE,
        };
        Result result = { .status = RESULT_OK, .has_cwmp_status = true };

        if (in->kind == SOAP_MESSAGE_FAULT)
                return fault_result(s, soap, &in->fault, ret);
        if (in->kind != expected[s->command->kind])
                return -EBADMSG;
        switch (s->command->kind) {
        case COMMAND_SET:
                result.cwmp_status = in->set.Status;
                break;
        case COMMAND_GET:
                return get_result(soap, &in->get.ParameterList, ret);
        case COMMAND_ADD:
                if (in->add.InstanceNumber == 0)
                        return -EBADMSG;
                result.cwmp_status = in->add.Status;
                result.instance = in->add.InstanceNumber;
                break;
        case COMMAND_DELETE:
                result.cwmp_status = in->delete.Status;
                break;
        case COMMAND_NAMES:
                return names_result(soap, &in->names.ParameterList, ret);
        case COMMAND_ATTRIBUTES:
                result.has_cwmp_status = false;
                break;
        case _COMMAND_KIND_MAX:
                break;
        }
        *ret = result;
        return 0;
}

/* The answer to the ACS's own commands. */
static int finish_provision(Session *s, Store *store, const SoapMessage *in) {
        const char *supported;
        int r = 0;

        if (s->provision == PROVISION_ASK) {
                supported = in->kind == SOAP_MESSAGE_GET_RESPONSE
                        ? value_of(&in->get.ParameterList, s->root, PROVISION_COMPRESSION_SUPPORTED)
                        : NULL;
                s->provision = supported && strstr(supported, "GZIP") ? PROVISION_SET_GZIP : PROVISION_SET;
        } else {
                if (in->kind == SOAP_MESSAGE_SET_RESPONSE)
                        r = store_device_set_provisioned(store, s->device);
                else
                        log_warning("%s refuses what the ACS sets, fault %u. Its next session tries again.",
                                    s->device,
                                    in->kind == SOAP_MESSAGE_FAULT ? in->fault.FaultCode : 0);
                s->provision = PROVISION_DONE;
        }
        s->command = command_free(s->command);
        return r;
}

static int step_response(
                Session *s, Store *store, struct soap *soap, const SoapMessage *in, int64_t now, bool *stored) {
        char id[16];
        Result result;
        int r;

        if (!s->command)
                return -EBADMSG;
        (void) snprintf(id, sizeof(id), "%u", s->id);
        if (in->id && !streq(in->id, id))
                return -EBADMSG;
        if (s->is_provision)
                return finish_provision(s, store, in);
        r = result_of(s, soap, in, &result);
        if (r < 0)
                return r;
        *stored = true;
        return finish_command(s, store, &result, now);
}

static int send_command(Session *s, struct soap *soap, const char **ret) {
        char id[16];
        int r;

        (void) snprintf(id, sizeof(id), "%u", ++s->id);
        r = soap_codec_command(soap, id, s->command, ret);
        return r < 0 ? r : SESSION_REPLY;
}

/* An AddObject whose answer got lost: asking again could make a second object. */
static int give_up(Session *s, Store *store, int64_t now) {
        Result result = {
                .status = RESULT_UNKNOWN,
                .error = "the device was asked, but its answer was lost; the object may exist",
        };

        return finish_command(s, store, &result, now);
}

static int next_command(Session *s, Store *store, int64_t now, bool *stored) {
        _cleanup_(stored_command_freep) StoredCommand *c = NULL;
        _cleanup_free_ char *id = NULL;
        const char *error;
        int r;

        for (;;) {
                r = store_command_next(store, s->device, &c);
                if (r <= 0)
                        return r;
                r = command_parse(c->payload, strlen(c->payload), &s->command, &id, &error);
                if (r < 0)
                        return r; /* it was valid when it was queued */
                s->command_was_sent = c->was_sent;
                s->is_provision = false;
                if (!c->was_sent || s->command->kind != COMMAND_ADD)
                        break;
                r = give_up(s, store, now);
                if (r < 0)
                        return r;
                *stored = true;
                c = stored_command_free(c);
        }
        if (s->command->kind == COMMAND_ADD || s->command->kind == COMMAND_DELETE) {
                r = store_command_mark_sent(store, s->device, s->command->id);
                if (r < 0)
                        return r;
        }
        return 1;
}

static int next(Session *s, Store *store, struct soap *soap, int64_t now, const char **ret, bool *stored) {
        int r;

        if (s->provision != PROVISION_DONE) {
                r = provision_command(s->provision, store, s->device, s->root, &s->settings, &s->command);
                if (r < 0)
                        return r;
                s->is_provision = true;
                return send_command(s, soap, ret);
        }
        r = next_command(s, store, now, stored);
        if (r < 0)
                return r;
        return r == 0 ? SESSION_IDLE : send_command(s, soap, ret);
}

int session_next(
                Session *s, Store *store, struct soap *soap, int64_t now, const char **ret_envelope, bool *ret_stored) {
        bool stored = false;
        int r;

        assert(!s->command);

        r = next(s, store, soap, now, ret_envelope, &stored);
        *ret_stored = stored;
        return r;
}

static int step(
                Session *s,
                Store *store,
                struct soap *soap,
                const SoapMessage *in,
                int64_t now,
                const char **ret,
                bool *stored) {
        int r;

        /* Nothing comes before the Inform, and no second one after it. */
        if (s->informed == (in->kind == SOAP_MESSAGE_INFORM))
                return SESSION_ABORT;
        switch (in->kind) {
        case SOAP_MESSAGE_INFORM:
                *stored = true;
                return step_inform(s, store, soap, in, now, ret);
        case SOAP_MESSAGE_TRANSFER_COMPLETE:
                r = soap_codec_transfer_complete_response(soap, in->id, ret);
                return r < 0 ? r : SESSION_REPLY;
        case SOAP_MESSAGE_GET_RPC_METHODS:
                r = soap_codec_get_rpc_methods_response(soap, in->id, ret);
                return r < 0 ? r : SESSION_REPLY;
        case SOAP_MESSAGE_OTHER_REQUEST:
                r = soap_codec_fault(soap, in->id, ACS_FAULT_METHOD_NOT_SUPPORTED, "Method not supported", ret);
                return r < 0 ? r : SESSION_REPLY;
        case SOAP_MESSAGE_EMPTY:
                /* It must answer first. */
                if (s->command)
                        return SESSION_ABORT;
                return next(s, store, soap, now, ret, stored);
        case SOAP_MESSAGE_SET_RESPONSE:
        case SOAP_MESSAGE_GET_RESPONSE:
        case SOAP_MESSAGE_ADD_RESPONSE:
        case SOAP_MESSAGE_DELETE_RESPONSE:
        case SOAP_MESSAGE_NAMES_RESPONSE:
        case SOAP_MESSAGE_ATTRIBUTES_RESPONSE:
        case SOAP_MESSAGE_FAULT:
                r = step_response(s, store, soap, in, now, stored);
                if (r == -EBADMSG)
                        return SESSION_ABORT;
                return r < 0 ? r : next(s, store, soap, now, ret, stored);
        }
        return SESSION_ABORT;
}

int session_step(
                Session *s,
                Store *store,
                struct soap *soap,
                const SoapMessage *in,
                int64_t now,
                const char **ret_envelope,
                bool *ret_stored) {
        bool stored = false;
        int r;

        r = step(s, store, soap, in, now, ret_envelope, &stored);
        *ret_stored = stored;
        return r;
}
