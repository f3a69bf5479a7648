/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent knows before it has a data model: its configuration (ispstorage-agent.conf(5)) and credentials. */
#pragma once

#include "common/base/macro.h"

/* The configuration file, for what the data model does not (yet) know. */
typedef struct AgentConfig {
        char *manufacturer, *model_name, *product_class, *serial_number, *hardware_version, *software_version;
        char *root_object;          /* "InternetGatewayDevice" or "Device" */
        const char *device_summary; /* the root object's profiles that are complete; NULL for none */
        char **withheld;            /* parameters that this version of the root object does not have */
        char *acs_url, *acs_username, *acs_password;
        char *trusted_certificates; /* file */
        char *client_certificate;   /* file, with its key; NULL for none */
        char *clock_file;           /* there is one once the clock is right */
        char *discovery_file;       /* what DHCP says about the ACS */
        bool basic_without_tls;
        char *connection_request_address;   /* numeric; NULL for all addresses */
        char *connection_request_interface; /* NULL for all */
        char *state_directory;
        char *runtime_directory; /* empty after a boot of the device */
        char *session_worker, *transfer_worker; /* paths of the executables */
        char *helper_directory;     /* with the sockets of the helper units */
        uint32_t transfer_max_mib;  /* largest file that is taken */
        uint32_t transfer_floor_mib; /* stays free on the disk of the state directory */
        char *document_directory;
        char *device_type_document; /* of the root object, in that directory */
        char **provider_directories;
} AgentConfig;

/* Reads the file and its drop-ins, then the service manager's credentials for what they leave open, then the defaults.
 * c is zeroed, and to be done with in any case. The number of lines that were skipped; -EINVAL if the serial number
 * is missing or the root object is none; -ENOMEM; or a negative errno of what cannot be read. Logs. */
int agent_config_load(AgentConfig *c, const char *path);
void agent_config_done(AgentConfig *c);
#define _cleanup_agent_config_ _cleanup_(agent_config_done)
