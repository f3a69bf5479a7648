/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model in memory: names, values, requests from outside, the provider's own updates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

#include "common/base/str.h"
#include "common/datamodel/dm.h"
#include "fixture-schema.h"

#define F "Services.Fixture.1."

/* Writes down what the provider and the listener are told. */
typedef struct Recorder {
        DmModel *model;
        char *told;      /* by the listener: "<origin>:<path>=<value> ..." */
        char *committed; /* the same, of committed() */
        int status;
        const char *veto; /* a path to which validate() objects */
        bool *update_in_committed;
} Recorder;

static void record(char **text, DmOrigin origin, const DmChange *changes, size_t n) {
        static const char letters[] = { 'A', 'L', 'P' };

        for (size_t i = 0; i < n; i++) {
                static const char signs[] = { '=', '+', '-' };
                char *longer = strfmt(
                                "%s%s%c:%s%c%s",
                                strempty(*text),
                                *text ? " " : "",
                                letters[origin],
                                changes[i].path,
                                signs[changes[i].kind],
                                strempty(changes[i].value));

                free(*text);
                *text = longer;
        }
}

static void listener(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        record(&((Recorder *) userdata)->told, origin, changes, n);
}

static int validate(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, DmFaults *faults, void *userdata) {
        Recorder *r = userdata;

        for (size_t i = 0; r->veto && i < n; i++)
                if (startswith(changes[i].path, r->veto))
                        dm_faults_add(faults, changes[i].path, DM_FAULT_REQUEST_DENIED, "not today");
        return 0;
}

static int committed(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        Recorder *r = userdata;

        record(&r->committed, origin, changes, n);
        /* A provider answers an order with a change of status, at once. */
        for (size_t i = 0; i < n; i++)
                if (changes[i].parameter && changes[i].parameter->id == FIXTURE_ENABLE) {
                        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

                        assert_int_equal(dm_update_new(&u, m), 0);
                        (void) dm_update_set(u, "Up", F "Status");
                        assert_int_equal(dm_update_commit(u), 0);
                }
        return r->status;
}

static int get(DmModel *m, const DmParameter *p, const uint32_t instances[], char **ret, void *userdata) {
        assert_int_equal(p->id, FIXTURE_UP_TIME);
        assert_int_equal(instances[0], 1);
        *ret = strdup("4711");
        return 0;
}

static const DmProvider provider = { .validate = validate, .committed = committed, .get = get };

static int setup(void **state) {
        Recorder *r = calloc(1, sizeof(*r));

        assert_int_equal(dm_model_new(&r->model, &fixture_schema, &provider, r), 0);
        dm_model_set_listener(r->model, listener, r);
        *state = r;
        return 0;
}

static int teardown(void **state) {
        Recorder *r = *state;

        dm_model_free(r->model);
        free(r->told);
        free(r->committed);
        free(r);
        return 0;
}

static void assert_value(DmModel *m, const char *path, const char *expected) {
        _cleanup_free_ char *value = NULL;

        assert_int_equal(dm_get_string(m, &value, "%s", path), 0);
        assert_string_equal(value, expected);
}

/* SetParameterValues with one setting, both halves. */
static int set(Recorder *r, const char *name, const char *value) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;
        int f, status;

        f = dm_prepare(r->model, DM_ORIGIN_ACS, &(DmSetting) { name, "", value }, 1, &token, &faults);
        if (f == DM_FAULT_INVALID_ARGUMENTS) {
                assert_string_equal(faults.entries[0].name, name);
                return (int) faults.entries[0].fault;
        }
        assert_int_equal(f, DM_OK);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        return 0;
}

static uint32_t add(Recorder *r, const char *table) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        assert_int_equal(dm_add_object(r->model, DM_ORIGIN_ACS, table, &instance, &status, &faults), DM_OK);
        return instance;
}

static int delete(Recorder *r, const char *row) {
        _cleanup_dm_faults_ DmFaults faults = {};
        int status;

        return dm_delete_object(r->model, DM_ORIGIN_ACS, row, &status, &faults);
}

