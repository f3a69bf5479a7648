/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON for people: tables and lists of "key: value". */
#pragma once

#include <jansson.h>

/* Prints an array of objects as a table of these columns (NULL-terminated). */
void print_table(const json_t *array, const char *const columns[]);

/* Prints the members of an object, one a line. */
void print_object(const json_t *object);
