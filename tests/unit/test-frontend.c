/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/frontend/store-task.h"
#include "tests/unit/frontend-fixture.h"

static void test_provisioning_in_dependency_order(void **state) {
        Fixture *f = *state;

        allow(f, GW1);
        expect_nothing(f, GW1);
        inform(f, GW1, "0 BOOTSTRAP", "");
        provision(f, GW1);
        expect_nothing(f, GW1);
        expect_state(f, GW1, STATE_ALLOWED);
}

static void test_subscription(void **state) {
        _cleanup_free_ char *owner = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        expect_nothing(f, GW1);
        assert_int_equal(store_key_device(f->manager.db, 1, &owner), 0);
        assert_string_equal(owner, GW1);
}

static void test_device_that_has_its_configuration_is_not_provisioned(void **state) {
        Fixture *f = *state;

        allow(f, GW1);
        inform(f, GW1, "0 BOOTSTRAP", "");
        answer(f,
               GW1,
               "RepositoryURL",
               OK ", \"values\": {\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1
                  "\", \"" SYNC "RepositoryURL\": \"ssh://ispstorage-git@storage.test:22/home\"}");
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
        expect_state(f, GW1, STATE_SUBSCRIBED);
}

static void test_refused_provisioning_is_repeated(void **state) {
        Fixture *f = *state;

        allow(f, GW1);
        inform(f, GW1, "0 BOOTSTRAP", "");
        answer(f, GW1, "Capacity", OK ", \"values\": {\"" ROOT "Disk.Capacity\": \"500\"}");
        answer(f, GW1, "User.", OK ", \"instance\": 1");
        answer(f,
               GW1,
               "Volume.",
               "\"status\": \"fault\", \"fault\": {\"code\": 9004, \"string\": \"Resources exceeded\"}");
        expect_nothing(f, GW1);
        let_time_pass(f, GW1);
        /* what was done is not done again */
        answer(f, GW1, "\"add\":\"" ROOT "Volume.\"", OK ", \"instance\": 2");
        answer(f, GW1, "Volume.2.Folder.", OK ", \"instance\": 1");
        /* a row is gone: the device was reset meanwhile */
        answer(f,
               GW1,
               "\"set\"",
               "\"status\": \"fault\", \"fault\": {\"code\": 9003, \"parameters\": [{\"name\": \"x\", "
               "\"code\": 9005}]}");
        let_time_pass(f, GW1);
        provision(f, GW1);
        expect_nothing(f, GW1);
}

static void test_device_that_nobody_allowed(void **state) {
        Fixture *f = *state;

        inform(f, GW1, "0 BOOTSTRAP", "");
        expect_nothing(f, GW1);
        expect_state(f, GW1, STATE_UNKNOWN);
        inform(f,
               GW1,
               "4 VALUE CHANGE",
               "\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1 "\"");
        answer(f, GW1, "Status\":\"Rejected\"", OK);
        expect_state(f, GW1, STATE_REJECTED);
        expect_nothing(f, GW1);
        /* an administrator changes his mind */
        allow(f, GW1);
        provision(f, GW1);
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "Status\": \"Ready\"");
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
}

static void test_push_reaches_the_others(void **state) {
        _cleanup_(device_freep) Device *d = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        subscribe(f, GW2, KEY2);
        d = device(f, GW1);
        device_expect(d, 1, INT64_MAX);
        assert_int_equal(store_device_save(f->manager.db, d, INT64_MAX), 0);
        main_is_at(f, 1);
        expect_nothing(f, GW1);
        answer(f, GW2, "SyncOp\":\"pull 1\"", OK);
        expect_nothing(f, GW2);
        report(f, GW2, 1, 1);
        expect_nothing(f, GW2);
        report(f, GW1, 0, 1);
        expect_nothing(f, GW1);
}

