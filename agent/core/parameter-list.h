/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters as they travel: in CWMP messages, to and from providers, in the notification state. */
#pragma once

#include "agent/core/wire.h"
#include "common/base/macro.h"

/* TR-069 Annex A: names of parameters and objects have at most 256 characters. */
#define PARAMETER_NAME_MAX 256U

/* TR-069 table 62 (A.3.2.4): what a SetParameterAttributes can ask for. */
typedef enum Notification {
        NOTIFICATION_OFF = 0,
        NOTIFICATION_PASSIVE = 1,
        NOTIFICATION_ACTIVE = 2,
} Notification;

/* Every member but the name may be unset; which are meaningful depends on the message. */
typedef struct Parameter {
        char *name;
        char *type;         /* XML Schema type without prefix: "string", "unsignedInt", ... */
        char *value;        /* or the text of a fault, the CommandKey of an event */
        uint32_t fault;     /* fault code of this parameter, 0 for none */
        bool writable;      /* GetParameterNames */
        int notification;   /* Notification, or -1 for "leave it" in SetParameterAttributes */
        bool access_list_set;
        char **access_list;
} Parameter;

typedef struct ParameterList {
        Parameter *items;
        size_t n;
} ParameterList;

/* Frees the content and leaves an empty list. */
void parameter_list_done(ParameterList *l);
#define _cleanup_parameter_list_ _cleanup_(parameter_list_done)

/* Appends a parameter with copies of the strings (type and value may be NULL). Returns it, valid until the next append;
 * NULL if memory ran out. */
Parameter *parameter_list_add(ParameterList *l, const char *name, const char *type, const char *value);

/* Moves all of src to the end of dst. 0 or -ENOMEM, then both are as before. */
int parameter_list_move(ParameterList *dst, ParameterList *src);

/* Removes one; the others keep their order. */
void parameter_list_remove(ParameterList *l, size_t index);

/* The first parameter of that name, or NULL. */
Parameter *parameter_list_find(const ParameterList *l, const char *name);

/* True if the name is the pattern with a number for each "{i}": "A.{i}.B" stands for "A.12.B". */
bool parameter_name_matches(const char *pattern, const char *name) _pure_;

/* Writes what parameter_list_get() reads. What fails shows in the writer. */
void parameter_list_put(WireWriter *w, const ParameterList *l);
/* Appends to the (empty) list; defects show in the reader. */
void parameter_list_get(WireReader *r, ParameterList *l);
