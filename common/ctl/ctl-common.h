/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of ispstoragectl have in common. */
#pragma once

#include <jansson.h>
#include <systemd/sd-bus.h>

#include "common/base/macro.h"

#define CTL_SYNC_NAME "org.ispstorage.Sync1"
#define CTL_SYNC_PATH "/org/ispstorage/Sync1"
#define CTL_SYNC_OBJECT "X_" MANUFACTURER_OUI "_ISPStorage"
#define CTL_SYNC_REPOSITORY "org.ispstorage.Sync1.Repository"

typedef struct CtlContext {
        sd_bus *bus;
        char *object; /* of the instance */

        /* the options */
        bool json;
        uint32_t instance;
        const char *version;
        const char *time;
        const char *to;
        uint32_t limit; /* 0: no limit */
} CtlContext;

/* All below return 0 or a negative errno, and have logged then. */

/* Logs why a call failed with r, and returns r. */
int ctl_complain(const sd_bus_error *error, int r);
/* Prints it, indented and in ASCII, to standard output. */
int ctl_print_json(json_t *j);
/* Names of others, of files or disks, must not control the terminal. */
void ctl_print_safely(const char *s);
/* Text of arguments that may be no UTF-8: the JSON string, with what is not UTF-8 replaced. */
json_t *ctl_json_string(const char *s);

/* Calls a method of the repository; ret may be NULL. */
int ctl_call(CtlContext *c, const char *method, sd_bus_message **ret, const char *types, ...);
/* All parameters below a path of the data model, from the service that provides it: "name below the path" -> value,
 * both strings. *ret is the caller's. */
int ctl_get_values(sd_bus *bus, const char *service, const char *object, const char *path, json_t **ret);
/* A path as people write it: relative to the folder, "." for the folder, or absolute if it is below the folder's
 * directory. *ret is the caller's, relative, without slashes at its ends. */
int ctl_relative_path(CtlContext *c, const char *argument, char **ret);

/* --- the commands; arguments are those behind the command's name (ispstoragectl(1)) --- */

/* Without arguments. */
int ctl_status(CtlContext *c, char *arguments[]);
int ctl_sync(CtlContext *c, char *arguments[]);
int ctl_conflicts(CtlContext *c, char *arguments[]);
int ctl_log(CtlContext *c, char *arguments[]);
/* With one: a path. */
int ctl_versions(CtlContext *c, char *arguments[]);
int ctl_restore(CtlContext *c, char *arguments[]);
/* What the share manager serves, to whom, and who uses it now: nothing or "shares", "users", "volumes", "media",
 * "sessions", or "end-session NAME", or "wipe NAME", which asks for the name of the medium again. */
int ctl_share(CtlContext *c, char *arguments[]);
