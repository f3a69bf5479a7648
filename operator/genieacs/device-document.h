/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device as the NBI of GenieACS shows it: a tree of JSON objects, one level for each part of a name. A
 * parameter has "_value", "_type" and "_timestamp", every node may have "_object" and "_writable";
 * "_lastInform" at the top is when its last session began. All times are by the clock of genieacs-cwmp. */
#pragma once

#include <jansson.h>

#include "common/base/macro.h"
#include "operator/acs/command.h"

/* A request's line must fit into the 16 KiB that Node.js takes for the whole head of a request. */
#define PROJECTION_LENGTH_MAX 4096U

/* The id that GenieACS gives to the device of this identifier (docs/mqtt.md): it leaves an empty product
 * class out. *ret is the caller's. 0 or -ENOMEM. */
int genieacs_device_id(const char *device, char **ret);

/* The node of a parameter or object, with or without a dot at its end; NULL if it is not there. */
const json_t *document_find(const json_t *document, const char *name);

/* False for parameters. */
bool document_is_object(const json_t *node);

/* False if it is known that it cannot be written, or that no instance can be added to it. */
bool document_may_be_written(const json_t *node);

/* The parts of a node that are no properties of it: where to go on for "for (key ...)" loops. */
static inline bool document_is_child(const char *key) {
        return key[0] != '_';
}

/* The value of a parameter as a device would send it. *ret is the caller's. 0, -ENOENT if it has none that
 * is known, -ENOMEM. */
int document_value(const json_t *node, char **ret);

/* Is this the value? A boolean, a number or a time may be written in another way. */
bool document_value_is(const json_t *node, const CommandValue *wanted);

/* A time in milliseconds, INT64_MIN if there is none. */
int64_t document_time(const json_t *node, const char *key);

/* May GenieACS be told to send this device a connection request? It stops if the device has never reported
 * an URL, or one that is no URL; it reaches http: only. */
bool document_is_reachable(const json_t *document);

/* What is to be in the document for these names (NULL-terminated list; each with or without a dot at its
 * end), besides what this file wants for itself: the parameter "projection" of a query. Where the names
 * would be too long, their objects stand for them. *ret is the caller's. 0 or -ENOMEM. */
int document_projection(char *const *names, char **ret);
