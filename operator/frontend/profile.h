/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Provisioning profiles: what is set on a device's first contact (docs/operator.md has the form of the
 * file).
 *
 * A profile is worked off by dependency: first "get" (what the device has), then every "add" whose
 * placeholders are known, as many at once as possible, and when all rows exist one "set". The answers become
 * variables. Where a profile stands is therefore nothing but the variables that are known, and provisioning
 * goes on after any interruption. */
#pragma once

#include <jansson.h>

#include "common/base/macro.h"

/* A profile is written by the operator; more than this is a mistake. */
#define PROFILE_FILE_MAX (256U * 1024U)
#define PROFILE_ADDS_MAX 64U
/* Longest text that an expansion may give: CWMP's parameter values have no limit, ours does. */
#define PROFILE_TEXT_MAX 16384U

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Reads and checks a profile. *ret is the caller's. -EINVAL if it is not one (*ret_error, the caller's, says
 * why), or an error of read_file(). */
int profile_load(const char *path, json_t **ret, char **ret_error);

/* The same for text. */
int profile_parse(const char *text, json_t **ret, char **ret_error);

/* Replaces each "{name}" by its variable. *ret is the caller's. -ENOKEY if a variable is not known, -EINVAL
 * for an unmatched brace, -E2BIG, -ENOMEM. */
int profile_expand(const char *text, const json_t *variables, char **ret);

/* All variables: builtin, overlaid by the profile's own (which may use what is before them), by overrides
 * (the subscription's; NULL for none) and by learned (NULL for none). *ret is the caller's. Errors of
 * profile_expand(). */
int profile_variables(
                const json_t *profile,
                const json_t *builtin,
                const json_t *overrides,
                const json_t *learned,
                json_t **ret);

typedef enum ProfileStep {
        PROFILE_GET,
        PROFILE_ADD,
        PROFILE_SET,
        PROFILE_COMPLETE,
} ProfileStep;

/* The next step for these variables. learned is what profile_learn() collected. *ret_commands is an array of
 * { "argument": name of the row ("" for get and set), "command": a command of docs/mqtt.md without its id },
 * all of which can be sent at once. Returns a ProfileStep, or an error of profile_expand() (-ENOKEY: a
 * placeholder that nothing defines). */
int profile_next(
                const json_t *profile,
                const json_t *variables,
                const json_t *learned,
                json_t **ret_commands);

/* Takes the values of an answered get into learned, or the instance of an answered add of the row `name`, or
 * (name
 * "") notes that the set was done. 0, -EBADMSG if a value is missing, -ENOMEM. */
int profile_learn_values(
                const json_t *profile, const json_t *variables, const json_t *values, json_t *learned);
int profile_learn_instance(json_t *learned, const char *name, uint32_t instance);
int profile_learn_set(json_t *learned);

/* The rows stay, what was read and set is to be read and set again. */
void profile_forget_values(json_t *learned);
