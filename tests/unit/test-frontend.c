/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend driven by transcripts: messages of the ACS go in as the broker would deliver them, and what comes out is read
 * from the queue of commands. Only broker and repositories are absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/base/parse.h"
#include "common/base/log.h"
#include "operator/frontend/administration.h"
#include "operator/frontend/profile.h"

#define GW1 "000000-ISPStorage-GW0001"
#define GW2 "000000-ISPStorage-GW0002"
#define ROOT "InternetGatewayDevice."
#define SYNC ROOT SYNC_OBJECT
#define KEY1 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPETal5+ol7eDCPYbRZ6q9KQJFGbP/Hd9wGb+agGM8Zr"
#define KEY2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPETal5+ol7eDCPYbRZ6q9KQJFGbP/Hd9wGb+agGM8Zq gw2"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static const char profile_text[] =
                "{\"get\": {\"capacity\": \"Disk.Capacity\"},"
                " \"add\": [{\"name\": \"user\", \"object\": \"User.\"}, {\"name\": \"volume\", \"object\": \"Volume.\"},"
                "           {\"name\": \"folder\", \"object\": \"Volume.{volume}.Folder.\"}],"
                " \"set\": {\"User.{user}.Name\": \"{username}\", \"Volume.{volume}.Size\": {\"type\": \"unsignedInt\","
                "          \"value\": \"{capacity}\"}, \"Folder\": \"{root}Volume.{volume}.Folder.{folder}\"}}";

typedef struct Fixture {
        Manager manager;
        FrontendConfig config;
        int64_t clock; /* of the ACS */
        unsigned n_messages;
        char directory[32];
} Fixture;

static void message(Fixture *f, const char *device, const char *kind, const char *format, ...) _printf_(4, 5);
static void message(Fixture *f, const char *device, const char *kind, const char *format, ...) {
        _cleanup_free_ char *topic = strfmt("ispstorage/v1/cwmp/%s/%s", device, kind);
        char payload[4096];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(payload, sizeof(payload), format, ap);
        va_end(ap);
        assert_int_equal(manager_handle_message(NULL, topic, payload, strlen(payload), &f->manager), 0);
}

/* An Inform with these parameters (the inside of a JSON object). */
static void inform(Fixture *f, const char *device, const char *event, const char *parameters) {
        char time[DATETIME_SIZE];

        message(f,
                device,
                "inform",
                "{\"id\": \"m%u\", \"time\": \"%s\", \"root\": \"" ROOT "\", \"events\": [{\"code\": \"%s\"}], \"parameters\": {%s}}",
                f->n_messages++,
                format_datetime(f->clock, time),
                event,
                parameters);
}

/* The only command that waits for this device (none: NULL). The caller's. */
static Command *pending(Fixture *f, const char *device) {
        _cleanup_free_ char *id = NULL;
        Command *c;

        if (sqlite_get_text(
                            f->manager.db,
                            &id,
                            "SELECT id FROM commands WHERE device = ? AND finished IS NULL ORDER BY row LIMIT 1",
                            "s",
                            device) < 0)
                return NULL;
        assert_int_equal(store_command_load(f->manager.db, id, &c), 0);
        return c;
}

static void expect_nothing(Fixture *f, const char *device) {
        _cleanup_(command_freep) Command *c = pending(f, device);

        if (c)
                print_error("%s\n", c->payload);
        assert_null(c);
}

/* The oldest command of the device says this; the device answers so (the inside of a JSON object). */
static void answer(Fixture *f, const char *device, const char *part, const char *result) {
        _cleanup_(command_freep) Command *c = pending(f, device);
        char time[DATETIME_SIZE];

        assert_non_null(c);
        if (!strstr(c->payload, part))
                print_error("%s\n", c->payload);
        assert_non_null(strstr(c->payload, part));
        message(f,
                device,
                "result",
                "{\"id\": \"m%u\", \"command\": \"%s\", \"time\": \"%s\", %s}",
                f->n_messages++,
                c->id,
                format_datetime(f->clock, time),
                result);
}

#define OK "\"status\": \"ok\", \"cwmp_status\": 0"

static Device *device(Fixture *f, const char *id) {
        Device *d;

        assert_int_equal(store_device_load(f->manager.db, id, &d), 0);
        return d;
}

static void expect_state(Fixture *f, const char *id, DeviceState state) {
        _cleanup_(device_freep) Device *d = device(f, id);

        assert_string_equal(device_state_to_string(device_state(d)), device_state_to_string(state));
}