static void test_failed_pull_is_ordered_again(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        main_is_at(f, 1);
        answer(f, GW1, "SyncOp\":\"pull 1\"", OK);
        inform(f,
               GW1,
               "4 VALUE CHANGE",
               "\"" SYNC "SyncStatus\": \"pull 1 error:Unreachable -\", \"" SYNC "LastOpSeq\": \"1\"");
        expect_nothing(f, GW1);
        let_time_pass(f, GW1);
        answer(f, GW1, "SyncOp\":\"pull 2\"", OK);
        report(f, GW1, 2, 1);
        expect_nothing(f, GW1);
}

static void test_duplicates_change_nothing(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        main_is_at(f, 1);
        answer(f, GW1, "pull 1", OK);
        report(f, GW1, 1, 1);
        main_is_at(f, 2);
        answer(f, GW1, "pull 2", OK);
        /* the broker delivers the report of the first pull once more */
        f->n_messages -= 2;
        report(f, GW1, 1, 1);
        f->n_messages++;
        {
                _cleanup_(device_freep) Device *d = device(f, GW1);

                assert_int_equal(d->operation, 2);
                assert_int_equal(d->last_opseq, 1);
        }
        report(f, GW1, 2, 2);
        expect_nothing(f, GW1);
}

static void test_old_inform_only_raises_doubt(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        main_is_at(f, 1);
        answer(f, GW1, "pull 1", OK);
        report(f, GW1, 1, 1);
        f->clock -= 3600;
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "Status\": \"Ready\", \"" SYNC "Revision\": \"\"");
        expect_state(f, GW1, STATE_SUBSCRIBED);
        answer(f,
               GW1,
               "\"get\"",
               OK ", \"values\": {\"" SYNC "Status\": \"Subscribed\", \"" SYNC "Revision\": \"1." COMMIT
                  "\"}");
        expect_nothing(f, GW1);
}

static void test_opseq_from_the_future(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        report(f, GW1, 500, 0);
        main_is_at(f, 1);
        answer(f, GW1, "SyncOp\":\"pull 501\"", OK);
        report(f, GW1, 501, 1);
        expect_nothing(f, GW1);
}

static void test_rebooted_device_is_confirmed_again(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        main_is_at(f, 1);
        answer(f, GW1, "pull 1", OK);
        inform(f, GW1, "1 BOOT", "\"" SYNC "Status\": \"Ready\"");
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
        report(f, GW1, 0, 1); /* it synchronized by itself */
        expect_nothing(f, GW1);
}

static void test_suspension(void **state) {
        char *error = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        assert_int_equal(administration_suspend(&f->manager, "home", true, &error), 0);
        answer(f, GW1, "Status\":\"Suspended\"", OK);
        expect_state(f, GW1, STATE_SUSPENDED);
        main_is_at(f, 1);
        expect_nothing(f, GW1);
        assert_int_equal(administration_suspend(&f->manager, "home", false, &error), 0);
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
        let_time_pass(f, GW1);
        answer(f, GW1, "pull 1", OK);
}

static void test_removed_device(void **state) {
        char *owner, *error = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        assert_int_equal(administration_remove(&f->manager, "home", false, &error), -EEXIST);
        free(error);
        assert_int_equal(administration_disallow(&f->manager, GW1, &error), 0);
        assert_int_equal(store_key_device(f->manager.db, 1, &owner), -ENOENT);
        answer(f, GW1, "Status\":\"Rejected\"", OK);
        expect_state(f, GW1, STATE_REJECTED);
}

static void test_removed_device_is_not_ordered_any_more(void **state) {
        Fixture *f = *state;

        allow(f, GW1);
        inform(f, GW1, "0 BOOTSTRAP", "\"" SYNC "Status\": \"Disabled\"");
        /* The ACS has the order already; it has the customer's password in it, or will. */
        assert_int_equal(sqlite_run(f->manager.db, "UPDATE commands SET published = 1", ""), 1);
        assert_int_equal(administration_disallow(&f->manager, GW1, NULL), 0);
        answer(f, GW1, "\"cancel\":true", "\"status\": \"expired\"");
        expect_nothing(f, GW1);
        expect_state(f, GW1, STATE_UNKNOWN);
        /* What nobody was told is only forgotten. */
        allow(f, GW1);
        assert_int_equal(administration_disallow(&f->manager, GW1, NULL), 0);
        expect_nothing(f, GW1);
}

