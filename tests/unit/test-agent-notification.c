/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ACS is told of changes, and what it was told already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/core/notification.h"
#include "common/base/str.h"

#define STATUS "Services.Row.12.Status"

static Notifications *new_with_rules(const char *path) {
        _cleanup_parameter_list_ ParameterList rules = {};
        Notifications *n;

        assert_int_equal(notifications_new(&n, path), 0);
        assert_non_null(parameter_list_add(&rules, "Services.Row.{i}.Status", NULL, "forceDefaultEnabled"));
        assert_non_null(parameter_list_add(&rules, "DeviceInfo.SoftwareVersion", NULL, "forceEnabled"));
        assert_int_equal(notifications_set_rules(n, &rules), 0);
        return n;
}

static int observe(Notifications *n, const char *name, const char *value) {
        const Parameter p = { .name = (char *) (uintptr_t) name, .value = (char *) (uintptr_t) value };
        return notifications_observe(n, &p);
}

static void set_level(Notifications *n, const char *name, int level, const char *value) {
        _cleanup_parameter_list_ ParameterList l = {};
        Parameter *p = parameter_list_add(&l, name, NULL, value);

        p->notification = level;
        assert_int_equal(notifications_set_attributes(n, &l), 0);
}

/* The values of the next Inform as "name=value;". */
static char *collect(Notifications *n) {
        _cleanup_parameter_list_ ParameterList l = {};
        char *text = strdup("");

        assert_int_equal(notifications_collect(n, &l), 0);
        for (size_t i = 0; i < l.n; i++) {
                char *longer = strfmt("%s%s=%s;", text, l.items[i].name, l.items[i].value);
                free(text);
                text = longer;
        }
        return text;
}

static void assert_told(Notifications *n, const char *expected) {
        _cleanup_free_ char *text = collect(n);

        assert_string_equal(text, expected);
        assert_int_equal(notifications_acknowledge(n), 0);
}

static void rules_give_the_default(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(notifications_level(n, STATUS), NOTIFICATION_ACTIVE);
        assert_int_equal(notifications_level(n, "Services.Row.x.Status"), NOTIFICATION_OFF);
        assert_int_equal(notifications_level(n, "Services.Row.1.Other"), NOTIFICATION_OFF);
        set_level(n, STATUS, NOTIFICATION_OFF, "x");
        assert_int_equal(notifications_level(n, STATUS), NOTIFICATION_OFF);
        assert_true(notifications_is_forced(n, "DeviceInfo.SoftwareVersion"));
        set_level(n, "DeviceInfo.SoftwareVersion", NOTIFICATION_OFF, "1");
        assert_int_equal(notifications_level(n, "DeviceInfo.SoftwareVersion"), NOTIFICATION_ACTIVE);
}

static void a_change_is_told_once(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        assert_true(notifications_pending_active(n));
        assert_told(n, STATUS "=Ready;");
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_OFF);
        assert_false(notifications_pending(n));
}

static void the_latest_value_is_told(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        assert_int_equal(observe(n, STATUS, "Error"), NOTIFICATION_OFF);
        assert_told(n, STATUS "=Error;");
}

static void a_change_after_the_inform_left_stays_waiting(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        _cleanup_free_ char *sent = collect(n);
        assert_int_equal(observe(n, STATUS, "Error"), NOTIFICATION_OFF);
        assert_int_equal(notifications_acknowledge(n), 0);
        assert_true(notifications_pending_active(n));
        assert_told(n, STATUS "=Error;");
}

static void a_value_that_changed_and_changed_back_is_told(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        assert_told(n, STATUS "=Ready;");

        assert_int_equal(observe(n, STATUS, "Error"), NOTIFICATION_ACTIVE);
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_OFF);
        assert_true(notifications_pending_active(n));
        assert_told(n, STATUS "=Ready;");

        /* The same while the Inform that has the change is under way. */
        assert_int_equal(observe(n, STATUS, "Error"), NOTIFICATION_ACTIVE);
        _cleanup_free_ char *sent = collect(n);
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_OFF);
        assert_int_equal(notifications_acknowledge(n), 0);
        assert_told(n, STATUS "=Ready;");
}

static void an_unanswered_inform_told_nothing(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        _cleanup_free_ char *lost = collect(n);
        assert_told(n, STATUS "=Ready;");
}

static void passive_changes_wait_for_any_inform(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        set_level(n, "A.B", NOTIFICATION_PASSIVE, "1");
        assert_int_equal(observe(n, "A.B", "1"), NOTIFICATION_OFF);
        assert_int_equal(observe(n, "A.B", "2"), NOTIFICATION_PASSIVE);
        assert_false(notifications_pending_active(n));
        assert_true(notifications_pending(n));
        assert_told(n, "A.B=2;");
}

static void a_deleted_row_is_forgotten(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        notifications_forget(n, "Services.Row.12.");
        assert_false(notifications_pending(n));
}

static void a_new_acs_knows_nothing(void **state) {
        _cleanup_(notifications_freep) Notifications *n = new_with_rules(NULL);

        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        assert_told(n, STATUS "=Ready;");
        notifications_reset(n);
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
}

static void what_was_told_outlives_a_restart_and_damage_is_survived(void **state) {
        char directory[] = "/tmp/test-agent-notification.XXXXXX";

        assert_non_null(mkdtemp(directory));
        _cleanup_free_ char *file = strfmt("%s/state", directory), *aside = strfmt("%s/state.corrupt", directory);
        Notifications *n = new_with_rules(file);
        set_level(n, "A.B", NOTIFICATION_ACTIVE, "1");
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_ACTIVE);
        assert_told(n, STATUS "=Ready;");
        n = notifications_free(n);

        n = new_with_rules(file);
        assert_int_equal(observe(n, STATUS, "Ready"), NOTIFICATION_OFF);
        assert_int_equal(notifications_level(n, "A.B"), NOTIFICATION_ACTIVE);
        assert_int_equal(observe(n, "A.B", "2"), NOTIFICATION_ACTIVE);
        n = notifications_free(n);

        FILE *f = fopen(file, "a");
        assert_true(fputs("damage", f) > 0);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(notifications_new(&n, file), -EBADMSG);
        assert_int_equal(notifications_level(n, "A.B"), NOTIFICATION_OFF);
        n = notifications_free(n);
        assert_int_equal(unlink(aside), 0);
        assert_int_equal(rmdir(directory), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rules_give_the_default),
                cmocka_unit_test(a_change_is_told_once),
                cmocka_unit_test(the_latest_value_is_told),
                cmocka_unit_test(a_change_after_the_inform_left_stays_waiting),
                cmocka_unit_test(a_value_that_changed_and_changed_back_is_told),
                cmocka_unit_test(an_unanswered_inform_told_nothing),
                cmocka_unit_test(passive_changes_wait_for_any_inform),
                cmocka_unit_test(a_deleted_row_is_forgotten),
                cmocka_unit_test(a_new_acs_knows_nothing),
                cmocka_unit_test(what_was_told_outlives_a_restart_and_damage_is_survived),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
