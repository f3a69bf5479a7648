/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A data model on the bus: DataModel1, the parameter objects, their signals. With the argument "introspect"
 * it prints what the objects say of themselves instead, for check-introspection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/bus/dm-bus.h"
#include "fixture-schema.h"
#include "tests/bus/bus-pair.h"

#define F "Services.Fixture.1."
#define SERVICE "org.ispstorage.Fixture1"
#define ROOT "/org/ispstorage/Fixture1"
#define DATA_MODEL "org.ispstorage.DataModel1"
#define PROPERTIES "org.freedesktop.DBus.Properties"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

typedef struct Fixture {
        BusPair pair;
        DmModel *model;
        DmBus *bus;
        char *signals; /* "<member> <first argument in words> | ..." */
        bool heard;
} Fixture;

static char *words(sd_bus_message *m) {
        char *text = strdup("");
        const char *contents;
        char type;

        while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
                if (strchr("arev", type)) {
                        char *inner, *longer;

                        assert_true(sd_bus_message_enter_container(m, type, contents) > 0);
                        inner = words(m);
                        assert_true(sd_bus_message_exit_container(m) > 0);
                        longer = strfmt("%s%s[%s]", text, *text ? " " : "", inner);
                        free(inner);
                        free(text);
                        text = longer;
                } else {
                        union {
                                const char *s;
                                int b;
                                uint32_t u;
                                uint64_t t;
                        } v = {};
                        char *longer;

                        assert_true(sd_bus_message_read_basic(m, type, &v) > 0);
                        if (type == 's' || type == 'o')
                                longer = strfmt("%s%s%s", text, *text ? " " : "", v.s);
                        else
                                longer = strfmt("%s%s%u", text, *text ? " " : "", v.u);
                        free(text);
                        text = longer;
                }
        }
        return text;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fixture *f = userdata;
        _cleanup_free_ char *arguments = words(m), *before = TAKE_PTR(f->signals);

        f->signals = strfmt("%s%s %s\n", strempty(before), sd_bus_message_get_member(m), arguments);
        f->heard = true;
        return 0;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        bus_pair_init(&f->pair);
        assert_int_equal(dm_model_new(&f->model, &fixture_schema, NULL, NULL), 0);
        assert_int_equal(dm_bus_new(&f->bus, f->pair.server, f->model, SERVICE), 0);
        assert_true(sd_bus_add_match(f->pair.client, NULL, "type='signal'", on_signal, f) >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        dm_bus_free(f->bus);
        bus_pair_done(&f->pair);
        dm_model_free(f->model);
        free(f->signals);
        free(f);
        return 0;
}

/* Calls a method of DataModel1 with basic arguments; returns the answer in words, NULL for an error. */
static char *call(Fixture *f, sd_bus_error *error, const char *member, const char *types, ...) {
        sd_bus_message *m = bus_pair_new_call(&f->pair, ROOT, DATA_MODEL, member);
        _cleanup_message_ sd_bus_message *reply = NULL;
        va_list ap;

        va_start(ap, types);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        reply = bus_pair_call(&f->pair, m, error);
        return reply ? words(reply) : NULL;
}

static void assert_error(const sd_bus_error *e, const char *name) {
        assert_true(sd_bus_error_is_set(e));
        assert_string_equal(e->name, name);
}

static uint64_t prepare(Fixture *f, const char *name, const char *value) {
        sd_bus_message *m = bus_pair_new_call(&f->pair, ROOT, DATA_MODEL, "Prepare");
        _cleanup_message_ sd_bus_message *reply = NULL;
        uint64_t token;

        assert_true(sd_bus_message_append(m, "a(sss)", 1, name, "", value) >= 0);
        reply = bus_pair_call(&f->pair, m, NULL);
        assert_non_null(reply);
        assert_true(sd_bus_message_read(reply, "t", &token) > 0);
        return token;
}