static void test_device_moves_to_another_subscription(void **state) {
        _cleanup_json_ json_t *order =
                        json_pack("{s:s, s:s, s:o}",
                                  "name",
                                  "other",
                                  "password",
                                  "x",
                                  "profile",
                                  json_loads(profile_text, 0, NULL));
        char *error = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        assert_int_equal(administration_disallow(&f->manager, GW1, &error), 0);
        answer(f, GW1, "Rejected", OK);
        assert_int_equal(administration_create(&f->manager, order, &error), 0);
        assert_int_equal(administration_allow(&f->manager, GW1, "other", NULL, &error), 0);
        answer(f, GW1, "Capacity", OK ", \"values\": {\"" ROOT "Disk.Capacity\": \"500\"}");
        /* its rows are there already */
        answer(f, GW1, "\"" ROOT "User.3.Name\":\"other\"", OK);
        answer(f, GW1, "Subscribed", OK);
        expect_state(f, GW1, STATE_SUBSCRIBED);
}

static void test_key_of_another_device_is_refused(void **state) {
        _cleanup_free_ char *owner = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        allow(f, GW2);
        inform(f, GW2, "0 BOOTSTRAP", "");
        provision(f, GW2);
        inform(f,
               GW2,
               "4 VALUE CHANGE",
               "\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1 "\"");
        answer(f, GW2, "Status\":\"Rejected\"", OK);
        expect_nothing(f, GW2);
        assert_int_equal(store_key_device(f->manager.db, 1, &owner), 0);
        assert_string_equal(owner, GW1);
}

static void test_rotated_key_is_authorized(void **state) {
        Fixture *f = *state;
        int64_t n;

        subscribe(f, GW1, KEY1);
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "PublicKey\": \"" KEY2 "\"");
        assert_int_equal(sqlite_get_int(f->manager.db, &n, "SELECT count(*) FROM keys", ""), 0);
        assert_int_equal(n, 2);
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
        expect_state(f, GW1, STATE_SUBSCRIBED);
}

static void test_old_key_opens_until_the_second_new_one(void **state) {
        int64_t n;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        assert_int_equal(store_key_authorize(f->manager.db, GW1, KEY2, 0), 1);
        assert_int_equal(store_key_authorize(f->manager.db, GW1, KEY2, 0), 0);
        assert_int_equal(sqlite_get_int(f->manager.db, &n, "SELECT count(*) FROM keys", ""), 0);
        assert_int_equal(n, 2);
        assert_int_equal(store_key_authorize(f->manager.db, GW1, "ssh-rsa AAAAB3NzaC1yc2E=", 0), -EINVAL);
        assert_int_equal(
                        store_key_authorize(f->manager.db, GW1, "ssh-ed25519 AAAA\nssh-ed25519 BBBB", 0),
                        -EINVAL);
}

static void test_long_push_is_announced(void **state) {
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        subscribe(f, GW2, KEY2);
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "SyncStatus\": \"push - started -\"");
        expect_nothing(f, GW1);
        answer(f, GW2, "SyncOp\":\"prefetch 1\"", OK);
        main_is_at(f, 1);
        answer(f, GW2, "SyncOp\":\"pull 2\"", OK);
}

static void test_database_from_a_backup(void **state) {
        _cleanup_free_ char *backup = NULL, *sql = NULL, *path = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        backup = strfmt("%s/backup", f->directory);
        sql = strfmt("VACUUM INTO '%s'", backup);
        assert_int_equal(sqlite_run(f->manager.db, sql, ""), 0);
        main_is_at(f, 1);
        answer(f, GW1, "pull 1", OK);
        report(f, GW1, 1, 1);
        main_is_at(f, 2);
        answer(f, GW1, "pull 2", OK);
        report(f, GW1, 2, 2);

        sqlite_close(f->manager.db);
        assert_int_equal(store_open(backup, &f->manager.db), 0);
        /* main is read again; the device's answer to the first look says what it has and answered */
        main_is_at(f, 2);
        answer(f, GW1, "pull 1", OK);
        report(f, GW1, 2, 2);
        expect_nothing(f, GW1);
        main_is_at(f, 3);
        answer(f, GW1, "pull 3", OK);
}

