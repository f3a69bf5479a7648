/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The section [Broker] of the services' configuration files. */
#pragma once

#include "common/base/config.h"
#include "operator/common/mqtt-client.h"

typedef struct BrokerConfig {
        char *host;
        uint32_t port;
        char *user, *password_file, *ca_file;
        char *password; /* out of the file; NULL: none is needed */
} BrokerConfig;

/* What it is before config_read(). */
#define BROKER_CONFIG_INIT { .port = 1883 }

/* The items of config_read(); c is a BrokerConfig *. */
#define BROKER_CONFIG_ITEMS(c)                                                  \
        { "Broker", "Host", config_parse_string, &(c)->host },                  \
        { "Broker", "Port", config_parse_uint32, &(c)->port },                  \
        { "Broker", "User", config_parse_string, &(c)->user },                  \
        { "Broker", "PasswordFile", config_parse_string, &(c)->password_file }, \
        { "Broker", "CAFile", config_parse_string, &(c)->ca_file }

/* After config_read(): sets what was left out (user is the account of this service), and reads the password: of
 * PasswordFile=, else of the credential "broker-password" if the service manager hands credentials over. Logs what is
 * wrong. 0, -EINVAL if the port is none, -ENOMEM, or the errno of a file that cannot be read. */
int broker_config_finish(BrokerConfig *c, const char *user);
void broker_config_done(BrokerConfig *c);

/* How to connect; borrows from c and client_id. */
MqttSettings broker_config_settings(const BrokerConfig *c, const char *client_id);
