/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstoragectl: looks at a gateway's synchronization and orders what its household may, over D-Bus. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"

enum { ARG_VERSION = 0x100, ARG_TIME, ARG_TO, ARG_LIMIT, ARG_INSTANCE, ARG_JSON };

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

typedef struct Verb {
        const char *name;
        int n_arguments;     /* ARGUMENTS_ANY: it looks at them itself */
        const char *options; /* that it takes */
        int (*run)(CtlContext *c, char *arguments[]);
} Verb;

#define ARGUMENTS_ANY (-1)

static const Verb verbs[] = {
        { "status", 0, "instance json", ctl_status },
        { "sync", 0, "instance", ctl_sync },
        { "versions", 1, "limit instance json", ctl_versions },
        { "restore", 1, "version time to instance json", ctl_restore },
        { "conflicts", 0, "instance json", ctl_conflicts },
        { "log", 0, "limit instance json", ctl_log },
        { "share", ARGUMENTS_ANY, "json", ctl_share },
};

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
static bool arg_given[ELEMENTSOF(options)];

static int parse_number(const char *s, uint32_t *ret) {
        return parse_uint32(s, ret) < 0 || *ret == 0 ? log_error_errno(-EINVAL, "Not a number above 0: %s", s) : 0;
}

/* Returns 1 to go on. */
static int parse_options(int argc, char *argv[]) {
        CtlContext *c = &arg_context;
        int k, i = 0, r = 1;

        while (r > 0 && (k = getopt_long(argc, argv, "h", options, &i)) >= 0) {
                if (k >= ARG_VERSION)
                        arg_given[i] = true;
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
        }
        return r;
}

static int check_usage(const Verb *v, int n_arguments) {
        if (v->n_arguments != ARGUMENTS_ANY && n_arguments != v->n_arguments)
                return log_error_errno(-EINVAL, "%s takes %d arguments; see --help.", v->name, v->n_arguments);
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (arg_given[i] && !has_word(v->options, options[i].name))
                        return log_error_errno(-EINVAL, "%s does not take --%s; see --help.", v->name, options[i].name);
        return 0;
}

static int run_verb(const Verb *v, char *arguments[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *object = NULL;
        CtlContext *c = &arg_context;

        int r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        object = strfmt(CTL_SYNC_PATH "/" CTL_SYNC_OBJECT "/%u", c->instance);
        if (!object)
                return log_oom();
        c->bus = bus;
        c->object = object;
        return v->run(c, arguments);
}

static int run(int argc, char *argv[]) {
        if (argc < 1)
                return log_error_errno(-EINVAL, "A command is missing; see --help.");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[0], verbs[i].name)) {
                        int r = check_usage(verbs + i, argc - 1);
                        return r < 0 ? r : run_verb(verbs + i, argv + 1);
                }
        return log_error_errno(-EINVAL, "Unknown command %s; see --help.", argv[0]);
}

int main(int argc, char *argv[]) {
        int r;

        log_open();
        r = parse_options(argc, argv);
        if (r > 0)
                r = run(argc - optind, argv + optind);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
