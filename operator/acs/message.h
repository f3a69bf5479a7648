/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON that goes to the frontend: inform and result (docs/mqtt.md). */
#pragma once

#include "common/base/macro.h"
#include "operator/acs/store.h"

typedef struct NameValue {
        const char *name, *value;
} NameValue;

typedef struct InformReport {
        const char *id;     /* of the message, MESSAGE_ID_SIZE with its NUL; NULL: a new one */
        const char *device; /* the identifier */
        const char *root;
        const char *manufacturer, *oui, *product_class, *serial_number;
        const NameValue *events; /* code, command key */
        size_t n_events;
        const NameValue *parameters;
        size_t n_parameters;
} InformReport;

typedef struct ParameterFault {
        const char *name, *string;
        uint32_t code;
} ParameterFault;

typedef struct ParameterName {
        const char *name;
        bool writable;
} ParameterName;

typedef enum ResultStatus {
        RESULT_OK,
        RESULT_FAULT,
        RESULT_EXPIRED,
        RESULT_REJECTED,
        RESULT_UNKNOWN, /* the device may or may not have executed it */
        _RESULT_STATUS_MAX,
} ResultStatus;

typedef struct Result {
        const char *device;  /* the identifier */
        const char *command; /* its id */
        ResultStatus status;
        bool has_cwmp_status;
        int cwmp_status;
        const NameValue *values; /* get; NULL otherwise */
        size_t n_values;
        const ParameterName *names; /* names; NULL otherwise */
        size_t n_names;
        uint32_t instance; /* add; 0 otherwise */
        uint32_t fault_code;
        const char *fault_string;
        const ParameterFault *parameter_faults;
        size_t n_parameter_faults;
        const char *error; /* text, with rejected and unknown */
} Result;

/* Make a message, with a new id unless the report has one; the device string is borrowed from the argument.
 * Text that is no UTF-8 has its bytes above 0x7f replaced by '?'; a parameter with such a name is left out. 0,
 * -EMSGSIZE if it would be larger than MQTT_PAYLOAD_MAX, -ENOMEM, -EIO. */
int message_inform(Message *ret, const InformReport *report, int64_t now);
int message_result(Message *ret, const Result *result, int64_t now);

/* Those of the parameters that names has (relative to root), as a JSON object of texts. *ret is the caller's, NULL if
 * there are none. Text that is no UTF-8 as above. 0 or -ENOMEM. */
int message_selection(
                const NameValue *parameters, size_t n, const char *root, char *const *names, char **ret);
