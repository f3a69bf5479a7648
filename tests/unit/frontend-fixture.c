/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/parse.h"
#include "tests/unit/frontend-fixture.h"

const char profile_text[] =
                "{\"get\": {\"capacity\": \"Disk.Capacity\"},"
                " \"add\": [{\"name\": \"user\", \"object\": \"User.\"},"
                "         {\"name\": \"volume\", \"object\": \"Volume.\"},"
                "         {\"name\": \"folder\", \"object\": \"Volume.{volume}.Folder.\"}],"
                " \"set\": {\"User.{user}.Name\": \"{username}\","
                "         \"Volume.{volume}.Size\": {\"type\": \"unsignedInt\", \"value\": \"{capacity}\"},"
                "         \"Folder\": \"{root}Volume.{volume}.Folder.{folder}\"}}";

void message(Fixture *f, const char *device, const char *kind, const char *format, ...) {
        _cleanup_free_ char *topic = strfmt("ispstorage/v1/cwmp/%s/%s", device, kind);
        char payload[4096];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(payload, sizeof(payload), format, ap);
        va_end(ap);
        assert_int_equal(manager_handle_message(NULL, topic, payload, strlen(payload), &f->manager), 0);
}

void inform(Fixture *f, const char *device, const char *event, const char *parameters) {
        char time[DATETIME_SIZE];

        message(f,
                device,
                "inform",
                "{\"id\": \"m%u\", \"time\": \"%s\", \"root\": \"" ROOT
                "\", \"events\": [{\"code\": \"%s\"}], \"parameters\": {%s}}",
                f->n_messages++,
                format_datetime(f->clock, time),
                event,
                parameters);
}

/* The only command that waits for this device (none: NULL). The caller's. */
static Command *pending(Fixture *f, const char *device) {
        _cleanup_free_ char *id = NULL;
        Command *c;

        if (sqlite_get_text(f->manager.db,
                            &id,
                            "SELECT id FROM commands WHERE device = ? AND finished IS NULL ORDER BY row "
                            "LIMIT 1",
                            "s",
                            device) < 0)
                return NULL;
        assert_int_equal(store_command_load(f->manager.db, id, &c), 0);
        return c;
}

void expect_nothing(Fixture *f, const char *device) {
        _cleanup_(command_freep) Command *c = pending(f, device);

        if (c)
                print_error("%s\n", c->payload);
        assert_null(c);
}

void answer(Fixture *f, const char *device, const char *part, const char *result) {
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

Device *device(Fixture *f, const char *id) {
        Device *d;

        assert_int_equal(store_device_load(f->manager.db, id, &d), 0);
        return d;
}

void expect_state(Fixture *f, const char *id, DeviceState state) {
        _cleanup_(device_freep) Device *d = device(f, id);

        assert_string_equal(device_state_to_string(device_state(d)), device_state_to_string(state));
}

void main_is_at(Fixture *f, uint64_t n) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        sqlite3 *transaction;

        assert_int_equal(store_subscription_load(f->manager.db, "home", &s), 0);
        s->revision = n;
        assert_int_equal(sqlite_begin(f->manager.db, &transaction), 0);
        assert_int_equal(store_subscription_save(f->manager.db, s), 0);
        assert_int_equal(manager_step_subscription(&f->manager, "home"), 0);
        assert_int_equal(sqlite_commit(f->manager.db), 0);
}

void let_time_pass(Fixture *f, const char *id) {
        _cleanup_(device_freep) Device *d = device(f, id);
        sqlite3 *transaction;

        d->not_before = 0;
        d->expected_until = 0;
        assert_int_equal(sqlite_begin(f->manager.db, &transaction), 0);
        assert_int_equal(manager_step(&f->manager, d), 0);
        assert_int_equal(sqlite_commit(f->manager.db), 0);
}

void report(Fixture *f, const char *id, unsigned opseq, unsigned n) {
        _cleanup_free_ char *parameters = strfmt(
                        "\"" SYNC "LastOpSeq\": \"%u\", \"" SYNC "Revision\": \"%u." COMMIT "\"", opseq, n);

        inform(f, id, "4 VALUE CHANGE", parameters);
}

void allow(Fixture *f, const char *id) {
        char *error = NULL;

        assert_int_equal(administration_allow(&f->manager, id, "home", NULL, &error), 0);
}

void provision(Fixture *f, const char *id) {
        answer(f,
               id,
               "Disk.Capacity\"",
               OK ", \"values\": {\"" ROOT "Disk.Capacity\": \"500\", \"" SYNC "Status\": \"Disabled\"}");
        answer(f, id, "\"add\":\"" ROOT "User.\"", OK ", \"instance\": 3");
        answer(f, id, "\"add\":\"" ROOT "Volume.\"", OK ", \"instance\": 4");
        answer(f, id, "\"add\":\"" ROOT "Volume.4.Folder.\"", OK ", \"instance\": 5");
        answer(f, id, "\"" ROOT "Folder\":\"" ROOT "Volume.4.Folder.5\"", OK);
}

void subscribe(Fixture *f, const char *id, const char *key) {
        _cleanup_free_ char *ready =
                        strfmt("\"" SYNC "Status\": \"Ready\", \"" SYNC "PublicKey\": \"%s\"", key);

        allow(f, id);
        inform(f, id, "0 BOOTSTRAP", "");
        provision(f, id);
        inform(f, id, "4 VALUE CHANGE", ready);
        answer(f, id, "Status\":\"Subscribed\"", OK);
        expect_state(f, id, STATE_SUBSCRIBED);
}

int set_up(void **state) {
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
        order =
                        json_pack("{s:s, s:s, s:o}",
                                  "name",
                                  "home",
                                  "password",
                                  "secret",
                                  "profile",
                                  json_loads(profile_text, 0, NULL));
        *state = f;
        return administration_create(&f->manager, order, &error);
}

int tear_down(void **state) {
        static const char *const files[] = { "db", "db-wal", "db-shm", "backup" };
        Fixture *f = *state;

        manager_free_jobs(&f->manager);
        sqlite_close(f->manager.db);
        (void) sd_event_unref(f->manager.event);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = strfmt("%s/%s", f->directory, files[i]);

                (void) unlink(path);
        }
        (void) rmdir(f->directory);
        free(f);
        return 0;
}
