/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-admin: the operator's command. */
#include <getopt.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"
#include "operator/admin/output.h"

#define SOCKET "/run/ispstorage-operator/frontend.socket"
#define WAIT_DEFAULT_SEC 60U

static const char help_text[] =
                "ispstorage-admin [OPTIONS] COMMAND ...\n\n"
                "  subscription create NAME [--user=USER] [--password-stdin] [--profile=FILE] [--quota=MIB]\n"
                "                      [--retention=POLICY]\n"
                "                              without --password-stdin a password is made and shown\n"
                "  subscription set NAME [--quota=MIB] [--retention=POLICY] [--user=USER] [--password-stdin]\n"
                "  subscription list | show NAME | suspend NAME | resume NAME\n"
                "  subscription check NAME     verifies every object of its repository\n"
                "  subscription maintain NAME  packs its repository and tidies it up now\n"
                "  subscription retain NAME | --all [--now]\n"
                "  subscription retain NAME | --all --dry-run [--retention=POLICY]\n"
                "                              lets old versions expire; POLICY is \"all\", or \"days=N,daily=M\":\n"
                "                              those of N days stay, then the last of each day for M days, then the\n"
                "                              last of each week; --dry-run: only tells how many would expire\n"
                "  subscription remove NAME    also removes its repository, with every version of every file;\n"
                "                              --erase: its devices too, and all that is known of them\n"
                "  export SUBSCRIPTION DIRECTORY [--at=VERSION] [--path=PATH]\n"
                "                              what the folder held, as plain files; VERSION is a revision's\n"
                "                              number or commit, or a time as 2026-01-31T23:59:59Z\n"
                "  publish SUBSCRIPTION... FILE... [--into=DIRECTORY]\n"
                "                              puts files of this host into the folders, in place of what has their\n"
                "                              names there; an argument that names a file is one\n"
                "  device allow DEVICE --subscription=NAME [--name=GATEWAYNAME]\n"
                "  device list | show DEVICE | remove DEVICE\n"
                "  device get DEVICE PARAMETER...        over CWMP; names without root object get the device's\n"
                "  device set DEVICE PARAMETER=VALUE...\n"
                "  device names DEVICE PATH              the names of the next level, and whether they can be set\n"
                "  device attributes DEVICE PARAMETER=N...   notification: 0 off, 1 passive, 2 active\n"
                "  device add DEVICE OBJECT.  |  device delete DEVICE OBJECT.INSTANCE.\n"
                "  backup DIRECTORY            databases, configuration and repositories of this host; again into\n"
                "                              the same directory: only what is new\n"
                "  restore DIRECTORY           on a host whose services are stopped and have no state\n"
                "  operation list [--device=DEVICE]\n"
                "  task list [--subscription=NAME] | show ID\n"
                "  audit list [--before=ID]    what administrators ordered, the newest first\n"
                "  token list | create NAME [--read-only] | remove NAME\n"
                "                              for the HTTP API over the network\n\n"
                "DEVICE is OUI-ProductClass-SerialNumber. Digits are sent as unsignedInt, true and false as\n"
                "boolean, else a VALUE is "
                "a string; \"<type>:<value>\" chooses (string, boolean, unsignedInt, int, dateTime, base64, ...).\n\n"
                "  --json             JSON instead of tables\n"
                "  --wait[=SECONDS]   what can be waited for: until there is a result (60 seconds)\n"
                "  --socket=PATH      the frontend's socket instead of " SOCKET "\n"
                "  --state, --repositories, --configuration=DIRECTORY\n"
                "                     backup, restore: instead of /var/lib/ispstorage-operator,\n"
                "                     /srv/ispstorage-repositories, /etc/ispstorage-operator\n"
                "  -h, --help, --version\n\n"
                "Exit codes: 0 done, 1 refused, 2 usage, 3 the frontend does not answer, 4 no result in time.\n";

int usage(const char *text) {
        (void) fprintf(stderr, "ispstorage-admin: %s (see --help)\n", text);
        return EXIT_USAGE;
}

