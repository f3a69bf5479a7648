/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificate by which clients on the LAN know this NAS again, where its administrator gave it none. */
#pragma once

#include "common/base/macro.h"

/* Makes a P-256 key and a certificate that it signs itself, for host_name and host_name.local, and stores
 * both as PEM in a new string, which the caller wipes and frees. 0; -EINVAL if host_name is not a host name;
 * -EIO if the library fails; -ENOMEM. */
int certificate_make(const char *host_name, char **ret);

/* True if the text has a certificate and the private key that belongs to it. */
bool certificate_is_usable(const char *pem);