/* Whether what was being mirrored meanwhile is there before main is looked at, or behind. */
static void test_main_that_retention_wrote_is_mirrored(void **state) {
        static const char *const tips[] = { "1111111111111111111111111111111111111111",
                                            "2222222222222222222222222222222222222222" };
        const char *result = "{\"revision\": \"5\"}";
        Fixture *f = *state;
        sqlite3 *db = f->manager.db;
        int64_t n;

        main_is_at(f, 5);
        assert_int_equal(sqlite_run(db, "UPDATE subscriptions SET repository_ready = 1", ""), 1);
        assert_int_equal(store_task_insert_mirror(db, "home", manager_now()), 0);
        for (size_t i = 0; i < ELEMENTSOF(tips); i++) {
                _cleanup_(subscription_freep) Subscription *s = NULL;
                _cleanup_(task_freep) Task *t = NULL;

                assert_int_equal(store_task_next(db, true, &t), 1);
                assert_int_equal(store_task_set(db, t, i == 0 ? "done" : "running", result, manager_now()), 0);
                assert_int_equal(store_subscription_load(db, "home", &s), 0);
                assert_int_equal(free_and_strdup(&s->tip, tips[i]), 1);
                assert_int_equal(store_subscription_save(db, s), 0);
                assert_int_equal(store_task_insert_mirror(db, "home", manager_now()), 0);
                assert_int_equal(store_task_set(db, t, "done", result, manager_now()), 0);
                assert_int_equal(sqlite_get_int(db, &n, "SELECT count(*) FROM tasks WHERE state = 'waiting'", ""), 0);
                assert_int_equal(n, 1);
        }
}

static void test_messages_that_are_not_understood(void **state) {
        static const char *const payloads[] = {
                "",
                "{",
                "[]",
                "{}",
                "{\"id\": 5}",
                "{\"id\": \"\"}",
                "{\"id\": \"a b\"}",
                "{\"id\": \"x\", \"time\": \"never\"}",
                "{\"id\": \"y\", \"command\": \"unknown\", \"status\": \"ok\"}",
                "{\"id\": \"z\", \"id\": \"z\"}",
                "{\"id\": \"w\", \"time\": \"2026-01-01T00:00:00Z\", \"root\": \"Evil.\", \"parameters\": "
                "{}}",
        };
        char **ids = NULL;
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                message(f, GW1, "inform", "%s", payloads[i]);
                message(f, GW1, "result", "%s", payloads[i]);
                message(f, "..", "inform", "%s", payloads[i]);
        }
        assert_int_equal(store_device_ids(f->manager.db, NULL, &ids), 0);
        assert_null(ids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_provisioning_in_dependency_order),
                TEST(test_subscription),
                TEST(test_device_that_has_its_configuration_is_not_provisioned),
                TEST(test_refused_provisioning_is_repeated),
                TEST(test_device_that_nobody_allowed),
                TEST(test_push_reaches_the_others),
                TEST(test_failed_pull_is_ordered_again),
                TEST(test_duplicates_change_nothing),
                TEST(test_old_inform_only_raises_doubt),
                TEST(test_opseq_from_the_future),
                TEST(test_rebooted_device_is_confirmed_again),
                TEST(test_suspension),
                TEST(test_removed_device),
                TEST(test_removed_device_is_not_ordered_any_more),
                TEST(test_device_moves_to_another_subscription),
                TEST(test_key_of_another_device_is_refused),
                TEST(test_rotated_key_is_authorized),
                TEST(test_old_key_opens_until_the_second_new_one),
                TEST(test_long_push_is_announced),
                TEST(test_database_from_a_backup),
                TEST(test_main_that_retention_wrote_is_mirrored),
                TEST(test_messages_that_are_not_understood),
        };
        sigset_t mask;

        /* as daemon_event_new() does */
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        log_set_max_level(LOG_ERR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
