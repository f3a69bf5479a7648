/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <getopt.h>
#include <stdio.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/daemon/daemon-run.h"
#include "operator/acs/acs-cli.h"
#include "operator/acs/acs.h"

#include <openssl/ssl.h>

typedef enum Action {
        ACTION_RUN,
        ACTION_SET_PASSWORD,
        ACTION_LIST_DEVICES,
        ACTION_CHECK_CONFIG,
} Action;

static Action arg_action = ACTION_RUN;
static const char *arg_config = NULL;
static const char *arg_device = NULL;
static bool arg_json = false;

static void help(void) {
        (void) printf("%s [OPTION]...\n\n"
                      "The CWMP endpoint of the operator: serves devices, executes commands from the queue.\n\n"
                      "     --config=FILE          read this configuration (default " ACS_CONFIG_PATH ")\n"
                      "     --set-password=DEVICE  read DEVICE's password from standard input and store its hash\n"
                      "     --list-devices         print the devices that are known\n"
                      "     --json                 print them as JSON\n"
                      "     --check-config         read configuration, certificate and key, and exit\n"
                      "  -h --help                 show this help\n"
                      "     --version              show the version\n\n"
                      "DEVICE is OUI-ProductClass-SerialNumber, as in the user name of its digest authentication.\n",
                      program_invocation_short_name);
}

/* Returns 1 to go on, 0 if all is done. */
static int parse_argv(int argc, char *argv[]) {
        enum {
                ARG_CONFIG = 0x100,
                ARG_SET_PASSWORD,
                ARG_LIST_DEVICES,
                ARG_JSON,
                ARG_CHECK_CONFIG,
                ARG_VERSION,
        };
        static const struct option options[] = {
                { "config", required_argument, NULL, ARG_CONFIG },
                { "set-password", required_argument, NULL, ARG_SET_PASSWORD },
                { "list-devices", no_argument, NULL, ARG_LIST_DEVICES },
                { "json", no_argument, NULL, ARG_JSON },
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
                case ARG_SET_PASSWORD:
                        arg_action = ACTION_SET_PASSWORD;
                        arg_device = optarg;
                        break;
                case ARG_LIST_DEVICES:
                        arg_action = ACTION_LIST_DEVICES;
                        break;
                case ARG_JSON:
                        arg_json = true;
                        break;
                case ARG_CHECK_CONFIG:
                        arg_action = ACTION_CHECK_CONFIG;
                        break;
                case 'h':
                        help();
                        return 0;
                case ARG_VERSION:
                        (void) puts("ispstorage-acs " PROJECT_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

static int serve(const AcsConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(acs_freep) Acs *acs = NULL;
        int r;

        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        r = acs_new(&acs, event, config);
        if (r < 0)
                return r;
        r = daemon_loop(event);
        return r < 0 ? log_error_errno(r, "The event loop failed: %m") : r;
}

static int check_config(const AcsConfig *config, int problems) {
        SSL_CTX *tls = NULL;
        int r = 0;

        if (config->port > 0)
                r = acs_load_tls(config, &tls);
        SSL_CTX_free(tls);
        return r >= 0 && problems > 0 ? -EINVAL : r;
}

static int run(int argc, char *argv[]) {
        _cleanup_(acs_config_done) AcsConfig config = {};
        int r;

        log_open();
        r = parse_argv(argc, argv);
        if (r <= 0)
                return r;
        r = acs_config_read(&config, arg_config);
        if (r < 0)
                return r;
        switch (arg_action) {
        case ACTION_RUN:
                return serve(&config);
        case ACTION_SET_PASSWORD:
                return acs_cli_set_password(&config, arg_device);
        case ACTION_LIST_DEVICES:
                return acs_cli_list_devices(&config, arg_json);
        case ACTION_CHECK_CONFIG:
                return check_config(&config, r);
        }
        return -EINVAL;
}

int main(int argc, char *argv[]) {
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