static void forget(Recorder *r) {
        r->told = mfree(r->told);
        r->committed = mfree(r->committed);
}

/* --- Names and values ----------------------------------------------------------------------------------------------------- */

static void assert_names(DmModel *m, const char *path, bool next_level, const char *expected) {
        DmNames names = {};
        _cleanup_free_ char *text = strdup("");

        assert_int_equal(dm_get_names(m, path, next_level, &names), DM_OK);
        for (size_t i = 0; i < names.n; i++) {
                char *longer = strfmt("%s%s%s ", text, names.items[i].name, names.items[i].writable ? "!" : "");

                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
        dm_names_done(&names);
}

static void test_names(void **state) {
        Recorder *r = *state;
        DmNames names = {};

        (void) add(r, F "Group.");
        assert_names(r->model, "Services.", true, "Services.FixtureNumberOfEntries Services.Fixture. ");
        assert_names(r->model, "Services.Fixture.", true, "Services.Fixture.1. ");
        assert_names(r->model, F "Group.", false, F "Group.! " F "Group.1.! " F "Group.1.Name! ");
        assert_names(r->model, F "Group.1.", true, F "Group.1.Name! ");
        assert_names(r->model, F "Event.", false, F "Event. ");
        assert_names(r->model, F "Enable", false, F "Enable! ");
        assert_names(r->model, F "Server.", false, F "Server. " F "Server.Port! ");

        assert_int_equal(dm_get_names(r->model, F "Enable", true, &names), DM_FAULT_INVALID_ARGUMENTS);
        assert_int_equal(dm_get_names(r->model, "Services.Fixture", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(dm_get_names(r->model, "Services.Fixture.2.", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(dm_get_names(r->model, "Services.Fixture.{i}.", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(dm_get_names(r->model, "Services..", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(dm_get_names(r->model, ".", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(names.n, 0);
}

static void test_all_names_can_be_read(void **state) {
        Recorder *r = *state;
        DmNames names = {};
        DmValues all = {};
        size_t parameters = 0;

        assert_int_equal(dm_get_names(r->model, "", false, &names), DM_OK);
        for (size_t i = 0; i < names.n; i++) {
                DmValues values = {};

                assert_int_equal(dm_get_values(r->model, names.items[i].name, &values), DM_OK);
                parameters += !endswith(names.items[i].name, ".");
                dm_values_done(&values);
        }
        assert_int_equal(dm_get_values(r->model, "", &all), DM_OK);
        assert_int_equal(all.n, parameters);
        dm_values_done(&all);
        dm_names_done(&names);
}

static void test_values(void **state) {
        Recorder *r = *state;
        DmValues values = {};

        assert_int_equal(dm_get_values(r->model, F "UpTime", &values), DM_OK);
        assert_int_equal(dm_get_values(r->model, "Services.FixtureNumberOfEntries", &values), DM_OK);
        assert_int_equal(dm_get_values(r->model, F "Nothing", &values), DM_FAULT_INVALID_NAME);
        assert_int_equal(values.n, 2);
        assert_string_equal(values.items[0].value, "4711");
        assert_string_equal(values.items[0].type, "unsignedInt");
        assert_string_equal(values.items[1].value, "1");
        dm_values_done(&values);
}

static void test_getters(void **state) {
        Recorder *r = *state;
        uint32_t u;
        uint64_t t;
        bool b;

        assert_int_equal(dm_get_bool(r->model, &b, "Services.Fixture.%u.Enable", 1U), 0);
        assert_true(b);
        assert_int_equal(dm_get_uint32(r->model, &u, F "Server.Port"), 0);
        assert_int_equal(u, 21);
        assert_int_equal(set(r, F "UnsignedLong", "4294967296"), 0);
        assert_int_equal(dm_get_uint64(r->model, &t, F "UnsignedLong"), 0);
        assert_true(t == UINT64_C(4294967296));
        assert_int_equal(dm_get_uint32(r->model, &u, F "UnsignedLong"), -ERANGE);
        assert_int_equal(dm_get_uint32(r->model, &u, F "Enable"), -EINVAL);
        assert_int_equal(dm_get_bool(r->model, &b, F "Nothing"), -ENOENT);
        assert_int_equal(dm_get_bool(r->model, &b, "%0300d", 1), -ENAMETOOLONG);
        assert_true(dm_exists(r->model, F "Server"));
        assert_true(dm_exists(r->model, F "Server.Port"));
        assert_false(dm_exists(r->model, F "Server.Port."));
        assert_false(dm_exists(r->model, "Services.Fixture.2"));
}

/* --- Setting -------------------------------------------------------------------------------------------------------------- */

static void test_faults_of_settings(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting settings[] = {
                { F "Text", "xsd:string", "good" },
                { F "Nothing", "", "" },
                { F "Group.", "", "" },
                { F "Status", "", "Up" },
                { F "Int", "xsd:string", "1" },
                { F "Int", "xsd:int", "99" },
        };
        static const DmFault expected[] = {
                DM_FAULT_INVALID_NAME, DM_FAULT_INVALID_NAME, DM_FAULT_NON_WRITABLE, DM_FAULT_INVALID_TYPE,
                DM_FAULT_INVALID_VALUE, DM_FAULT_INVALID_ARGUMENTS, /* Int is named twice */
        };
        uint64_t token = 0;

        assert_int_equal(
                        dm_prepare(r->model, DM_ORIGIN_ACS, settings, ELEMENTSOF(settings), &token, &faults),
                        DM_FAULT_INVALID_ARGUMENTS);
        assert_int_equal(faults.n, ELEMENTSOF(expected));
        for (size_t i = 0; i < faults.n; i++)
                assert_int_equal(faults.entries[i].fault, expected[i]);
        assert_int_equal(token, 0);
        assert_false(dm_is_locked(r->model));
        assert_value(r->model, F "Text", "");
}

static void test_prepare_changes_nothing(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting settings[] = { { F "Text", "", "new" }, { F "Server.Port", "", "2121" } };
        uint64_t token, other;
        int status;

        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &token, &faults), DM_OK);
        assert_true(dm_is_locked(r->model));
        assert_value(r->model, F "Text", "");
        assert_null(r->told);

        /* Everybody else waits, but the provider may report what it sees. */
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &other, &faults), -EBUSY);
        assert_int_equal(dm_add_object(r->model, DM_ORIGIN_ACS, F "Group.", &(uint32_t) { 0 }, &status, &faults), -EBUSY);
        assert_int_equal(dm_commit(r->model, token + 1, &status), -ENOLCK);

        assert_int_equal(dm_commit(r->model, token, &status), 0);
        assert_int_equal(status, 0);
        assert_string_equal(r->told, "A:" F "Text=new A:" F "Server.Port=2121");
        assert_string_equal(r->committed, r->told);
        assert_value(r->model, F "Server.Port", "2121");
        assert_int_equal(dm_commit(r->model, token, &status), -ENOLCK);
}

static void test_abort(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;

        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, &(DmSetting) { F "Text", "", "new" }, 1, &token, &faults), DM_OK);
        assert_int_equal(dm_abort(r->model, token), 0);
        assert_int_equal(dm_abort(r->model, token), -ENOLCK);
        assert_int_equal(dm_abort(r->model, 0), -ENOLCK);
        assert_false(dm_is_locked(r->model));
        assert_value(r->model, F "Text", "");
}

static void test_equal_values_are_no_change(void **state) {
        Recorder *r = *state;

        assert_int_equal(set(r, F "Text", "same"), 0);
        forget(r);
        assert_int_equal(set(r, F "Text", "same"), 0);
        assert_int_equal(set(r, F "Server.Port", "0021"), 0);
        assert_null(r->told);
        assert_null(r->committed);
}

static void test_every_write_of_a_trigger_arrives(void **state) {
        Recorder *r = *state;

        assert_int_equal(set(r, F "Order", "go 1"), 0);
        forget(r);
        assert_int_equal(set(r, F "Order", "go 1"), 0);
        assert_string_equal(r->committed, "A:" F "Order=go 1");
}

static void test_status_of_a_change(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;
        int status;

        r->status = 1;
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, &(DmSetting) { F "Enable", "", "0" }, 1, &token, &faults), DM_OK);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        assert_int_equal(status, 1);
        /* What the provider answers is a change of its own. */
        assert_string_equal(r->told, "A:" F "Enable=false P:" F "Status=Up");
}

static void test_hidden_values(void **state) {
        Recorder *r = *state;
        DmValues values = {};

        assert_int_equal(set(r, F "Secret", "pass"), 0);
        assert_int_equal(set(r, F "StoredSecret", "word"), 0);
        assert_string_equal(r->committed, "A:" F "Secret=pass A:" F "StoredSecret=word");
        assert_int_equal(dm_get_values(r->model, F "Secret", &values), DM_OK);
        assert_int_equal(dm_get_values(r->model, F "StoredSecret", &values), DM_OK);
        assert_string_equal(values.items[0].value, "");
        assert_string_equal(values.items[1].value, "");
        dm_values_done(&values);
        /* Kept for the provider only if the schema says so; then equal values are no change either. */
        assert_value(r->model, F "Secret", "");
        assert_value(r->model, F "StoredSecret", "word");
        forget(r);
        assert_int_equal(set(r, F "Secret", "pass"), 0);
        assert_int_equal(set(r, F "StoredSecret", "word"), 0);
        assert_string_equal(r->committed, "A:" F "Secret=pass");
}

static void test_veto_of_the_provider(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        int status;

        r->veto = F "Text";
        assert_int_equal(set(r, F "Text", "new"), DM_FAULT_REQUEST_DENIED);
        assert_value(r->model, F "Text", "");

        r->veto = F "Group.";
        assert_int_equal(
                        dm_add_object(r->model, DM_ORIGIN_ACS, F "Group.", &(uint32_t) { 0 }, &status, &faults),
                        DM_FAULT_REQUEST_DENIED);
        assert_string_equal(faults.entries[0].text, "not today");
        assert_int_equal(dm_count_instances(r->model, F "Group."), 0);
        r->veto = NULL;
        /* A number that nobody saw is still free. */
        assert_int_equal(add(r, F "Group."), 1);
        r->veto = F "Group.";
        assert_int_equal(delete(r, F "Group.1."), DM_FAULT_REQUEST_DENIED);
        assert_true(dm_exists(r->model, F "Group.1"));
}

/* --- Rows ----------------------------------------------------------------------------------------------------------------- */

static void test_numbers_are_not_used_again(void **state) {
        Recorder *r = *state;

        assert_int_equal(add(r, F "Group."), 1);
        assert_int_equal(add(r, F "Group."), 2);
        assert_int_equal(delete(r, F "Group.2."), DM_OK);
        assert_int_equal(add(r, F "Group."), 3);
        assert_value(r->model, F "GroupNumberOfEntries", "2");
        assert_string_equal(
                        r->told,
                        "A:" F "Group.1.+ A:" F "GroupNumberOfEntries=1 A:" F "Group.2.+ A:" F "GroupNumberOfEntries=2 "
                        "A:" F "Group.2.- A:" F "GroupNumberOfEntries=1 A:" F "Group.3.+ A:" F "GroupNumberOfEntries=2");
}

static void test_refused_rows(void **state) {
        Recorder *r = *state;
        static const struct {
                const char *path;
                DmFault fault;
        } wrong[] = {
                { F "Event.", DM_FAULT_REQUEST_DENIED },
                { F "Server.", DM_FAULT_INVALID_NAME },
                { F "Group", DM_FAULT_INVALID_NAME },
                { F "Group.1.", DM_FAULT_INVALID_NAME },
                { "", DM_FAULT_INVALID_NAME },
        };
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(
                                dm_add_object(r->model, DM_ORIGIN_ACS, wrong[i].path, &instance, &status, &faults),
                                wrong[i].fault);
        for (unsigned i = 0; i < 3; i++)
                (void) add(r, F "Group.");
        assert_int_equal(
                        dm_add_object(r->model, DM_ORIGIN_ACS, F "Group.", &instance, &status, &faults),
                        DM_FAULT_RESOURCES_EXCEEDED);
        assert_int_equal(delete(r, F "Group.4."), DM_FAULT_INVALID_NAME);
        assert_int_equal(delete(r, F "Group."), DM_FAULT_INVALID_NAME);
        assert_int_equal(delete(r, "Services.Fixture.1."), DM_FAULT_REQUEST_DENIED);
        assert_int_equal(delete(r, F "Server."), DM_FAULT_INVALID_NAME);
}

static void test_unique_keys_count_among_enabled_rows(void **state) {
        Recorder *r = *state;

        (void) add(r, F "User.");
        (void) add(r, F "User.");
        assert_int_equal(set(r, F "User.1.Name", "ann"), 0);
        assert_int_equal(set(r, F "User.1.Enable", "1"), 0);
        assert_int_equal(set(r, F "User.2.Name", "ann"), 0);
        assert_int_equal(set(r, F "User.2.Enable", "1"), DM_FAULT_INVALID_VALUE);
        assert_int_equal(set(r, F "User.2.Domain", "home"), 0);
        assert_int_equal(set(r, F "User.2.Enable", "1"), 0);
        assert_int_equal(set(r, F "User.2.Domain", ""), DM_FAULT_INVALID_VALUE);
        /* The key that is only a name counts always. */
        assert_value(r->model, F "User.1.Alias", "cpe-1");
        assert_int_equal(set(r, F "User.1.Enable", "0"), 0);
        assert_int_equal(set(r, F "User.1.Alias", "cpe-2"), DM_FAULT_INVALID_VALUE);
}

static void test_keys_can_be_exchanged_in_one_request(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting exchange[] = { { F "User.1.Alias", "", "cpe-2" }, { F "User.2.Alias", "", "cpe-1" } };
        uint64_t token;

        (void) add(r, F "User.");
        (void) add(r, F "User.");
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, exchange, 2, &token, &faults), DM_OK);
}

static void test_references(void **state) {
        Recorder *r = *state;

        (void) add(r, F "User.");
        (void) add(r, F "Group.");
        (void) add(r, F "Group.");
        assert_int_equal(set(r, F "User.1.Groups", F "Group.3"), DM_FAULT_INVALID_VALUE);
        assert_int_equal(set(r, F "User.1.Groups", F "Group.1," F "Group.2"), 0);
        assert_int_equal(set(r, F "User.1.Friend", F "User.77"), 0);
        forget(r);
        assert_int_equal(delete(r, F "Group.1."), DM_OK);
        assert_value(r->model, F "User.1.Groups", F "Group.2");
        assert_string_equal(
                        r->committed,
                        "A:" F "Group.1.- A:" F "GroupNumberOfEntries=1 A:" F "User.1.Groups=" F "Group.2");
}

/* --- The provider's updates ----------------------------------------------------------------------------------------------- */

static void test_update_is_one_notification(void **state) {
        Recorder *r = *state;
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        uint32_t instance;

        assert_int_equal(dm_update_new(&u, r->model), 0);
        assert_int_equal(dm_update_set(u, "Up", F "Status"), 0);
        assert_int_equal(dm_update_add(u, &instance, F "Event."), 0);
        assert_int_equal(dm_update_set(u, "boot", F "Event.%u.Text", instance), 0);
        assert_int_equal(dm_update_set_bool(u, true, F "Enable"), 0); /* as it was */
        assert_null(r->told);
        assert_int_equal(dm_update_commit(u), 0);
        assert_string_equal(
                        r->told,
                        "P:" F "Status=Up P:" F "Event.1.+ P:" F "EventNumberOfEntries=1 P:" F "Event.1.Text=boot");
        assert_null(r->committed);
}

static void test_update_is_undone(void **state) {
        Recorder *r = *state;
        DmUpdate *u, *other;

        assert_int_equal(dm_update_new(&u, r->model), 0);
        assert_int_equal(dm_update_new(&other, r->model), -EBUSY);
        assert_int_equal(dm_update_add(u, NULL, F "Event."), 0);
        assert_int_equal(dm_update_set(u, "one", F "Event.1.Text"), 0);
        assert_int_equal(dm_update_delete(u, F "Event.1."), 0);
        assert_int_equal(dm_update_delete(u, "Services.Fixture.1."), 0);
        assert_false(dm_exists(r->model, "Services.Fixture.1"));
        u = dm_update_free(u);
        assert_true(dm_exists(r->model, F "Status"));
        assert_int_equal(dm_count_instances(r->model, F "Event."), 0);
        assert_null(r->told);
}

static void test_first_error_of_an_update_sticks(void **state) {
        Recorder *r = *state;
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

        assert_int_equal(dm_update_new(&u, r->model), 0);
        (void) dm_update_set(u, "Sideways", F "Status");
        (void) dm_update_set(u, "x", F "Nothing");
        (void) dm_update_set(u, "fine", F "Text");
        assert_int_equal(dm_update_commit(u), -EINVAL);
        assert_value(r->model, F "Text", "");
        assert_null(r->told);
}

static void test_rows_that_vanish_before_commit(void **state) {
        Recorder *r = *state;
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting settings[] = { { F "Group.1.Name", "", "gone" }, { F "Text", "", "stays" } };
        uint64_t token;
        int status;

        (void) add(r, F "Group.");
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &token, &faults), DM_OK);
        assert_int_equal(dm_update_new(&u, r->model), 0);
        assert_int_equal(dm_update_delete(u, F "Group.1."), 0);
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        assert_value(r->model, F "Text", "stays");
}

