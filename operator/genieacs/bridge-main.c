/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/daemon/daemon-run.h"
#include "operator/genieacs/bridge.h"

static const char *arg_config = NULL;
static bool arg_check_config = false;

static void help(void) {
        (void) printf("%s [OPTION]...\n\n"
                      "Makes GenieACS the ACS of the storage service: brings the frontend's commands from the\n"
                      "message broker to its NBI, and the Informs that its extension reports to the broker.\n\n"
                      "     --config=FILE   read this configuration (default " BRIDGE_CONFIG_PATH ")\n"
                      "     --check-config  read the configuration, say what is wrong with it, and exit\n"
                      "  -h --help          show this help\n"
                      "     --version       show the version\n",
                      program_invocation_short_name);
}

/* Returns 1 to go on, 0 if all is done. */
static int parse_argv(int argc, char *argv[]) {
        enum {
                ARG_CONFIG = 0x100,
                ARG_CHECK_CONFIG,
                ARG_VERSION,
        };
        static const struct option options[] = {
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case ARG_CONFIG:
                        arg_config = optarg;
                        break;
                case ARG_CHECK_CONFIG:
                        arg_check_config = true;
                        break;
                case 'h':
                        help();
                        return 0;
                case ARG_VERSION:
                        (void) puts("ispstorage-genieacs-bridge " PROJECT_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

static int serve(const BridgeConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(bridge_freep) Bridge *bridge = NULL;
        int r;

        r = sd_listen_fds(true);
        if (r != 1)
                return log_error_errno(
                                r < 0 ? r : -EINVAL,
                                "The service manager has to pass one socket "
                                "(ispstorage-genieacs-bridge.socket).");
        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        r = bridge_new(&bridge, event, config, SD_LISTEN_FDS_START);
        if (r < 0)
                return r;
        r = daemon_loop(event);
        return r < 0 ? log_error_errno(r, "The event loop failed: %m") : r;
}

static int run(int argc, char *argv[]) {
        _cleanup_(bridge_config_done) BridgeConfig config = {};
        int r;

        log_open();
        r = parse_argv(argc, argv);
        if (r <= 0)
                return r;
        r = bridge_config_read(&config, arg_config);
        if (r < 0)
                return r;
        if (arg_check_config)
                return r > 0 ? -EINVAL : 0;
        return serve(&config);
}

int main(int argc, char *argv[]) {
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
