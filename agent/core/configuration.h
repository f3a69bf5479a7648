/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vendor configuration file: every parameter that the ACS may set, and the rows that it may add, as text.
 *
 *     ISPStorage configuration 1
 *     Device.Services.StorageService.1.UserAccount.2.
 *     Device.Services.StorageService.1.UserAccount.2.Enable<TAB>boolean<TAB>1
 *
 * A line is a row, or name, type and value of a parameter; in a value "\\", "\n", "\r", "\t" stand for themselves.
 * Empty values are left out, and with them all that is hidden (passwords); so are parameters that are orders and not
 * settings (Unexported= of the provider file). An import adds the rows that are missing, under new numbers if it must,
 * sets the values as one SetParameterValues, and removes nothing. */
#pragma once

#include "agent/core/rpc.h"

/* 20,000 parameters of 50 bytes. */
#define CONFIGURATION_FILE_MAX (1024U * 1024U)

typedef struct ConfigurationJob ConfigurationJob;

/* Called once, perhaps before the function that began the job returns. fault is 0, or a fault code of TransferComplete
 * with a text. The handler may free the job. */
typedef void (*ConfigurationHandler)(uint32_t fault, const char *text, void *userdata);

/* Writes the file, durably. *ret is the caller's, and set before the handler is called. 0 or -ENOMEM. */
int configuration_export(ConfigurationJob **ret, const RpcContext *context, const char *path,
                         ConfigurationHandler handler, void *userdata);

/* Reads the file and puts it into effect: all of it, or nothing. *ret as above. 0, -EBADMSG if it is no
 * configuration file, or another negative errno. */
int configuration_import(ConfigurationJob **ret, const RpcContext *context, const char *path,
                         ConfigurationHandler handler, void *userdata);

/* Ends it; what is under way with the providers ends by itself. NULL is allowed; returns NULL. */
ConfigurationJob *configuration_job_free(ConfigurationJob *job);
DEFINE_TRIVIAL_CLEANUP_FUNC(ConfigurationJob *, configuration_job_free);