/* The next answer is behind all signals that were sent before it. */
static void assert_signals(Fixture *f, const char *expected) {
        free(call(f, NULL, "GetNotifyRules", ""));
        assert_string_equal(strempty(f->signals), expected);
        f->signals = mfree(f->signals);
}

/* --- DataModel1 --- */

static void test_reading(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *names = call(f, NULL, "GetNames", "sb", F "Server.", 0);
        _cleanup_free_ char *values = call(f, NULL, "GetValues", "as", 2, F "Server.", F "StoredSecret");
        _cleanup_free_ char *rules = call(f, NULL, "GetNotifyRules", "");

        assert_string_equal(names, "[[" F "Server. 0] [" F "Server.Port 1]]");
        assert_string_equal(values, "[[" F "Server.Port unsignedInt 21] [" F "StoredSecret string ]]");
        assert_string_equal(
                        rules,
                        "[[Services.Fixture.{i}.Enable forceDefaultEnabled] [Services.Fixture.{i}.Int "
                        "canDeny] "
                        "[Services.Fixture.{i}.Status forceEnabled]]");
}

static void test_errors_of_reading(void **state) {
        Fixture *f = *state;
        _cleanup_error_ sd_bus_error unknown = SD_BUS_ERROR_NULL, leaf = SD_BUS_ERROR_NULL;

        assert_null(call(f, &unknown, "GetValues", "as", 2, F "Server.", F "Nothing"));
        assert_error(&unknown, BUS_ERROR_INVALID_NAME);
        assert_string_equal(unknown.message, F "Nothing");
        assert_null(call(f, &leaf, "GetNames", "sb", F "Enable", 1));
        assert_error(&leaf, BUS_ERROR_INVALID_ARGUMENTS);
        assert_int_equal(bus_error_to_fault(&leaf), DM_FAULT_INVALID_ARGUMENTS);
}

static void test_orders_of_the_acs_are_not_announced_to_it(void **state) {
        Fixture *f = *state;
        uint64_t token = prepare(f, F "Text", "new");
        _cleanup_free_ char *status = NULL, *value = NULL;

        assert_true(token > 0);
        status = call(f, NULL, "Commit", "t", token);
        assert_string_equal(status, "0");
        value = call(f, NULL, "GetValues", "as", 1, F "Text");
        assert_string_equal(value, "[[" F "Text string new]]");
        assert_signals(f, "PropertiesChanged org.ispstorage.Fixture1.Fixture [[Text [new]]] []\n");
}

static void test_faults(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *answer =
                        call(f, NULL, "Prepare", "a(sss)", 2, F "Nothing", "", "", F "Int", "xsd:int", "77");

        assert_string_equal(
                        answer,
                        "0 [[" F "Nothing 9005 Invalid parameter name] [" F "Int 9007 out of range]]");
        assert_false(dm_is_locked(f->model));
}

static void test_write_lock(void **state) {
        Fixture *f = *state;
        uint64_t token = prepare(f, F "Text", "new");
        _cleanup_error_ sd_bus_error busy = SD_BUS_ERROR_NULL, add = SD_BUS_ERROR_NULL,
                                     wrong = SD_BUS_ERROR_NULL, again = SD_BUS_ERROR_NULL;

        assert_null(call(f, &busy, "Prepare", "a(sss)", 1, F "Text", "", "other"));
        assert_error(&busy, BUS_ERROR_BUSY);
        assert_null(call(f, &add, "AddObject", "s", F "Group."));
        assert_error(&add, BUS_ERROR_BUSY);
        assert_null(call(f, &wrong, "Abort", "t", token + 1));
        assert_error(&wrong, BUS_ERROR_NO_SUCH_TOKEN);
        free(call(f, NULL, "Abort", "t", token));
        assert_false(dm_is_locked(f->model));
        assert_null(call(f, &again, "Commit", "t", token));
        assert_error(&again, BUS_ERROR_NO_SUCH_TOKEN);
}

