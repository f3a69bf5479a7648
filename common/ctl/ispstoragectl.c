/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstoragectl: looks at a gateway's synchronization and orders what its household may, over D-Bus. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-share.h"

#define SYNC_NAME "org.ispstorage.Sync1"
#define SYNC_PATH "/org/ispstorage/Sync1"
#define SYNC_OBJECT "X_" MANUFACTURER_OUI "_ISPStorage"
#define SYNC_REPOSITORY "org.ispstorage.Sync1.Repository"
#define DATA_MODEL "org.ispstorage.DataModel1"

/* Fetching an old version may have to wait for a transfer. */
#define CALL_TIMEOUT_USEC (UINT64_C(120) * 1000000)

static bool arg_json;
static uint32_t arg_instance = 1;
static const char *arg_version;
static const char *arg_to;

typedef struct Context {
        sd_bus *bus;
        char *object;
} Context;

static int print_json(json_t *j) {
        if (json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
                return -EIO;
        putchar('\n');
        return 0;
}

/* File names of others must not control the terminal. */
static void print_safely(const char *s) {
        for (; *s; s++)
                putchar((unsigned char) *s < ' ' || *s == 0x7f ? '?' : *s);
}

static int call(Context *c, const char *method, sd_bus_message **ret, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, SYNC_NAME, c->object, SYNC_REPOSITORY, method);
        if (r < 0)
                return log_error_errno(r, "Failed to make a call: %m");
        va_start(ap, types);
        r = isempty(types) ? 0 : sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r < 0)
                return log_error_errno(r, "Failed to make a call: %m");
        r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, ret);
        if (r < 0)
                log_error("%s: %s", method, error.message ?: strerror(-r));
        return r;
}

/* All parameters below a path, as an object of strings: "name below the path" -> value. */
static int get_values(Context *c, const char *path, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        json_auto_t *values = json_object();
        const char *name, *type, *value;
        int r;

        r = sd_bus_call_method(
                        c->bus,
                        SYNC_NAME,
                        SYNC_PATH,
                        DATA_MODEL,
                        "GetValues",
                        &error,
                        &reply,
                        "as",
                        1,
                        path);
        if (r < 0 && sd_bus_error_has_name(&error, "org.ispstorage.Error.InvalidName"))
                return log_error_errno(r, "There is no instance %" PRIu32 ".", arg_instance);
        if (r < 0) {
                log_error("%s", error.message ?: strerror(-r));
                return r;
        }
        r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &name, &type, &value)) > 0)
                (void) json_object_set_new(values, startswith(name, path) ?: name, json_string(value));
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        *ret = TAKE_PTR(values);
        return 0;
}

static int verb_status(Context *c, char *arguments[]) {
        static const char *const shown[] = { "Status",         "State",         "StateReason",
                                             "LastError",      "Folder",        "RepositoryURL",
                                             "Revision",       "SyncStatus",    "PendingChanges",
                                             "LastSyncTime",   "ConflictCount", "Guard.Held",
                                             "BytesSent",      "BytesReceived", "GatewayName" };
        _cleanup_free_ char *path = strfmt("Services." SYNC_OBJECT ".%u.", arg_instance);
        json_auto_t *values = NULL;
        int r;

        if (!path)
                return log_oom();
        r = get_values(c, path, &values);
        if (r < 0)
                return r;
        if (arg_json)
                return print_json(values);
        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                const char *value = json_string_value(json_object_get(values, shown[i]));

                if (isempty(value))
                        continue;
                printf("%16s: ", shown[i]);
                print_safely(value);
                putchar('\n');
        }
        return 0;
}

static int verb_sync(Context *c, char *arguments[]) {
        return call(c, "Sync", NULL, "");
}

/* A path as people write it: in the folder, or absolute if it is below the folder's directory. */
static int relative_path(Context *c, const char *argument, const char **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *directory = NULL;
        const char *rest;
        int r;

        if (*argument != '/') {
                *ret = argument;
                return 0;
        }
        r = sd_bus_get_property_string(
                        c->bus, SYNC_NAME, c->object, SYNC_REPOSITORY, "Directory", &error, &directory);
        if (r < 0) {
                log_error("%s", error.message ?: strerror(-r));
                return r;
        }
        rest = *directory ? startswith(argument, directory) : NULL;
        if (!rest || *rest != '/')
                return log_error_errno(
                                -EINVAL, "%s is not in the synchronized folder %s.", argument, directory);
        *ret = rest + 1;
        return 0;
}