static double seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* Quadratic work would need minutes here. */
static void test_ten_thousand_rows(void **state) {
        Recorder *r = *state;
        DmUpdate *u;
        uint32_t n = 0;
        double start = seconds();

        dm_model_set_listener(r->model, NULL, NULL);
        assert_int_equal(dm_update_new(&u, r->model), 0);
        for (unsigned i = 1; i <= 10000; i++) {
                assert_int_equal(dm_update_add(u, NULL, F "User."), 0);
                assert_int_equal(dm_update_set_uint64(u, i, F "User.%u.Name", i), 0);
                assert_int_equal(dm_update_set_bool(u, true, F "User.%u.Enable", i), 0);
        }
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        DM_FOREACH_INSTANCE(i, r->model, F "User.") {
                n++;
                if (i % 2 == 0) {
                        assert_int_equal(dm_update_new(&u, r->model), 0);
                        assert_int_equal(dm_update_delete(u, F "User.%u.", i), 0);
                        assert_int_equal(dm_update_commit(u), 0);
                        u = dm_update_free(u);
                }
        }
        assert_int_equal(n, 10000);
        assert_int_equal(dm_count_instances(r->model, F "User."), 5000);
        assert_int_equal(set(r, F "User.9999.Name", "1"), DM_FAULT_INVALID_VALUE);
        assert_true(seconds() - start < 20);
}

#define unit(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                unit(test_names),
                unit(test_all_names_can_be_read),
                unit(test_values),
                unit(test_getters),
                unit(test_faults_of_settings),
                unit(test_prepare_changes_nothing),
                unit(test_abort),
                unit(test_equal_values_are_no_change),
                unit(test_every_write_of_a_trigger_arrives),
                unit(test_status_of_a_change),
                unit(test_hidden_values),
                unit(test_veto_of_the_provider),
                unit(test_numbers_are_not_used_again),
                unit(test_refused_rows),
                unit(test_unique_keys_count_among_enabled_rows),
                unit(test_keys_can_be_exchanged_in_one_request),
                unit(test_references),
                unit(test_update_is_one_notification),
                unit(test_update_is_undone),
                unit(test_first_error_of_an_update_sticks),
                unit(test_rows_that_vanish_before_commit),
                unit(test_ten_thousand_rows),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
