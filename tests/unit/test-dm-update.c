/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model in memory: rows, keys and references, the provider's own updates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <time.h>

#include "common/base/str.h"
#include "recorder.h"

/* --- Rows --- */

static void test_numbers_are_not_used_again(void **state) {
        Recorder *r = *state;

        assert_int_equal(recorder_add(r, F "Group."), 1);
        assert_int_equal(recorder_add(r, F "Group."), 2);
        assert_int_equal(recorder_delete(r, F "Group.2."), DM_OK);
        assert_int_equal(recorder_add(r, F "Group."), 3);
        recorder_assert_value(r->model, F "GroupNumberOfEntries", "2");
        assert_string_equal(
                        r->told,
                        "A:" F "Group.1.+ A:" F "GroupNumberOfEntries=1 A:" F "Group.2.+ A:" F
                        "GroupNumberOfEntries=2 "
                        "A:" F "Group.2.- A:" F "GroupNumberOfEntries=1 A:" F "Group.3.+ A:" F
                        "GroupNumberOfEntries=2");
}

static void test_refused_rows(void **state) {
        Recorder *r = *state;
        static const struct {
                const char *path;
                DmFault fault;
        } wrong[] = {
                { F "Event.", DM_FAULT_REQUEST_DENIED }, { F "Server.", DM_FAULT_INVALID_NAME },
                { F "Group", DM_FAULT_INVALID_NAME },    { F "Group.1.", DM_FAULT_INVALID_NAME },
                { "", DM_FAULT_INVALID_NAME },
        };
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(
                                dm_add_object(r->model,
                                              DM_ORIGIN_ACS,
                                              wrong[i].path,
                                              &instance,
                                              &status,
                                              &faults),
                                wrong[i].fault);
        for (unsigned i = 0; i < 3; i++)
                (void) recorder_add(r, F "Group.");
        assert_int_equal(
                        dm_add_object(r->model, DM_ORIGIN_ACS, F "Group.", &instance, &status, &faults),
                        DM_FAULT_RESOURCES_EXCEEDED);
        assert_int_equal(recorder_delete(r, F "Group.4."), DM_FAULT_INVALID_NAME);
        assert_int_equal(recorder_delete(r, F "Group."), DM_FAULT_INVALID_NAME);
        assert_int_equal(recorder_delete(r, "Services.Fixture.1."), DM_FAULT_REQUEST_DENIED);
        assert_int_equal(recorder_delete(r, F "Server."), DM_FAULT_INVALID_NAME);
}

static void test_unique_keys_count_among_enabled_rows(void **state) {
        Recorder *r = *state;

        (void) recorder_add(r, F "User.");
        (void) recorder_add(r, F "User.");
        assert_int_equal(recorder_set(r, F "User.1.Name", "ann"), 0);
        assert_int_equal(recorder_set(r, F "User.1.Enable", "1"), 0);
        assert_int_equal(recorder_set(r, F "User.2.Name", "ann"), 0);
        assert_int_equal(recorder_set(r, F "User.2.Enable", "1"), DM_FAULT_INVALID_VALUE);
        assert_int_equal(recorder_set(r, F "User.2.Domain", "home"), 0);
        assert_int_equal(recorder_set(r, F "User.2.Enable", "1"), 0);
        assert_int_equal(recorder_set(r, F "User.2.Domain", ""), DM_FAULT_INVALID_VALUE);
        /* The key that is only a name counts always. */
        recorder_assert_value(r->model, F "User.1.Alias", "cpe-1");
        assert_int_equal(recorder_set(r, F "User.1.Enable", "0"), 0);
        assert_int_equal(recorder_set(r, F "User.1.Alias", "cpe-2"), DM_FAULT_INVALID_VALUE);
}

static void test_keys_can_be_exchanged_in_one_request(void **state) {
        Recorder *r = *state;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting exchange[] = { { F "User.1.Alias", "", "cpe-2" },
                                       { F "User.2.Alias", "", "cpe-1" } };
        uint64_t token;

        (void) recorder_add(r, F "User.");
        (void) recorder_add(r, F "User.");
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, exchange, 2, &token, &faults), DM_OK);
}

static void test_references(void **state) {
        Recorder *r = *state;

        (void) recorder_add(r, F "User.");
        (void) recorder_add(r, F "Group.");
        (void) recorder_add(r, F "Group.");
        assert_int_equal(recorder_set(r, F "User.1.Groups", F "Group.3"), DM_FAULT_INVALID_VALUE);
        assert_int_equal(recorder_set(r, F "User.1.Groups", F "Group.1," F "Group.2"), 0);
        assert_int_equal(recorder_set(r, F "User.1.Friend", F "User.77"), 0);
        recorder_forget(r);
        assert_int_equal(recorder_delete(r, F "Group.1."), DM_OK);
        recorder_assert_value(r->model, F "User.1.Groups", F "Group.2");
        assert_string_equal(
                        r->committed,
                        "A:" F "Group.1.- A:" F "GroupNumberOfEntries=1 A:" F "User.1.Groups=" F "Group.2");
}

/* --- The provider's updates --- */

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
                        "P:" F "Status=Up P:" F "Event.1.+ P:" F "EventNumberOfEntries=1 P:" F
                        "Event.1.Text=boot");
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
        recorder_assert_value(r->model, F "Text", "");
        assert_null(r->told);
}

static void test_rows_that_vanish_before_commit(void **state) {
        Recorder *r = *state;
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        _cleanup_dm_faults_ DmFaults faults = {};
        const DmSetting settings[] = { { F "Group.1.Name", "", "gone" }, { F "Text", "", "stays" } };
        uint64_t token;
        int status;

        (void) recorder_add(r, F "Group.");
        assert_int_equal(dm_prepare(r->model, DM_ORIGIN_ACS, settings, 2, &token, &faults), DM_OK);
        assert_int_equal(dm_update_new(&u, r->model), 0);
        assert_int_equal(dm_update_delete(u, F "Group.1."), 0);
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        recorder_assert_value(r->model, F "Text", "stays");
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
        assert_int_equal(recorder_set(r, F "User.9999.Name", "1"), DM_FAULT_INVALID_VALUE);
        assert_true(seconds() - start < 5);
}

#define unit(f) cmocka_unit_test_setup_teardown(f, recorder_new, recorder_free)

int main(void) {
        const struct CMUnitTest tests[] = {
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
