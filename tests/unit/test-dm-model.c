/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model in memory: names, values, SetParameterValues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "recorder.h"

/* --- Names and values --- */

static void assert_names(DmModel *m, const char *path, bool next_level, const char *expected) {
        DmNames names = {};
        _cleanup_free_ char *text = strdup("");

        assert_int_equal(dm_get_names(m, path, next_level, &names), DM_OK);
        for (size_t i = 0; i < names.n; i++) {
                char *longer = strfmt(
                                "%s%s%s ", text, names.items[i].name, names.items[i].writable ? "!" : "");

                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
        dm_names_done(&names);
}

static void test_names(void **state) {
        Recorder *r = *state;
        DmNames names = {};

        (void) recorder_add(r, F "Group.");
        assert_names(r->model, "Services.", true, "Services.FixtureNumberOfEntries Services.Fixture. ");
        assert_names(r->model, "Services.Fixture.", true, "Services.Fixture.1. ");
        assert_names(r->model, F "Group.", false, F "Group.! " F "Group.1.! " F "Group.1.Name! ");
        assert_names(r->model, F "Group.1.", true, F "Group.1.Name! ");
        assert_names(r->model, F "Event.", false, F "Event. ");
        assert_names(r->model, F "Enable", false, F "Enable! ");
        assert_names(r->model, F "Server.", false, F "Server. " F "Server.Port! ");

        assert_int_equal(dm_get_names(r->model, F "Enable", true, &names), DM_FAULT_INVALID_ARGUMENTS);
        assert_int_equal(dm_get_names(r->model, "Services.Fixture", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(
                        dm_get_names(r->model, "Services.Fixture.2.", false, &names), DM_FAULT_INVALID_NAME);
        assert_int_equal(
                        dm_get_names(r->model, "Services.Fixture.{i}.", false, &names),
                        DM_FAULT_INVALID_NAME);
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
        bool b;

        assert_int_equal(dm_get_bool(r->model, &b, "Services.Fixture.%u.Enable", 1U), 0);
        assert_true(b);
        assert_int_equal(dm_get_uint32(r->model, &u, F "Server.Port"), 0);
        assert_int_equal(u, 21);
        assert_int_equal(recorder_set(r, F "UnsignedLong", "4294967296"), 0);
        assert_int_equal(dm_get_uint32(r->model, &u, F "UnsignedLong"), -ERANGE);
        assert_int_equal(dm_get_uint32(r->model, &u, F "Enable"), -EINVAL);
        assert_int_equal(dm_get_bool(r->model, &b, F "Nothing"), -ENOENT);
        assert_int_equal(dm_get_bool(r->model, &b, "%0300d", 1), -ENAMETOOLONG);
        assert_true(dm_exists(r->model, F "Server"));
        assert_true(dm_exists(r->model, F "Server.Port"));
        assert_false(dm_exists(r->model, F "Server.Port."));
        assert_false(dm_exists(r->model, "Services.Fixture.2"));
}

/* --- Setting --- */

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
                DM_FAULT_INVALID_NAME,  DM_FAULT_INVALID_NAME,
                DM_FAULT_NON_WRITABLE,  DM_FAULT_INVALID_TYPE,
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
        recorder_assert_value(r->model, F "Text", "");
}

static void test_prepare_changes_nothing(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting settings[] = { { F "Text", "", "new" }, { F "Server.Port", "", "2121" } };
        uint64_t token, other;
        int status;

        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &token, &faults), DM_OK);
        assert_true(dm_is_locked(r->model));
        recorder_assert_value(r->model, F "Text", "");
        assert_null(r->told);

        /* Everybody else waits, but the provider may report what it sees. */
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &other, &faults), -EBUSY);
        assert_int_equal(
                        dm_add_object(r->model,
                                      DM_ORIGIN_ACS,
                                      F "Group.",
                                      &(uint32_t){ 0 },
                                      &status,
                                      &faults),
                        -EBUSY);
        assert_int_equal(dm_commit(r->model, token + 1, &status), -ENOLCK);

        assert_int_equal(dm_commit(r->model, token, &status), 0);
        assert_int_equal(status, 0);
        assert_string_equal(r->told, "A:" F "Text=new A:" F "Server.Port=2121");
        assert_string_equal(r->committed, r->told);
        recorder_assert_value(r->model, F "Server.Port", "2121");
        assert_int_equal(dm_commit(r->model, token, &status), -ENOLCK);
}

