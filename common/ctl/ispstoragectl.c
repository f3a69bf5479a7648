/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstoragectl: looks at a gateway's synchronization and orders what its household may, over D-Bus. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"
#include "common/ctl/ctl-share.h"

static CtlContext arg_context = { .instance = 1 };

static int help(void) {
        puts("ispstoragectl [OPTIONS...] COMMAND\n\n"
             "Looks at the synchronization and the shares of this gateway.\n\n"
             "Commands:\n"
             "  status                What it does, and why not\n"
             "  sync                  Look at every file and synchronize now\n"
             "  versions PATH         The versions of a file or directory\n"
             "  restore PATH          Bring the last version before the present one back, as a new version\n"
             "  conflicts             Files that were changed here and elsewhere at once\n"
             "  log                   The history of the folder\n"
             "  share [WHAT]          What is shared: shares, users, volumes, media or sessions\n"
             "  share end-session ID  End a session, as \"share sessions\" names it\n"
             "  share wipe MEDIUM     Make a disk empty, as \"share media\" names it, after a question\n\n"
             "Options:\n"
             "     --version=NAME     restore: this version, as \"versions\" or \"log\" shows it\n"
             "     --time=TIME        restore: as it was then: \"2026-11-24 18:00\", \"-2h\", ISO 8601\n"
             "     --to=PATH          restore: to another name\n"
             "     --limit=N          versions, log: the newest N\n"
             "     --instance=N       Another row of the data model than 1\n"
             "     --json             Output for programs\n"
             "  -h --help             This text\n\n"
             "A PATH is relative to the synchronized folder, or absolute; \".\" is the folder.");
        return 0;
}

static const struct {
        const char *name;
        int n_arguments;
        int (*run)(CtlContext *c, char *arguments[]);
} verbs[] = {
        { "status", 0, ctl_status },   { "sync", 0, ctl_sync },           { "versions", 1, ctl_versions },
        { "restore", 1, ctl_restore }, { "conflicts", 0, ctl_conflicts }, { "log", 0, ctl_log },
};

static int parse_number(const char *s, uint32_t *ret) {
        return parse_uint32(s, ret) < 0 || *ret == 0 ? log_error_errno(-EINVAL, "Not a number above 0: %s", s) : 0;
}

/* Returns 1 to go on. */
static int parse_options(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_TIME, ARG_TO, ARG_LIMIT, ARG_INSTANCE, ARG_JSON };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", required_argument, NULL, ARG_VERSION },
                { "time", required_argument, NULL, ARG_TIME },
                { "to", required_argument, NULL, ARG_TO },
                { "limit", required_argument, NULL, ARG_LIMIT },
                { "instance", required_argument, NULL, ARG_INSTANCE },
                { "json", no_argument, NULL, ARG_JSON },
                {},
        };
        CtlContext *c = &arg_context;
        int k, r = 1;

        while (r > 0 && (k = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (k) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        c->version = optarg;
                        break;
                case ARG_TIME:
                        c->time = optarg;
                        break;
                case ARG_TO:
                        c->to = optarg;
                        break;
                case ARG_LIMIT:
                        r = parse_number(optarg, &c->limit) < 0 ? -EINVAL : 1;
                        break;
                case ARG_INSTANCE:
                        r = parse_number(optarg, &c->instance) < 0 ? -EINVAL : 1;
                        break;
                case ARG_JSON:
                        c->json = true;
                        break;
                default:
                        return -EINVAL;
                }
        return r;
}

static int run_verb(sd_bus *bus, int argc, char *argv[]) {
        _cleanup_free_ char *object = NULL;
        CtlContext *c = &arg_context;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[0], verbs[i].name))
                        continue;
                if (argc - 1 != verbs[i].n_arguments)
                        return log_error_errno(
                                        -EINVAL,
                                        "%s takes %d arguments; see --help.",
                                        argv[0],
                                        verbs[i].n_arguments);
                object = strfmt(CTL_SYNC_PATH "/" CTL_SYNC_OBJECT "/%u", c->instance);
                if (!object)
                        return log_oom();
                c->bus = bus;
                c->object = object;
                return verbs[i].run(c, argv + 1);
        }
        return log_error_errno(-EINVAL, "Unknown command %s; see --help.", argv[0]);
}

static int run(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (argc < 1)
                return log_error_errno(-EINVAL, "A command is missing; see --help.");
        r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        return streq(argv[0], "share") ? ctl_share(bus, arg_context.json, argv + 1) : run_verb(bus, argc, argv);
}

int main(int argc, char *argv[]) {
        int r;

        log_open();
        r = parse_options(argc, argv);
        if (r > 0)
                r = run(argc - optind, argv + optind);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
