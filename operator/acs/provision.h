/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ACS itself sets in a device, at first contact and after the device forgot it: the credentials
 * with which it asks for sessions, the interval of periodic Informs, and compression. */
#pragma once

#include "operator/acs/session.h"

/* Relative to the root object. */
#define PROVISION_COMPRESSION_SUPPORTED "ManagementServer.HTTPCompressionSupported"

typedef enum Provision {
        PROVISION_DONE,
        PROVISION_ASK,      /* read what the device can compress */
        PROVISION_SET,      /* set everything but compression */
        PROVISION_SET_GZIP, /* set everything */
} Provision;

/* Makes the command of a step that is not PROVISION_DONE. Credentials are random for each device, and
 * stored before the device learns them. *ret is the caller's; its id is empty. 0, -ENOMEM, -EIO, or the
 * store's errors. */
int provision_command(
                Provision step,
                Store *store,
                const char *device,
                const char *root,
                const SessionSettings *settings,
                Command **ret);