int request(const Options *o, const char *method, const char *path, const json_t *body, json_t **ret) {
        _cleanup_json_ json_t *answer = NULL;
        const char *error;
        long status = 0;
        int r;

        r = client_request(o->socket, method, path, body, &status, &answer);
        if (r < 0) {
                (void) log_error_errno(r, "No answer from the storage frontend at %s: %m", o->socket);
                return EXIT_UNREACHABLE;
        }
        if (status >= 400) {
                error = json_string_value(json_object_get(answer, "error"));
                (void) fprintf(stderr, "ispstorage-admin: %s\n", error ?: "the frontend refused");
                return EXIT_REFUSED;
        }
        *ret = TAKE_PTR(answer);
        return EXIT_SUCCESS;
}

int show(const Options *o, const json_t *answer, const char *const columns[]) {
        if (o->json) {
                (void) json_dumpf(answer ?: json_null(), stdout, JSON_INDENT(2));
                (void) putchar('\n');
        } else if (json_is_array(answer))
                print_table(answer, columns);
        else if (answer)
                print_object(answer);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_REFUSED;
}

/* Options that are a text or a switch; the others are handled in parse_argv(). */
static const struct {
        const char *name;
        size_t text, flag; /* offsets in Options; 0: not of this kind */
} simple_options[] = {
        { "json", 0, offsetof(Options, json) },
        { "password-stdin", 0, offsetof(Options, password_stdin) },
        { "erase", 0, offsetof(Options, erase) },
        { "read-only", 0, offsetof(Options, read_only) },
        { "dry-run", 0, offsetof(Options, dry_run) },
        { "now", 0, offsetof(Options, now) },
        { "all", 0, offsetof(Options, all) },
        { "socket", offsetof(Options, socket), 0 },
        { "user", offsetof(Options, user), 0 },
        { "profile", offsetof(Options, profile), 0 },
        { "subscription", offsetof(Options, subscription), 0 },
        { "name", offsetof(Options, name), 0 },
        { "device", offsetof(Options, device), 0 },
        { "before", offsetof(Options, before), 0 },
        { "quota", offsetof(Options, quota), 0 },
        { "retention", offsetof(Options, retention), 0 },
        { "at", offsetof(Options, at), 0 },
        { "path", offsetof(Options, path), 0 },
        { "into", offsetof(Options, into), 0 },
        { "state", offsetof(Options, state), 0 },
        { "repositories", offsetof(Options, repositories), 0 },
        { "configuration", offsetof(Options, configuration), 0 },
};

enum {
        ARG_SIMPLE = 0x100, /* and the index in the table */
        ARG_WAIT = 0x200,
        ARG_VERSION,
};

static void take_simple(Options *o, size_t i, const char *value) {
        if (simple_options[i].flag > 0)
                *(bool *) ((char *) o + simple_options[i].flag) = true;
        else
                *(const char **) (void *) ((char *) o + simple_options[i].text) = value;
}

/* What each verb takes besides --json and --socket, which all do. */
static const struct {
        const char *command, *verb; /* verb is NULL if the command has none */
        const char *options;
} taken[] = {
        { "subscription", "create", "user password-stdin profile quota retention" },
        { "subscription", "set", "user password-stdin quota retention" },
        { "subscription", "list", "" },
        { "subscription", "show", "" },
        { "subscription", "suspend", "" },
        { "subscription", "resume", "" },
        { "subscription", "check", "wait" },
        { "subscription", "maintain", "wait" },
        { "subscription", "retain", "all now dry-run retention wait" },
        { "subscription", "remove", "erase" },
        { "export", NULL, "at path" },
        { "publish", NULL, "into wait" },
        { "device", "allow", "subscription name" },
        { "device", "list", "" },
        { "device", "show", "" },
        { "device", "remove", "" },
        { "device", "get", "wait" },
        { "device", "set", "wait" },
        { "device", "names", "wait" },
        { "device", "attributes", "wait" },
        { "device", "add", "wait" },
        { "device", "delete", "wait" },
        { "backup", NULL, "state repositories configuration" },
        { "restore", NULL, "state repositories configuration" },
        { "operation", "list", "device" },
        { "task", "list", "subscription" },
        { "task", "show", "" },
        { "audit", "list", "before" },
        { "token", "list", "" },
        { "token", "create", "read-only" },
        { "token", "remove", "" },
};