/* As if the repository's worker had said so. */
static void main_is_at(Fixture *f, uint64_t n) {
        _cleanup_(subscription_freep) Subscription *s = NULL;

        assert_int_equal(store_subscription_load(f->manager.db, "home", &s), 0);
        s->revision = n;
        assert_int_equal(sqlite_begin(f->manager.db), 0);
        assert_int_equal(store_subscription_save(f->manager.db, s), 0);
        assert_int_equal(manager_step_subscription(&f->manager, "home"), 0);
        assert_int_equal(sqlite_commit(f->manager.db), 0);
}

/* Time passes for a device: what it waits for is over. */
static void let_time_pass(Fixture *f, const char *id) {
        _cleanup_(device_freep) Device *d = device(f, id);

        d->not_before = 0;
        d->expected_until = 0;
        assert_int_equal(sqlite_begin(f->manager.db), 0);
        assert_int_equal(manager_step(&f->manager, d), 0);
        assert_int_equal(sqlite_commit(f->manager.db), 0);
}

static void report(Fixture *f, const char *id, unsigned opseq, unsigned n) {
        _cleanup_free_ char *parameters = strfmt(
                        "\"" SYNC "LastOpSeq\": \"%u\", \"" SYNC "Revision\": \"%u." COMMIT "\"", opseq, n);

        inform(f, id, "4 VALUE CHANGE", parameters);
}

static void allow(Fixture *f, const char *id) {
        char *error = NULL;

        assert_int_equal(administration_allow(&f->manager, id, "home", NULL, &error), 0);
}

static void provision(Fixture *f, const char *id) {
        answer(f, id, "\"Disk.Capacity\"" + 1, OK ", \"values\": {\"" ROOT "Disk.Capacity\": \"500\", \"" SYNC "Status\": \"Disabled\"}");
        answer(f, id, "\"add\":\"" ROOT "User.\"", OK ", \"instance\": 3");
        answer(f, id, "\"add\":\"" ROOT "Volume.\"", OK ", \"instance\": 4");
        answer(f, id, "\"add\":\"" ROOT "Volume.4.Folder.\"", OK ", \"instance\": 5");
        answer(f, id, "\"" ROOT "Folder\":\"" ROOT "Volume.4.Folder.5\"", OK);
}

/* From nothing to subscribed. */
static void subscribe(Fixture *f, const char *id, const char *key) {
        _cleanup_free_ char *ready = strfmt("\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"%s\"", key);

        allow(f, id);
        inform(f, id, "0 BOOTSTRAP", "");
        provision(f, id);
        inform(f, id, "4 VALUE CHANGE", ready);
        answer(f, id, "Status\":\"Subscribed\"", OK);
        expect_state(f, id, STATE_SUBSCRIBED);
}

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        _cleanup_free_ char *database = NULL;
        _cleanup_json_ json_t *order = NULL;
        char *error = NULL;

        if (!f)
                return -1;
        strcpy(f->directory, "/tmp/test-frontend-XXXXXX");
        if (!mkdtemp(f->directory))
                return -1;
        f->clock = 1767225600;
        f->config = (FrontendConfig){
                .repositories = f->directory,
                .ssh_host = (char *) "storage.test",
                .ssh_user = (char *) "ispstorage-git",
                .ssh_port = 22,
                .host_keys = (char *) KEY1,
                .repository_command = (char *) "/bin/true",
        };
        f->manager.config = &f->config;
        f->manager.hook_fd = -EBADF;
        database = strfmt("%s/db", f->directory);
        if (sd_event_new(&f->manager.event) < 0 || store_open(database, &f->manager.db) < 0)
                return -1;
        order = json_pack(
                        "{s:s, s:s, s:s, s:o}", "name", "home", "username", "alice", "password", "secret", "profile",
                        json_loads(profile_text, 0, NULL));
        *state = f;
        return administration_create(&f->manager, order, &error);
}

static int tear_down(void **state) {
        static const char *const files[] = { "db", "db-wal", "db-shm", "backup" };
        Fixture *f = *state;

        manager_free_jobs(&f->manager);
        (void) sqlite3_close_v2(f->manager.db);
        (void) sd_event_unref(f->manager.event);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = strfmt("%s/%s", f->directory, files[i]);

                (void) unlink(path);
        }
        (void) rmdir(f->directory);
        free(f);
        return 0;
}

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
        answer(f, GW1, "RepositoryURL", OK ", \"values\": {\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1 "\", \""
                SYNC "RepositoryURL\": \"ssh://ispstorage-git@storage.test:22/home\"}");
        answer(f, GW1, "Status\":\"Subscribed\"", OK);
        expect_state(f, GW1, STATE_SUBSCRIBED);
}

