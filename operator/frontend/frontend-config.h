/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/ispstorage-operator/frontend.conf */
#pragma once

#include "operator/common/broker-config.h"

typedef struct FrontendConfig {
        char *database;
        BrokerConfig broker;
        /* [Storage] */
        char *repositories, *ssh_host, *ssh_user, *host_keys_file;
        uint32_t ssh_port;
        char *host_keys; /* read from the file: "<type> <base64>", one a line */
        uint64_t quota_mib;
        char *repository_command;
        char *hooks, *hook_socket; /* what repositories are set to */
        /* for ispstorage-authorized-keys, which reads the same file */
        char *git_shell;
        uint32_t sessions_per_key;
        /* [API] */
        char *api_address;
        uint32_t api_port; /* 0: not over the network */
        char *api_certificate_file, *api_key_file;
        char *api_certificate, *api_key; /* read from the files; NULL: none */
        /* [Maintenance] */
        uint32_t maintenance_interval_sec; /* 0: none */
        /* [Retention] */
        char *retention; /* a policy (operator/common/retention-policy.h) */
        /* [Mirror] */
        char *mirror_remote; /* "" or NULL: none */
        char *mirror_config_file;
        /* [Provisioning] */
        char *profile;
} FrontendConfig;

/* Defaults, then the file, then the files that it names. Logs. The number of lines that were skipped,
 * or a negative errno. */
int frontend_config_load(FrontendConfig *c, const char *path);
void frontend_config_done(FrontendConfig *c);
