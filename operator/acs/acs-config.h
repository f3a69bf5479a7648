/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/ispstorage-operator/acs.conf. */
#pragma once

#include "operator/common/broker-config.h"

#define ACS_CONFIG_PATH "/etc/ispstorage-operator/acs.conf"

typedef struct AcsConfig {
        char *listen;              /* "" for all addresses */
        uint32_t port, http_port;  /* HTTPS and plain HTTP; 0: none */
        char *certificate, *key;   /* PEM */
        char *client_ca_file;      /* NULL: devices show no certificates */
        bool basic_authentication;
        char *database, *realm;
        uint32_t workers;
        uint32_t command_linger;   /* milliseconds */
        uint32_t nonce_lifetime;   /* seconds */
        BrokerConfig broker;
        uint32_t periodic_inform_interval; /* seconds; 0: devices keep theirs */
        bool http_compression;
        char **parameters;         /* of interest, relative to the root object */
} AcsConfig;

/* Reads the file, or ACS_CONFIG_PATH if path is NULL, over the defaults. Logs what is wrong with it. The
 * number of lines that were skipped, -EINVAL if a value is out of its range, or a negative errno if it could not be
 * read. */
int acs_config_read(AcsConfig *ret, const char *path);
void acs_config_done(AcsConfig *c);