static void test_refused_provisioning_is_repeated(void **state) {
        Fixture *f = *state;

        allow(f, GW1);
        inform(f, GW1, "0 BOOTSTRAP", "");
        answer(f, GW1, "Capacity", OK ", \"values\": {\"" ROOT "Disk.Capacity\": \"500\"}");
        answer(f, GW1, "User.", OK ", \"instance\": 1");
        answer(f, GW1, "Volume.", "\"status\": \"fault\", \"fault\": {\"code\": 9004, \"string\": \"Resources exceeded\"}");
        expect_nothing(f, GW1);
        let_time_pass(f, GW1);
        /* what was done is not done again */
        answer(f, GW1, "\"add\":\"" ROOT "Volume.\"", OK ", \"instance\": 2");
        answer(f, GW1, "Volume.2.Folder.", OK ", \"instance\": 1");
        /* a row is gone: the device was reset meanwhile */
        answer(f, GW1, "\"set\"", "\"status\": \"fault\", \"fault\": {\"code\": 9003, \"parameters\": [{\"name\": \"x\", \"code\": 9005}]}");
        let_time_pass(f, GW1);
        provision(f, GW1);
        expect_nothing(f, GW1);
}

static void test_device_that_nobody_allowed(void **state) {
        Fixture *f = *state;

        inform(f, GW1, "0 BOOTSTRAP", "");
        expect_nothing(f, GW1);
        expect_state(f, GW1, STATE_UNKNOWN);
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1 "\"");
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
        inform(f, GW1, "4 VALUE CHANGE", "\"" SYNC "SyncStatus\": \"pull 1 error:Unreachable -\", \"" SYNC "LastOpSeq\": \"1\"");
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
        answer(f, GW1, "\"get\"", OK ", \"values\": {\"" SYNC "Status\": \"Subscribed\", \"" SYNC "Revision\": \"1." COMMIT "\"}");
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
        assert_int_equal(administration_remove(&f->manager, "home", &error), -EEXIST);
        free(error);
        assert_int_equal(administration_disallow(&f->manager, GW1, &error), 0);
        assert_int_equal(store_key_device(f->manager.db, 1, &owner), -ENOENT);
        answer(f, GW1, "Status\":\"Rejected\"", OK);
        expect_state(f, GW1, STATE_REJECTED);
}

static void test_key_of_another_device_is_refused(void **state) {
        _cleanup_free_ char *owner = NULL;
        Fixture *f = *state;

        subscribe(f, GW1, KEY1);
        allow(f, GW2);
        inform(f, GW2, "0 BOOTSTRAP", "");
        provision(f, GW2);
        inform(f, GW2, "4 VALUE CHANGE", "\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"" KEY1 "\"");
        answer(f, GW2, "Status\":\"Rejected\"", OK);
        expect_nothing(f, GW2);
        assert_int_equal(store_key_device(f->manager.db, 1, &owner), 0);
        assert_string_equal(owner, GW1);
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
        assert_int_equal(store_key_authorize(f->manager.db, GW1, "ssh-ed25519 AAAA\nssh-ed25519 BBBB", 0), -EINVAL);
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

        (void) sqlite3_close_v2(f->manager.db);
        assert_int_equal(store_open(backup, &f->manager.db), 0);
        /* main is read again; the device's answer to the first look says what it has and answered */
        main_is_at(f, 2);
        answer(f, GW1, "pull 1", OK);
        report(f, GW1, 2, 2);
        expect_nothing(f, GW1);
        main_is_at(f, 3);
        answer(f, GW1, "pull 3", OK);
}

static void test_messages_that_are_not_understood(void **state) {
        static const char *const payloads[] = {
                "", "{", "[]", "{}", "{\"id\": 5}", "{\"id\": \"\"}", "{\"id\": \"a b\"}", "{\"id\": \"x\", \"time\": \"never\"}",
                "{\"id\": \"y\", \"command\": \"unknown\", \"status\": \"ok\"}", "{\"id\": \"z\", \"id\": \"z\"}",
                "{\"id\": \"w\", \"time\": \"2026-01-01T00:00:00Z\", \"root\": \"Evil.\", \"parameters\": {}}",
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
                TEST(test_key_of_another_device_is_refused),
                TEST(test_old_key_opens_until_the_second_new_one),
                TEST(test_long_push_is_announced),
                TEST(test_database_from_a_backup),
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