static void test_lock_expires(void **state) {
        Fixture *f = *state;
        _cleanup_error_ sd_bus_error late = SD_BUS_ERROR_NULL;
        uint64_t token;

        dm_bus_set_lock_timeout(f->bus, 1000);
        token = prepare(f, F "Text", "new");
        while (dm_is_locked(f->model))
                assert_true(sd_event_run(f->pair.event, UINT64_MAX) > 0);
        assert_null(call(f, &late, "Commit", "t", token));
        assert_error(&late, BUS_ERROR_NO_SUCH_TOKEN);
}

static void test_rows(void **state) {
        Fixture *f = *state;
        _cleanup_error_ sd_bus_error denied = SD_BUS_ERROR_NULL, gone = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *added = call(f, NULL, "AddObject", "s", F "Group.");
        _cleanup_free_ char *deleted = NULL;

        assert_string_equal(added, "1 0");
        assert_signals(f,
                       "InterfacesAdded " ROOT "/Fixture/1/Group/1 [[org.freedesktop.DBus.Peer []] "
                       "[org.freedesktop.DBus.Introspectable []] [org.freedesktop.DBus.Properties []] "
                       "[org.ispstorage.Fixture1.Fixture.Group [[Name []]]]]\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture [[GroupNumberOfEntries [1]]] "
                       "[]\n");
        deleted = call(f, NULL, "DeleteObject", "s", F "Group.1.");
        assert_string_equal(deleted, "0");
        assert_signals(f,
                       "InterfacesRemoved " ROOT
                       "/Fixture/1/Group/1 [org.ispstorage.Fixture1.Fixture.Group]\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture [[GroupNumberOfEntries [0]]] "
                       "[]\n");
        assert_null(call(f, &denied, "AddObject", "s", F "Event."));
        assert_error(&denied, BUS_ERROR_REQUEST_DENIED);
        assert_null(call(f, &gone, "DeleteObject", "s", F "Group.1."));
        assert_error(&gone, BUS_ERROR_INVALID_NAME);
}

/* What the provider changes in one transaction travels in one signal. */
static void test_changes_of_the_provider(void **state) {
        Fixture *f = *state;
        DmUpdate *u;

        assert_int_equal(dm_update_new(&u, f->model), 0);
        assert_int_equal(dm_update_set(u, "Up", F "Status"), 0);
        assert_int_equal(dm_update_set(u, "secret", F "StoredSecret"), 0);
        assert_int_equal(dm_update_add(u, NULL, F "Event."), 0);
        assert_int_equal(dm_update_set(u, "boot", F "Event.1.Text"), 0);
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        assert_signals(f,
                       "ObjectsChanged [" F "Event.1.] []\n"
                       "ValuesChanged [[" F "Status string Up] [" F "StoredSecret string ] "
                       "[" F "EventNumberOfEntries unsignedInt 1] [" F "Event.1.Text string boot]]\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture [[Status [Up]]] []\n"
                       "InterfacesAdded " ROOT "/Fixture/1/Event/1 [[org.freedesktop.DBus.Peer []] "
                       "[org.freedesktop.DBus.Introspectable []] [org.freedesktop.DBus.Properties []] "
                       "[org.ispstorage.Fixture1.Fixture.Event [[Text [boot]]]]]\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture [[EventNumberOfEntries [1]]] []\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture.Event [[Text [boot]]] []\n");
}

/* --- Parameter objects --- */

static char *get_property(
                Fixture *f, const char *path, const char *interface, const char *name, sd_bus_error *error) {
        sd_bus_message *m = bus_pair_new_call(&f->pair, path, PROPERTIES, "Get");
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *contents;
        char *text, *answer;

        assert_true(sd_bus_message_append(m, "ss", interface, name) >= 0);
        reply = bus_pair_call(&f->pair, m, error);
        if (!reply)
                return NULL;
        assert_true(sd_bus_message_peek_type(reply, NULL, &contents) > 0);
        answer = strdup(contents);
        text = words(reply);
        contents = answer;
        answer = strfmt("%s %s", contents, text);
        free((char *) contents);
        free(text);
        return answer;
}

