/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device identifiers and the MQTT topics that carry them (docs/mqtt.md).
 *
 * An identifier is "OUI-ProductClass-SerialNumber" with every byte of the three parts outside A-Z a-z 0-9
 * _ written as %XX in upper case. There is exactly one way to write a device, so identifiers can be
 * compared as strings. */
#pragma once

#include "common/base/macro.h"

/* Longest identifier in bytes without the NUL (docs/mqtt.md). CWMP allows parts of 6, 64 and 64
 * characters; those who fill them with escapes only do not fit and are refused. */
#define DEVICE_ID_LENGTH_MAX 256U

#define TOPIC_PREFIX "ispstorage/v1/cwmp/"

typedef enum TopicKind {
        TOPIC_INFORM,
        TOPIC_COMMAND,
        TOPIC_RESULT,
        TOPIC_ACK,
        _TOPIC_KIND_MAX,
} TopicKind;

/* Makes the identifier of a device from what its DeviceId struct says. *ret is the caller's. 0, -EINVAL
 * if OUI or serial number is empty, -E2BIG if it would be too long, -ENOMEM. */
int device_id_encode(const char *oui, const char *product_class, const char *serial_number, char **ret);

/* Takes an identifier apart and decodes it; each ret_ may be NULL and is the caller's otherwise. 0,
 * -EINVAL if it is not written in the one canonical way, -E2BIG, -ENOMEM. */
int device_id_decode(const char *id, char **ret_oui, char **ret_product_class, char **ret_serial_number);

/* True if device_id_decode() would take it. */
bool device_id_is_valid(const char *id);

/* The topic of a device, for publishing. device must be a valid identifier. *ret is the caller's. 0 or
 * -ENOMEM. */
int topic_new(const char *device, TopicKind kind, char **ret);

/* The filter that matches the topic of this kind of all devices. */
const char *topic_filter(TopicKind kind);

/* Takes a received topic apart. *ret_device (the identifier, checked) is the caller's. 0, -EINVAL if it
 * is not one of ours, -E2BIG, -ENOMEM. */
int topic_parse(const char *topic, char **ret_device, TopicKind *ret_kind);
