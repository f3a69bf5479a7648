/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/ispstorage-operator/genieacs-bridge.conf. */
#pragma once

#include "operator/common/broker-config.h"

#define BRIDGE_CONFIG_PATH "/etc/ispstorage-operator/genieacs-bridge.conf"

typedef struct BridgeConfig {
        char *url, *nbi_ca_file; /* of the NBI; nbi_ca_file NULL: the system's authorities */
        uint32_t requests;       /* at a time */
        char *database;
        BrokerConfig broker;
} BridgeConfig;

/* Reads the file, or BRIDGE_CONFIG_PATH if path is NULL, over the defaults. Logs what is wrong with it. The
 * number of lines that were skipped, -EINVAL if a value is not usable, or a negative errno if it could not be read. */
int bridge_config_read(BridgeConfig *ret, const char *path);
void bridge_config_done(BridgeConfig *c);
