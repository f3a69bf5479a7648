/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-frontend: subscriptions, operations, keys and repositories. */
#include <getopt.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/daemon-run.h"
#include "operator/frontend/api.h"

static const char *arg_config = "/etc/ispstorage-operator/frontend.conf";
static bool arg_check_config = false;

static void help(void) {
        printf("ispstorage-frontend [OPTIONS]\n\n"
               "The operator's storage frontend. Its sockets come from the service manager.\n\n"
               "     --config=FILE   read this configuration instead of %s\n"
               "     --check-config  read the configuration, say what is wrong with it, and exit\n"
               "  -h --help          show this help\n"
               "     --version       show the version\n",
               arg_config);
}

/* 1 to go on, 0 to end with success, -EINVAL. */
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
                        puts("ispstorage-frontend " PROJECT_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

/* The two sockets, told apart by the names that their units give them. -EBADF stays for one that is not
 * there. */
static int take_sockets(int *ret_api, int *ret_hook) {
        _cleanup_strv_free_ char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (streq(names[i], "api") && *ret_api < 0)
                        *ret_api = fd;
                else if (streq(names[i], "hook") && *ret_hook < 0)
                        *ret_hook = fd;
                else
                        (void) safe_close(fd);
        }
        return n < 0 ? n : 0;
}

static int run(void) {
        _cleanup_(frontend_config_done) FrontendConfig config = {};
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(manager_freep) Manager *manager = NULL;
        _cleanup_(api_freep) Api *api = NULL;
        int api_fd = -EBADF, hook_fd = -EBADF, r;

        r = frontend_config_load(&config, arg_config);
        if (r < 0)
                return r;
        if (arg_check_config)
                return r > 0 ? -EINVAL : 0;
        r = take_sockets(&api_fd, &hook_fd);
        if (r < 0)
                return log_error_errno(r, "Failed to take the sockets: %m");
        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make an event loop: %m");
        r = manager_new(&manager, event, &config, hook_fd);
        if (r < 0)
                return r;
        r = api_new(&api, manager, api_fd);
        if (r < 0)
                return r;
        r = daemon_loop(event);
        return r < 0 ? log_error_errno(r, "The event loop failed: %m") : r;
}

int main(int argc, char *argv[]) {
        int r;

        log_open();
        r = parse_argv(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
