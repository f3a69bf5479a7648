/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-sharemgr: Services.StorageService. on real disks and servers (docs/tr140.md). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/daemon-run.h"
#include "sharemgr/manager.h"

/* A bridge of LAN ports is called so on most gateways. */
#define INTERFACE_DEFAULT "lan0 br-lan"

static const char *arg_config = "/etc/ispstorage/sharemgr.conf";
static bool arg_check_config = false;

static int parse_file_system(const char *value, void *data) {
        return file_system_is_ours(value) ? config_parse_string(value, data) : -EINVAL;
}

static int parse_tls(const char *value, void *data) {
        static const char *const known[] = {
                [SHARE_TLS_OFF] = "no",
                [SHARE_TLS_OFFERED] = "offered",
                [SHARE_TLS_REQUIRED] = "required",
        };
        ShareTls *tls = data;

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (streq(value, known[i])) {
                        *tls = (ShareTls) i;
                        return 0;
                }
        return -EINVAL;
}

/* Returns the number of lines that were skipped. */
static int read_config(ManagerConfig *config) {
        const ConfigItem items[] = {
                { "Media", "Match", config_parse_strv, &config->media },
                { "Media", "FileSystem", parse_file_system, &config->file_system },
                { "Network", "Interfaces", config_parse_strv, &config->interfaces },
                { "HTTP", "Writing", config_parse_bool, &config->http_writing },
                { "FTP", "TLS", parse_tls, &config->ftp_tls },
                { "SMB", "Encryption", parse_tls, &config->smb.encryption },
                { "SMB", "AppleExtensions", config_parse_bool, &config->smb.apple },
                { "SMB", "VolumeRoots", config_parse_bool, &config->smb.volume_roots },
                { "TLS", "Certificate", config_parse_string, &config->certificate },
                {},
        };
        int r;

        config->http_writing = config->smb.apple = true;
        config->smb.encryption = SHARE_TLS_OFFERED;
        config->ftp_tls = SHARE_TLS_OFFERED;
        if ((r = config_parse_string("ext4", &config->file_system)) < 0)
                return log_oom();
        r = config_read(arg_config, items);
        if (r < 0)
                return r;
        if (!config->interfaces && config_parse_strv(INTERFACE_DEFAULT, &config->interfaces) < 0)
                return log_oom();
        return r;
}

static int run(const ManagerConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        if ((r = sd_bus_open_system(&bus)) < 0 ||
            (r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
            (r = sd_bus_set_exit_on_disconnect(bus, true)) < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        if ((r = manager_new(&m, event, bus, config)) < 0 || (r = manager_start(m)) < 0)
                return r;
        return daemon_loop(event);
}

static int help(void) {
        printf("ispstorage-sharemgr [OPTIONS]\n\n"
               "Makes volumes, folders, accounts and LAN servers of the data model (StorageService, TR-140).\n\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n"
               "     --config=FILE   Read this configuration instead of %s\n"
               "     --check-config  Read the configuration, say what is wrong with it, and end\n",
               arg_config);
        return 0;
}

/* Returns 1 to go on. */
static int parse_argv(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CHECK_CONFIG };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("ispstorage-sharemgr " PROJECT_VERSION);
                        return 0;
                case ARG_CONFIG:
                        arg_config = optarg;
                        break;
                case ARG_CHECK_CONFIG:
                        arg_check_config = true;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

int main(int argc, char *argv[]) {
        ManagerConfig config = {};
        int r;

        log_open();
        r = parse_argv(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        r = read_config(&config);
        if (arg_check_config)
                r = r > 0 ? -EINVAL : r;
        else if (r >= 0)
                r = run(&config);
        manager_config_done(&config);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
