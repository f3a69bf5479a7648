/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a DHCP server says about the ACS (TR-069 section 3.1, tables 1 and 2): sub-options of option 43 of DHCPv4, and
 * of the vendor options 17 of DHCPv6 for enterprise 3561. No I/O. */
#pragma once

#include "common/base/macro.h"

/* The hexadecimal text of an option, with colons. */
#define DHCP_OPTION_TEXT_MAX 2048U
/* ManagementServer.URL; DeviceInfo.ProvisioningCode. */
#define DHCP_URL_MAX 256U
#define DHCP_PROVISIONING_CODE_MAX 64U

typedef struct DhcpOptions {
        char url[DHCP_URL_MAX + 1];
        char provisioning_code[DHCP_PROVISIONING_CODE_MAX + 1];
        uint32_t retry_minimum, retry_multiplier; /* 0: not said */
} DhcpOptions;

/* Reads the hexadecimal text (either case, colons between bytes allowed) of an option's value. What is not understood
 * is skipped: an operator sends it to all kinds of devices. Members that the option does not have stay as they are. 0,
 * or -EINVAL if the text is not hexadecimal, is too long, or ends in the middle of a sub-option. */
int dhcp_option_43(const char *text, DhcpOptions *ret);
int dhcp_option_17(const char *text, DhcpOptions *ret);