static int list_versions(Context *c, const char *path, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        json_auto_t *versions = json_array();
        const char *commit, *author;
        int r, deleted;
        uint64_t size;
        int64_t time;

        r = call(c, "ListVersions", &reply, "s", path);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sxtsb)");
        while (r >= 0 &&
               (r = sd_bus_message_read(reply, "(sxtsb)", &commit, &time, &size, &author, &deleted)) > 0) {
                char text[DATETIME_SIZE];

                (void) json_array_append_new(
                                versions,
                                json_pack("{s:s, s:s, s:I, s:s, s:b}",
                                          "version", commit,
                                          "time", format_datetime(time, text),
                                          "size", (json_int_t) size,
                                          "gateway", author,
                                          "deleted", deleted));
        }
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        *ret = TAKE_PTR(versions);
        return 0;
}

static int print_versions(json_t *versions, bool sizes) {
        size_t i;
        json_t *v;

        if (arg_json)
                return print_json(versions);
        json_array_foreach(versions, i, v) {
                bool deleted = json_is_true(json_object_get(v, "deleted"));

                printf("%s  %.12s  ",
                       json_string_value(json_object_get(v, "time")),
                       json_string_value(json_object_get(v, "version")));
                if (sizes && deleted)
                        printf("%12s  ", "deleted");
                else if (sizes)
                        printf("%12" JSON_INTEGER_FORMAT "  ",
                               json_integer_value(json_object_get(v, "size")));
                print_safely(json_string_value(json_object_get(v, "gateway")));
                putchar('\n');
        }
        return 0;
}

static int verb_versions(Context *c, char *arguments[]) {
        json_auto_t *versions = NULL;
        const char *path;
        int r;

        r = relative_path(c, arguments[0], &path);
        if (r < 0)
                return r;
        r = list_versions(c, path, &versions);
        if (r >= 0 && json_array_size(versions) == 0)
                return log_error_errno(-ENOENT, "No version of %s is on main.", path);
        return r < 0 ? r : print_versions(versions, true);
}

static int verb_log(Context *c, char *arguments[]) {
        json_auto_t *versions = NULL;
        int r = list_versions(c, "", &versions);

        return r < 0 ? r : print_versions(versions, false);
}

/* The version that is asked for by the beginning of its name; without one, the last before the present
 * content. */
static const char *choose_version(json_t *versions) {
        const char *found = NULL;
        size_t i;
        json_t *v;

        json_array_foreach(versions, i, v) {
                const char *name = json_string_value(json_object_get(v, "version"));

                if (arg_version && startswith(name, arg_version))
                        return name;
                if (!arg_version && !found && i > 0 && !json_is_true(json_object_get(v, "deleted")))
                        found = name;
        }
        return found;
}

static int verb_restore(Context *c, char *arguments[]) {
        json_auto_t *versions = NULL;
        const char *path, *version;
        int r;

        r = relative_path(c, arguments[0], &path);
        if (r < 0)
                return r;
        r = list_versions(c, path, &versions);
        if (r < 0)
                return r;
        version = choose_version(versions);
        if (!version)
                return log_error_errno(-ENOENT, "There is no such version of %s.", path);
        r = call(c, "Restore", NULL, "sss", path, version, strempty(arg_to));
        if (r < 0)
                return r;
        if (!arg_json)
                printf("Restored from %.12s.\n", version);
        return 0;
}

