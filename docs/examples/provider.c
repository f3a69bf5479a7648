/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A provider of a vendor's own, whole: it adds X_000000_Example. with a greeting that the ACS may set, and a count of
 * how often it was set. It needs nothing but libsystemd; see provider.conf beside, and docs/data-model.md.
 *
 *     cc provider.c $(pkg-config --cflags --libs libsystemd) -o example-provider */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define OBJECT "X_000000_Example."
#define GREETING_MAX 64
#define _cleanup_message_ __attribute__((cleanup(sd_bus_message_unrefp)))
#define INVALID_NAME "org.ispstorage.Error.InvalidName"

typedef struct Example {
        char greeting[GREETING_MAX + 1], prepared[GREETING_MAX + 1];
        uint32_t count;
        uint64_t token, last_token; /* token: of what is prepared; 0 for nothing */
} Example;

/* True if the path is the object (or what is above it), or the parameter itself. */
static int names(const char *path, const char *parameter) {
        size_t n = strlen(path);

        return (n == 0 || path[n - 1] == '.') ? strncmp(parameter, path, n) == 0 : strcmp(parameter, path) == 0;
}

static int get_prefixes(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "as", 1, OBJECT);
}

static int get_names(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        int next_level;

        int r = sd_bus_message_read(m, "sb", &path, &next_level);
        if (r < 0 || (r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
            (r = sd_bus_message_open_container(reply, 'a', "(sb)")) < 0)
                return r;
        int above = strcmp(path, OBJECT) != 0 && strncmp(OBJECT, path, strlen(path)) == 0;
        if (above || (!next_level && strcmp(path, OBJECT) == 0))
                r = sd_bus_message_append(reply, "(sb)", OBJECT, 0);
        if (r >= 0 && names(path, OBJECT "Greeting") && !(next_level && above))
                r = sd_bus_message_append(reply, "(sb)", OBJECT "Greeting", 1);
        if (r >= 0 && names(path, OBJECT "Count") && !(next_level && above))
                r = sd_bus_message_append(reply, "(sb)", OBJECT "Count", 0);
        if (r < 0 || (r = sd_bus_message_close_container(reply)) < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

static int get_values(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Example *e = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        char count[16];

        (void) snprintf(count, sizeof(count), "%u", e->count);
        int r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0 || (r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
            (r = sd_bus_message_open_container(reply, 'a', "(sss)")) < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &path)) > 0) {
                int greeting = names(path, OBJECT "Greeting"), number = names(path, OBJECT "Count");

                if (!greeting && !number)
                        return sd_bus_error_setf(error, INVALID_NAME, "There is no %s.", path);
                if (greeting)
                        r = sd_bus_message_append(reply, "(sss)", OBJECT "Greeting", "string", e->greeting);
                if (number && r >= 0)
                        r = sd_bus_message_append(reply, "(sss)", OBJECT "Count", "unsignedInt", count);
                if (r < 0)
                        return r;
        }
        if (r < 0 || (r = sd_bus_message_close_container(reply)) < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

/* 0 or the fault code of TR-069 A.5.1. */
static uint32_t check(const char *name, const char *value) {
        if (strcmp(name, OBJECT "Greeting") == 0)
                return strlen(value) <= GREETING_MAX ? 0 : 9007;
        return strcmp(name, OBJECT "Count") == 0 ? 9008 : 9005;
}

/* Checks, and keeps aside what Commit will put into effect. One fault is enough for an example; all are better. */
static int prepare(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *type, *value, *wrong = NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        uint32_t code = 0;
        Example *e = userdata;

        int r = sd_bus_message_enter_container(m, 'a', "(sss)");
        if (r < 0 || (r = sd_bus_message_new_method_return(m, &reply)) < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(sss)", &name, &type, &value)) > 0)
                if (check(name, value) != 0) {
                        code = check(name, value);
                        wrong = name;
                } else
                        (void) snprintf(e->prepared, sizeof(e->prepared), "%s", value);
        if (r < 0)
                return r;

        e->token = wrong ? 0 : ++e->last_token;
        if (wrong)
                r = sd_bus_message_append(reply, "ta(sus)", e->token, 1, wrong, code, "Only Greeting can be set");
        else
                r = sd_bus_message_append(reply, "ta(sus)", e->token, 0);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int commit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Example *e = userdata;
        uint64_t token;
        char count[16];

        int r = sd_bus_message_read(m, "t", &token);
        if (r < 0)
                return r;
        if (token == 0 || token != e->token)
                return sd_bus_error_set(error, "org.ispstorage.Error.NoSuchToken", "Nothing is prepared.");
        (void) snprintf(e->greeting, sizeof(e->greeting), "%s", e->prepared);
        e->token = 0;
        (void) snprintf(count, sizeof(count), "%u", ++e->count);
        /* The ACS knows what it has set; the count is news. */
        r = sd_bus_emit_signal(sd_bus_message_get_bus(m), sd_bus_message_get_path(m), "org.ispstorage.DataModel1",
                               "ValuesChanged", "a(sss)", 1, OBJECT "Count", "unsignedInt", count);
        return r < 0 ? r : sd_bus_reply_method_return(m, "i", 0);
}

static int forget(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ((Example *) userdata)->token = 0;
        return sd_bus_reply_method_return(m, NULL);
}

static int no_rows(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, INVALID_NAME, "There are no tables.");
}

static int get_notify_rules(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(ss)", 2, OBJECT "Greeting", "normal", OBJECT "Count",
                                          "forceDefaultEnabled");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Prefixes", "as", get_prefixes, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD("GetNames", "sb", "a(sb)", get_names, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetValues", "as", "a(sss)", get_values, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Prepare", "a(sss)", "ta(sus)", prepare, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Commit", "t", "i", commit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Abort", "t", NULL, forget, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddObject", "s", "ui", no_rows, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("DeleteObject", "s", "i", no_rows, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetNotifyRules", NULL, "a(ss)", get_notify_rules, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("ValuesChanged", "a(sss)", 0),
        SD_BUS_SIGNAL("ObjectsChanged", "asas", 0),
        SD_BUS_VTABLE_END,
};

int main(void) {
        Example e = { .greeting = "Hello" };
        sd_bus *bus = NULL;

        int r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/com/example/Greeter1", "org.ispstorage.DataModel1", vtable,
                                             &e);
        if (r >= 0)
                r = sd_bus_request_name(bus, "com.example.Greeter1", 0);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        fprintf(stderr, "example-provider: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
