/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-syncd: keeps folders in step with repositories at the operator. */
#include <getopt.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/daemon/daemon-run.h"
#include "syncd/sync-manager.h"

static const char *arg_state_directory = "/var/lib/ispstorage/sync";
static const char *arg_runtime_directory = "/run/ispstorage/sync";

static int help(const char *name) {
        printf("%s [OPTIONS...]\n\n"
               "Keeps folders in step with repositories at the operator.\n\n"
               "  -h --help                   Show this help\n"
               "     --version                Show the version\n"
               "     --state-directory=PATH   Parameters, keys and local stores (%s)\n"
               "     --runtime-directory=PATH Sockets of connections (%s)\n",
               name,
               arg_state_directory,
               arg_runtime_directory);
        return 0;
}

/* Returns 1 to go on. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_STATE_DIRECTORY, ARG_RUNTIME_DIRECTORY };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "state-directory", required_argument, NULL, ARG_STATE_DIRECTORY },
                { "runtime-directory", required_argument, NULL, ARG_RUNTIME_DIRECTORY },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help(argv[0]);
                case ARG_VERSION:
                        puts("ispstorage-syncd " PROJECT_VERSION);
                        return 0;
                case ARG_STATE_DIRECTORY:
                        arg_state_directory = optarg;
                        break;
                case ARG_RUNTIME_DIRECTORY:
                        arg_runtime_directory = optarg;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

static int run(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(manager_freep) Manager *manager = NULL;
        int r;

        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        r = bus_error_register();
        if (r < 0)
                return log_error_errno(r, "Failed to register errors: %m");
        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        r = sd_bus_attach_event(bus, event, 0);
        if (r < 0)
                return log_error_errno(r, "Failed to attach the bus: %m");
        r = sd_bus_set_exit_on_disconnect(bus, true);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the bus: %m");
        r = manager_new(&manager, bus, event, arg_state_directory, arg_runtime_directory);
        if (r < 0)
                return r;
        return daemon_loop(event);
}

int main(int argc, char *argv[]) {
        int r;

        log_open();
        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
