/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that arrive as JSON (docs/mqtt.md): checked here once, so that what is queued can be sent. */
#pragma once

#include "common/base/macro.h"

/* Ids are the frontend's; they are keys in the database and quoted in results. */
#define COMMAND_ID_LENGTH_MAX 64U
/* TR-069 section 3.5: a CPE need not accept envelopes above 32 KiB; this many parameters come near it. */
#define COMMAND_PARAMETERS_MAX 256U
/* Parameter and object names (cwmp-1-2.xsd). */
#define PARAMETER_NAME_LENGTH_MAX 256U
#define PARAMETER_VALUE_LENGTH_MAX (32U * 1024U)

typedef enum CommandKind {
        COMMAND_SET,
        COMMAND_GET,
        COMMAND_ADD,
        COMMAND_DELETE,
        COMMAND_NAMES,      /* GetParameterNames */
        COMMAND_ATTRIBUTES, /* SetParameterAttributes */
        _COMMAND_KIND_MAX,
} CommandKind;

typedef struct CommandValue {
        char *name;
        const char *type; /* xsi:type, with the prefixes xsd and SOAP-ENC */
        char *value;
} CommandValue;

typedef struct Command {
        char *id;
        CommandKind kind;
        uint32_t expires; /* seconds after arrival; 0: never */
        bool more;        /* another one follows as soon as this one's result is known */
        CommandValue *values;
        size_t n_values; /* set; attributes, where the value is the notification */
        char **names;    /* get */
        char *object;    /* add, delete, names */
        bool next_level; /* names */
} Command;

/* Reads a command. *ret is the caller's. 0, -ENOMEM, or -EINVAL if it is not a valid command; then
 * *ret_id is its id if it has a usable one (else NULL; the caller's) and *ret_error says what is wrong
 * (static text). */
int command_parse(const char *payload, size_t size, Command **ret, char **ret_id, const char **ret_error);
Command *command_free(Command *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Command *, command_free);

/* Reads the order to forget a command: *ret_id is the command's id, the caller's. 0, -EINVAL or -ENOMEM. */
int cancel_parse(const char *payload, size_t size, char **ret_id);

/* Reads an acknowledgement: *ret is the list of ids, the caller's. 0, -EINVAL or -ENOMEM. */
int ack_parse(const char *payload, size_t size, char ***ret);