#define OPTIONS_MAX (ELEMENTSOF(simple_options) + 4)

/* EXIT_SUCCESS, also for a verb that there is not: the command knows better what to say of it. */
static int check_options(const char *command, const char *verb, const char *const given[static OPTIONS_MAX]) {
        for (size_t i = 0; i < ELEMENTSOF(taken); i++) {
                if (!streq(command, taken[i].command) || (taken[i].verb && !streq(verb, taken[i].verb)))
                        continue;
                for (size_t k = 0; k < OPTIONS_MAX; k++) {
                        if (!given[k] || has_word("json socket", given[k]) || has_word(taken[i].options, given[k]))
                                continue;
                        _cleanup_free_ char *text = strfmt("%s%s%s does not take --%s", command,
                                                           taken[i].verb ? " " : "", strempty(taken[i].verb), given[k]);
                        return usage(text ?: "out of memory");
                }
        }
        return EXIT_SUCCESS;
}

/* -1 to go on, else an exit code. given gets the names of the options that there are. */
static int parse_argv(int argc, char *argv[], Options *o, const char *given[static OPTIONS_MAX]) {
        struct option options[OPTIONS_MAX] = {
                { "wait", optional_argument, NULL, ARG_WAIT },
                { "version", no_argument, NULL, ARG_VERSION },
                { "help", no_argument, NULL, 'h' },
        };
        int c, n = 0;

        for (size_t i = 0; i < ELEMENTSOF(simple_options); i++)
                options[i + 3] = (struct option){ simple_options[i].name,
                                                  simple_options[i].flag > 0 ? no_argument : required_argument,
                                                  NULL,
                                                  ARG_SIMPLE + (int) i };
        while ((c = getopt_long(argc, argv, "h", options, &n)) >= 0) {
                if (c >= ARG_SIMPLE)
                        given[n] = options[n].name;
                switch (c) {
                case ARG_WAIT:
                        o->wait = true;
                        if (optarg && parse_uint32(optarg, &o->wait_sec) < 0)
                                return usage("--wait takes a number of seconds");
                        break;
                case ARG_VERSION:
                        puts("ispstorage-admin " PROJECT_VERSION);
                        return EXIT_SUCCESS;
                case 'h':
                        fputs(help_text, stdout);
                        return EXIT_SUCCESS;
                default:
                        if (c < ARG_SIMPLE || c >= ARG_WAIT)
                                return EXIT_USAGE;
                        take_simple(o, (size_t) (c - ARG_SIMPLE), optarg);
                }
        }
        return -1;
}

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[], const Options *o);
} commands[] = {
        { "subscription", verb_subscription }, { "device", verb_device }, { "operation", verb_operation },
        { "publish", verb_publish },           { "export", verb_export }, { "task", verb_task },
        { "audit", verb_audit },               { "token", verb_token },   { "backup", verb_backup },
        { "restore", verb_restore },
};

int main(int argc, char *argv[]) {
        Options o = {
                .socket = SOCKET,
                .wait_sec = WAIT_DEFAULT_SEC,
                .state = "/var/lib/ispstorage-operator",
                .repositories = "/srv/ispstorage-repositories",
                .configuration = "/etc/ispstorage-operator",
        };
        const char *given[OPTIONS_MAX] = {};
        int r;

        log_open();
        r = parse_argv(argc, argv, &o, given);
        if (r >= 0)
                return r;
        if (argc - optind < 2)
                return usage("a command is missing");
        argc -= optind + 1;
        argv += optind + 1;
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (streq(argv[-1], commands[i].name)) {
                        r = check_options(argv[-1], argv[0], given);
                        return r == EXIT_SUCCESS ? commands[i].run(argc, argv, &o) : r;
                }
        return usage("unknown command");
}