static void assert_property(
                Fixture *f, const char *path, const char *object, const char *name, const char *expected) {
        _cleanup_free_ char *interface = strfmt("%s.%s", SERVICE, object), *value = NULL;

        value = get_property(f, path, interface, name, NULL);
        assert_non_null(value);
        assert_string_equal(value, expected);
}

static void test_properties_have_their_types(void **state) {
        Fixture *f = *state;

        assert_property(f, ROOT "/Fixture/1", "Fixture", "Enable", "b [1]");
        assert_property(f, ROOT "/Fixture/1", "Fixture", "Int", "i [0]");
        assert_property(f, ROOT "/Fixture/1", "Fixture", "Long", "x [0]");
        assert_property(f, ROOT "/Fixture/1", "Fixture", "UnsignedLong", "t [0]");
        assert_property(f, ROOT "/Fixture/1", "Fixture", "Colors", "s []");
        assert_property(f, ROOT "/Fixture/1", "Fixture", "Time", "s [0001-01-01T00:00:00Z]");
        assert_property(f, ROOT "/Fixture/1/Server", "Fixture.Server", "Port", "u [21]");
        assert_property(f, ROOT, "Services", "FixtureNumberOfEntries", "u [1]");
}

static void test_objects_that_are_not_there(void **state) {
        Fixture *f = *state;
        static const char *const paths[] = {
                ROOT "/Fixture",  ROOT "/Fixture/2", ROOT "/Fixture/01",      ROOT "/Fixture/1/Server/1",
                ROOT "/Services", ROOT "/Fixture/x", ROOT "/Fixture/1/Serve", ROOT "/Fixture/1/Server2",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                assert_null(get_property(f, paths[i], SERVICE ".Fixture", "Enable", &error));
                assert_true(sd_bus_error_is_set(&error));
        }
}

