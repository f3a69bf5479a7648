/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The errors of the project's D-Bus interfaces: one table of names and errnos, one of names and CWMP faults. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/datamodel/dm-fault.h"

#define BUS_ERROR_REQUEST_DENIED "org.ispstorage.Error.RequestDenied"
#define BUS_ERROR_INTERNAL_ERROR "org.ispstorage.Error.InternalError"
#define BUS_ERROR_INVALID_ARGUMENTS "org.ispstorage.Error.InvalidArguments"
#define BUS_ERROR_RESOURCES_EXCEEDED "org.ispstorage.Error.ResourcesExceeded"
#define BUS_ERROR_INVALID_NAME "org.ispstorage.Error.InvalidName"
#define BUS_ERROR_INVALID_TYPE "org.ispstorage.Error.InvalidType"
#define BUS_ERROR_INVALID_VALUE "org.ispstorage.Error.InvalidValue"
#define BUS_ERROR_NON_WRITABLE "org.ispstorage.Error.NonWritable"
#define BUS_ERROR_BUSY "org.ispstorage.Error.Busy"                    /* EBUSY */
#define BUS_ERROR_NO_SUCH_TOKEN "org.ispstorage.Error.NoSuchToken"    /* ENOLCK */
#define BUS_ERROR_STORAGE_FAILED "org.ispstorage.Error.StorageFailed" /* EIO */
#define BUS_ERROR_NO_SUCH_VERSION "org.ispstorage.Error.NoSuchVersion" /* ESRCH */
#define BUS_ERROR_ALREADY_EXISTS "org.ispstorage.Error.AlreadyExists" /* EEXIST */
#define BUS_ERROR_UNREACHABLE "org.ispstorage.Error.Unreachable"      /* EHOSTUNREACH */
#define BUS_ERROR_CANCELED "org.ispstorage.Error.Canceled"            /* ECANCELED */

/* Makes sd-bus translate the names above to errnos and back, in this process. May be called again. 0 or a
 * negative errno. */
int bus_error_register(void);

/* Fills e with the name that stands for the fault and the text (NULL: the standard's). Returns a negative
 * errno, as sd_bus_error_set() does, so that method handlers return it. */
int bus_error_set_fault(sd_bus_error *e, DmFault fault, const char *text);

/* Fills e for what the engine or the disk answered: -EBUSY is Busy, -ENOLCK NoSuchToken, -ENOMEM and all
 * others by name StorageFailed or InternalError. Returns a negative errno. */
int bus_error_set_errno(sd_bus_error *e, int error);

/* Fills e with the name that stands for the errno in the table above, StorageFailed for all others, and the text.
 * Returns a negative errno. */
int bus_error_set_named(sd_bus_error *e, int error, const char *text);

/* The fault that an error means to an ACS. A name that is not ours, NoReply and Busy included, is an
 * internal error. */
DmFault bus_error_to_fault(const sd_bus_error *e);
