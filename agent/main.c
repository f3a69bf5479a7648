/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-agent: the CWMP client of the gateway (TR-069). */
#include <getopt.h>
#include <stdio.h>

#include "agent/agent-manager.h"
#include "common/base/log.h"
#include "common/daemon/daemon-run.h"

static const char *arg_config = "/etc/ispstorage/agent.conf";
static bool arg_check_config = false, arg_inform_now = false;

static int help(void) {
        printf("ispstorage-agent [OPTIONS]\n\n"
               "The CWMP client of the gateway.\n\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n"
               "     --config=FILE   Read this configuration instead of %s\n"
               "     --check-config  Read the configuration, say what is wrong with it, and end\n"
               "     --inform-now    Have the running agent open a session with the ACS, and end\n",
               arg_config);
        return 0;
}

static int parse_argv(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CHECK_CONFIG, ARG_INFORM_NOW };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                { "inform-now", no_argument, NULL, ARG_INFORM_NOW },
                {},
        };

        for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("ispstorage-agent " PROJECT_VERSION);
                        return 0;
                case ARG_CONFIG:
                        arg_config = optarg;
                        break;
                case ARG_CHECK_CONFIG:
                        arg_check_config = true;
                        break;
                case ARG_INFORM_NOW:
                        arg_inform_now = true;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
}

static int inform_now(void) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        int r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus: %m");
        r = sd_bus_call_method(bus, AGENT_BUS_NAME, AGENT_OBJECT_PATH, AGENT_BUS_NAME ".Manager", "Inform", &error,
                               NULL, NULL);
        if (r < 0)
                log_error("The agent does not open a session: %s", error.message ?: strerror(-r));
        return r;
}

static int run(int argc, char *argv[]) {
        _cleanup_(agent_freep) Agent *agent = NULL;
        _cleanup_agent_config_ AgentConfig config = {};

        int r = parse_argv(argc, argv);
        if (r <= 0)
                return r;
        if (arg_inform_now)
                return inform_now();
        r = agent_config_load(&config, arg_config);
        if (r < 0)
                return r;
        if (arg_check_config)
                return r > 0 ? -EINVAL : 0;

        r = agent_new(&agent, &config);
        if (r < 0)
                return r;
        r = agent_start(agent);
        return r < 0 ? r : daemon_loop(agent->event);
}

int main(int argc, char *argv[]) {
        log_open();
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