static char *set_property(Fixture *f, const char *name, const char *type, sd_bus_error *error, ...) {
        sd_bus_message *m = bus_pair_new_call(&f->pair, ROOT "/Fixture/1", PROPERTIES, "Set");
        _cleanup_message_ sd_bus_message *reply = NULL;
        va_list ap;

        assert_true(sd_bus_message_append(m, "ss", SERVICE ".Fixture", name) >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', type) >= 0);
        va_start(ap, error);
        assert_true(sd_bus_message_appendv(m, type, ap) >= 0);
        va_end(ap);
        assert_true(sd_bus_message_close_container(m) >= 0);
        reply = bus_pair_call(&f->pair, m, error);
        return reply ? words(reply) : NULL;
}

static void test_setting_a_property(void **state) {
        Fixture *f = *state;
        _cleanup_error_ sd_bus_error range = SD_BUS_ERROR_NULL, read_only = SD_BUS_ERROR_NULL,
                                     busy = SD_BUS_ERROR_NULL;

        free(set_property(f, "Int", "i", NULL, -3));
        assert_property(f, ROOT "/Fixture/1", "Fixture", "Int", "i [4294967293]");
        assert_signals(f,
                       "ValuesChanged [[" F "Int int -3]]\n"
                       "PropertiesChanged org.ispstorage.Fixture1.Fixture [[Int [4294967293]]] []\n");
        assert_null(set_property(f, "Int", "i", &range, 99));
        assert_error(&range, BUS_ERROR_INVALID_VALUE);
        assert_null(set_property(f, "Status", "s", &read_only, "Up"));
        assert_error(&read_only, SD_BUS_ERROR_PROPERTY_READ_ONLY);
        (void) prepare(f, F "Text", "new");
        assert_null(set_property(f, "Int", "i", &busy, 1));
        assert_error(&busy, BUS_ERROR_BUSY);
}

/* ObjectManager shows each object of the data model, and nothing else. */
static void test_managed_objects(void **state) {
        Fixture *f = *state;
        sd_bus_message *m;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        _cleanup_strv_free_ char **paths = NULL;

        free(call(f, NULL, "AddObject", "s", F "User."));
        m = bus_pair_new_call(&f->pair, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        reply = bus_pair_call(&f->pair, m, NULL);
        assert_non_null(reply);
        assert_true(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
        while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                assert_true(sd_bus_message_read(reply, "o", &path) > 0);
                assert_int_equal(strv_extend(&paths, path), 0);
                assert_true(sd_bus_message_skip(reply, "a{sa{sv}}") > 0);
                assert_true(sd_bus_message_exit_container(reply) > 0);
        }
        assert_true(strv_contains(paths, ROOT "/Fixture/1"));
        assert_true(strv_contains(paths, ROOT "/Fixture/1/Server"));
        assert_true(strv_contains(paths, ROOT "/Fixture/1/User/1"));
        assert_int_equal(strv_length(paths), 3);
}

/* Every name of the table means the same errno and fault on the way back. */
static void test_error_table(void **state) {
        static const DmFault faults[] = {
                DM_FAULT_REQUEST_DENIED,     DM_FAULT_INTERNAL_ERROR, DM_FAULT_INVALID_ARGUMENTS,
                DM_FAULT_RESOURCES_EXCEEDED, DM_FAULT_INVALID_NAME,   DM_FAULT_INVALID_TYPE,
                DM_FAULT_INVALID_VALUE,      DM_FAULT_NON_WRITABLE,
        };

        assert_int_equal(bus_error_register(), 0);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                _cleanup_error_ sd_bus_error e = SD_BUS_ERROR_NULL;
                int r = bus_error_set_fault(&e, faults[i], NULL);

                assert_true(r < 0);
                assert_int_equal(sd_bus_error_get_errno(&e), -r);
                assert_int_equal(bus_error_to_fault(&e), faults[i]);
                assert_string_equal(e.message, dm_fault_to_string(faults[i]));
        }
}

/* --- Introspection --- */

static void print_introspection(Fixture *f, const char *path) {
        sd_bus_message *m = bus_pair_new_call(
                        &f->pair, path, "org.freedesktop.DBus.Introspectable", "Introspect");
        _cleanup_message_ sd_bus_message *reply = bus_pair_call(&f->pair, m, NULL);
        const char *xml;

        assert_non_null(reply);
        assert_true(sd_bus_message_read(reply, "s", &xml) > 0);
        (void) puts(xml);
}

static int introspect(void) {
        void *state;
        Fixture *f;

        (void) setup(&state);
        f = state;
        for (size_t i = 0; i < 3; i++) {
                static const char *const tables[] = { F "Group.", F "User.", F "Event." };
                DmUpdate *u;

                assert_int_equal(dm_update_new(&u, f->model), 0);
                (void) dm_update_add(u, NULL, "%s", tables[i]);
                assert_int_equal(dm_update_commit(u), 0);
                u = dm_update_free(u);
        }
        print_introspection(f, ROOT);
        print_introspection(f, ROOT "/Fixture/1");
        print_introspection(f, ROOT "/Fixture/1/Group/1");
        print_introspection(f, ROOT "/Fixture/1/User/1");
        print_introspection(f, ROOT "/Fixture/1/Event/1");
        print_introspection(f, ROOT "/Fixture/1/Server");
        return teardown(&state);
}

#define unit(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                unit(test_reading),
                unit(test_errors_of_reading),
                unit(test_orders_of_the_acs_are_not_announced_to_it),
                unit(test_faults),
                unit(test_write_lock),
                unit(test_lock_expires),
                unit(test_rows),
                unit(test_changes_of_the_provider),
                unit(test_properties_have_their_types),
                unit(test_objects_that_are_not_there),
                unit(test_setting_a_property),
                unit(test_managed_objects),
                cmocka_unit_test(test_error_table),
        };

        if (argc == 2 && streq(argv[1], "introspect"))
                return introspect();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
