/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values as text: what a schema's type allows, and the one canonical form in which the model keeps them. */
#pragma once

#include "common/datamodel/dm-schema.h"

/* Checks a value from outside against the parameter's type, size, range, enumeration and reference targets
 * (TR-106 3.2, A.2.3) and gives its canonical form: numbers without blanks, signs and leading zeros,
 * booleans as true and false, times in UTC, list items without blanks around them, references without the
 * root object and the dot at the end. instances are the numbers in the path of the parameter's object, for
 * references that must stay in the same service object; NULL skips that comparison. *ret is the caller's. 0;
 * -EINVAL, then *ret_reason, if not NULL, is a static text; -ENOMEM. */
int dm_value_canonicalize(
                const DmParameter *p,
                const uint32_t *instances,
                const char *value,
                char **ret,
                const char **ret_reason);

/* True if the type that a request names ("xsd:boolean", "boolean") fits the parameter; "" fits all. */
bool dm_type_matches(const DmParameter *p, const char *type);

/* True if the path, a row's without dot at the end, fits the pattern, whose {i} stand for instance numbers.
 * The numbers found go to instances (at most DM_DEPTH_MAX). */
bool dm_path_matches(const char *path, const char *pattern, uint32_t instances[static DM_DEPTH_MAX]);

/* Parses an instance number as it stands in paths: decimal, not 0, no leading zero. *end is where it ends. */
bool dm_parse_instance(const char *s, const char **end, uint32_t *ret);