static int verb_conflicts(Context *c, char *arguments[]) {
        static const char *const columns[] = { "Path", "RenamedTo", "Time", "OpSeq" };
        _cleanup_free_ char *path = strfmt("Services." SYNC_OBJECT ".%u.Conflict.", arg_instance);
        json_auto_t *values = NULL, *list = json_array();
        const char *key;
        json_t *value;
        size_t n;
        int r;

        if (!path)
                return log_oom();
        r = get_values(c, path, &values);
        if (r < 0)
                return r;
        /* Rows come in their order, and Path is the first parameter of each. */
        json_object_foreach(values, key, value) {
                const char *column = strchr(key, '.');

                if (!column)
                        continue;
                if (streq(column + 1, columns[0]))
                        (void) json_array_append_new(list, json_object());
                n = json_array_size(list);
                if (n > 0)
                        (void) json_object_set(json_array_get(list, n - 1), column + 1, value);
        }
        if (arg_json)
                return print_json(list);
        json_array_foreach(list, n, value) {
                printf("%s  ", json_string_value(json_object_get(value, columns[2])));
                print_safely(strempty(json_string_value(json_object_get(value, columns[0]))));
                fputs(" -> ", stdout);
                print_safely(strempty(json_string_value(json_object_get(value, columns[1]))));
                putchar('\n');
        }
        return 0;
}

static int help(void) {
        puts("ispstoragectl [OPTIONS...] COMMAND\n\n"
             "Looks at the synchronization and the shares of this gateway.\n\n"
             "Commands:\n"
             "  status                What it does, and why not\n"
             "  sync                  Look at every file and synchronize now\n"
             "  versions PATH         The versions of a file\n"
             "  restore PATH          Bring the last version before the present one back, as a new version\n"
             "  conflicts             Files that were changed here and elsewhere at once\n"
             "  log                   The history of the folder\n"
             "  share [WHAT]          What is shared: shares, users, volumes, media or sessions\n"
             "  share end-session ID  End a session, as \"share sessions\" names it\n\n"
             "Options:\n"
             "     --version=NAME     restore: this version, as \"versions\" shows it\n"
             "     --to=PATH          restore: to another name\n"
             "     --instance=N       Another row of the data model than 1\n"
             "     --json             Output for programs\n"
             "  -h --help             This text\n\n"
             "A PATH is relative to the synchronized folder, or absolute.");
        return 0;
}

static const struct {
        const char *name;
        int n_arguments;
        int (*run)(Context *c, char *arguments[]);
} verbs[] = {
        { "status", 0, verb_status },   { "sync", 0, verb_sync },           { "versions", 1, verb_versions },
        { "restore", 1, verb_restore }, { "conflicts", 0, verb_conflicts }, { "log", 0, verb_log },
};

/* Returns 1 to go on. */
static int parse_options(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_TO, ARG_INSTANCE, ARG_JSON };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", required_argument, NULL, ARG_VERSION },
                { "to", required_argument, NULL, ARG_TO },
                { "instance", required_argument, NULL, ARG_INSTANCE },
                { "json", no_argument, NULL, ARG_JSON },
                {},
        };
        int k;

        while ((k = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (k) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        arg_version = optarg;
                        break;
                case ARG_TO:
                        arg_to = optarg;
                        break;
                case ARG_INSTANCE:
                        if (parse_uint32(optarg, &arg_instance) < 0)
                                return log_error_errno(-EINVAL, "Not a number: %s", optarg);
                        break;
                case ARG_JSON:
                        arg_json = true;
                        break;
                default:
                        return -EINVAL;
                }
        return 1;
}

static int run(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *object = NULL;
        Context context;
        int r;

        if (argc < 1)
                return log_error_errno(-EINVAL, "A command is missing; see --help.");
        if (streq(argv[0], "share")) {
                r = sd_bus_open_system(&bus);
                if (r < 0)
                        return log_error_errno(r, "Failed to connect to the system bus: %m");
                return ctl_share(bus, arg_json, argv + 1);
        }
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[0], verbs[i].name))
                        continue;
                if (argc - 1 != verbs[i].n_arguments)
                        return log_error_errno(
                                        -EINVAL,
                                        "%s takes %d arguments; see --help.",
                                        argv[0],
                                        verbs[i].n_arguments);
                r = sd_bus_open_system(&bus);
                if (r < 0)
                        return log_error_errno(r, "Failed to connect to the system bus: %m");
                object = strfmt(SYNC_PATH "/" SYNC_OBJECT "/%u", arg_instance);
                if (!object)
                        return log_oom();
                context = (Context) { .bus = bus, .object = object };
                return verbs[i].run(&context, argv + 1);
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