static void test_abort(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;

        assert_int_equal(
                        dm_prepare(r->model,
                                   DM_ORIGIN_ACS,
                                   &(DmSetting){ F "Text", "", "new" },
                                   1,
                                   &token,
                                   &faults),
                        DM_OK);
        assert_int_equal(dm_abort(r->model, token), 0);
        assert_int_equal(dm_abort(r->model, token), -ENOLCK);
        assert_int_equal(dm_abort(r->model, 0), -ENOLCK);
        assert_false(dm_is_locked(r->model));
        recorder_assert_value(r->model, F "Text", "");
}

static void test_equal_values_are_no_change(void **state) {
        Recorder *r = *state;

        assert_int_equal(recorder_set(r, F "Text", "same"), 0);
        recorder_forget(r);
        assert_int_equal(recorder_set(r, F "Text", "same"), 0);
        assert_int_equal(recorder_set(r, F "Server.Port", "0021"), 0);
        assert_null(r->told);
        assert_null(r->committed);
}

static void test_every_write_of_a_trigger_arrives(void **state) {
        Recorder *r = *state;

        assert_int_equal(recorder_set(r, F "Order", "go 1"), 0);
        recorder_forget(r);
        assert_int_equal(recorder_set(r, F "Order", "go 1"), 0);
        assert_string_equal(r->committed, "A:" F "Order=go 1");
}

static void test_status_of_a_change(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;
        int status;

        r->status = 1;
        assert_int_equal(
                        dm_prepare(r->model,
                                   DM_ORIGIN_ACS,
                                   &(DmSetting){ F "Enable", "", "0" },
                                   1,
                                   &token,
                                   &faults),
                        DM_OK);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        assert_int_equal(status, 1);
        /* What the provider answers is a change of its own. */
        assert_string_equal(r->told, "A:" F "Enable=false P:" F "Status=Up");
}

static void test_hidden_values(void **state) {
        Recorder *r = *state;
        DmValues values = {};

        assert_int_equal(recorder_set(r, F "Secret", "pass"), 0);
        assert_int_equal(recorder_set(r, F "StoredSecret", "word"), 0);
        assert_string_equal(r->committed, "A:" F "Secret=pass A:" F "StoredSecret=word");
        assert_int_equal(dm_get_values(r->model, F "Secret", &values), DM_OK);
        assert_int_equal(dm_get_values(r->model, F "StoredSecret", &values), DM_OK);
        assert_string_equal(values.items[0].value, "");
        assert_string_equal(values.items[1].value, "");
        dm_values_done(&values);
        /* Kept for the provider only if the schema says so; then equal values are no change either. */
        recorder_assert_value(r->model, F "Secret", "");
        recorder_assert_value(r->model, F "StoredSecret", "word");
        recorder_forget(r);
        assert_int_equal(recorder_set(r, F "Secret", "pass"), 0);
        assert_int_equal(recorder_set(r, F "StoredSecret", "word"), 0);
        assert_string_equal(r->committed, "A:" F "Secret=pass");
}

static void test_veto_of_the_provider(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        int status;

        r->veto = F "Text";
        assert_int_equal(recorder_set(r, F "Text", "new"), DM_FAULT_REQUEST_DENIED);
        recorder_assert_value(r->model, F "Text", "");

        r->veto = F "Group.";
        assert_int_equal(
                        dm_add_object(r->model,
                                      DM_ORIGIN_ACS,
                                      F "Group.",
                                      &(uint32_t){ 0 },
                                      &status,
                                      &faults),
                        DM_FAULT_REQUEST_DENIED);
        assert_string_equal(faults.entries[0].text, "not today");
        assert_int_equal(dm_count_instances(r->model, F "Group."), 0);
        r->veto = NULL;
        /* A number that nobody saw is still free. */
        assert_int_equal(recorder_add(r, F "Group."), 1);
        r->veto = F "Group.";
        assert_int_equal(recorder_delete(r, F "Group.1."), DM_FAULT_REQUEST_DENIED);
        assert_true(dm_exists(r->model, F "Group.1"));
}

#define unit(f) cmocka_unit_test_setup_teardown(f, recorder_new, recorder_free)

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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
