/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict parsing of text from outside: the whole string must be the value. */
#pragma once

#include <time.h>

#include "common/base/macro.h"

/* Decimal numbers without sign, leading blanks or trailing text (a '-' is allowed in the signed forms).
 * 0, -EINVAL if it is not a number, -ERANGE if it does not fit. *ret is untouched on failure. */
int parse_uint32(const char *s, uint32_t *ret);
int parse_uint64(const char *s, uint64_t *ret);
int parse_int64(const char *s, int64_t *ret);

/* "1", "true", "yes", "on" and "0", "false", "no", "off" (the forms of a configuration file; XML Schema's boolean,
 * a subset of them, is the data model's business). 0 or -EINVAL. */
int parse_boolean(const char *s, bool *ret);

/* XML Schema dateTime as TR-106 section 3.2 uses it, "2026-01-31T23:59:59Z", with optional fraction and offset. *ret is
 * UTC seconds. The Unknown Time "0001-01-01T00:00:00Z" gives INT64_MIN. 0, or -EINVAL, also outside the years 1 to
 * 9999. */
int parse_datetime(const char *s, int64_t *ret);

/* The length of what format_datetime() writes, with the terminating NUL. */
#define DATETIME_SIZE 32U

/* UTC in the form "2026-01-31T23:59:59Z"; INT64_MIN, and what has no year of four digits, gives
 * the Unknown Time. Returns buf. */
char *format_datetime(int64_t seconds, char buf[static DATETIME_SIZE]);

/* Decodes lower- or upper-case hexadecimal into size bytes; the string must be exactly 2 * size long. 0 or -EINVAL. */
int parse_hex(const char *s, void *ret, size_t size);

/* Writes 2 * size lower-case digits and a NUL. Returns buf. */
char *format_hex(const void *data, size_t size, char *buf);
