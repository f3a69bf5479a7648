/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ispstorage.js, the extension of GenieACS, says of an Inform: one line of JSON,
 *
 *   {"manufacturer": "...", "oui": "...", "product_class": "...", "serial_number": "...",
 *    "root": "InternetGatewayDevice.", "session": <ms>, "events": ["4 VALUE CHANGE"],
 *    "parameters": {"<name>": "<text>"}}
 *
 * GenieACS runs a script several times in one session, so the same line comes again, and gives the same
 * message. */
#pragma once

#include <jansson.h>

#include "common/base/macro.h"
#include "operator/acs/message.h"

/* Events of one Inform (TR-069 has 64 as the most), and parameters of which the provision script speaks. */
#define INFORM_EVENTS_MAX 64U
#define INFORM_PARAMETERS_MAX 256U

/* The device's identifier and the message about it. Both are the caller's; the message borrows the
 * identifier. 0, -EBADMSG if the line is not of this form, -E2BIG if the identifier would be too long,
 * -EMSGSIZE, -ENOMEM, -EIO. */
int inform_read(const char *line, size_t size, int64_t now, char **ret_device, Message *ret);
