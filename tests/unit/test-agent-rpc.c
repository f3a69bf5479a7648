/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods that an ACS calls: results, and the fault of every misuse (TR-069 Annex A). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "fake-data-model.h"

static int setup(void **state) {
        FakeDataModel *f = malloc(sizeof(*f));
        fake_data_model_init(f, NULL);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        fake_data_model_done(*state);
        free(*state);
        return 0;
}

/* A request whose parameters are name, type, value in turn, up to NULL. */
static CwmpMessage *request(CwmpMessageType type, ...) {
        CwmpMessage *m = cwmp_message_new(type);
        va_list ap;

        va_start(ap, type);
        for (const char *name; (name = va_arg(ap, const char *));) {
                const char *t = va_arg(ap, const char *), *value = va_arg(ap, const char *);
                assert_non_null(parameter_list_add(&m->parameters, name, t, value));
        }
        va_end(ap);
        m->id = strdup("id");
        m->key = strdup("key");
        return m;
}

static CwmpMessage *get(const char *name) {
        return request(CWMP_GET_PARAMETER_VALUES, name, NULL, NULL, NULL);
}

static CwmpMessage *object(CwmpMessageType type, const char *path, bool next_level) {
        CwmpMessage *m = request(type, NULL);
        m->path = strdup(path);
        m->next_level = next_level;
        return m;
}

static void assert_fault(FakeDataModel *f, CwmpMessage *m, uint32_t code) {
        _cleanup_(cwmp_message_freep) CwmpMessage *response = fake_call(f, m);

        assert_non_null(response);
        assert_int_equal(response->type, CWMP_FAULT);
        assert_int_equal(response->fault_code, code);
        assert_string_equal(response->fault_string, cwmp_fault_text(code));
        assert_string_equal(response->id, "id");
}

/* The fault of one parameter under the 9003 of the whole. */
static void assert_parameter_fault(FakeDataModel *f, CwmpMessage *m, const char *name, uint32_t code) {
        _cleanup_(cwmp_message_freep) CwmpMessage *response = fake_call(f, m);

        assert_int_equal(response->type, CWMP_FAULT);
        assert_int_equal(response->fault_code, FAULT_INVALID_ARGUMENTS);
        const Parameter *p = parameter_list_find(&response->parameters, name);
        assert_non_null(p);
        assert_int_equal(p->fault, code);
        assert_string_equal(f->parameter_key, "");
}

static void values_of_full_and_partial_paths(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *one = fake_call(f, get("Device.Alpha.Number"));
        _cleanup_(cwmp_message_freep) CwmpMessage *all = fake_call(f, get(""));
        _cleanup_(cwmp_message_freep) CwmpMessage *services = fake_call(f, get("Device.Services."));
        _cleanup_(cwmp_message_freep) CwmpMessage *no_rows = fake_call(f, get("Device.Services.Beta.Row."));

        assert_int_equal(one->type, CWMP_GET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(one->parameters.n, 1);
        assert_string_equal(one->parameters.items[0].type, "unsignedInt");
        assert_int_equal(all->parameters.n, 5);
        assert_int_equal(services->parameters.n, 2);
        assert_int_equal(no_rows->type, CWMP_GET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(no_rows->parameters.n, 0);
}

static void references_carry_the_root_object(void **state) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(*state, get("Device.Services.Beta.Folder"));

        assert_string_equal(m->parameters.items[0].value, "Device.Alpha.Name");
        assert_string_equal(m->parameters.items[0].type, "string");
}

static void wrong_names_of_values_are_9005(void **state) {
        assert_fault(*state, get("Device.Nothing"), 9005);
        assert_fault(*state, get("Device.Alpha.Nothing"), 9005);
        assert_fault(*state, get("InternetGatewayDevice.Alpha.Name"), 9005);
        assert_fault(*state, get("Alpha.Name"), 9005);
        assert_fault(*state, get("Device.Nothing."), 9005);
        assert_fault(*state, request(CWMP_GET_PARAMETER_VALUES, NULL), 9003);
}

static void a_provider_that_is_away_is_9002_by_name_and_missing_above(void **state) {
        FakeDataModel *f = *state;

        f->down[1] = true;
        f->table.providers[1].available = false;
        assert_fault(f, get("Device.Services.Beta.Status"), 9002);
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, get("Device."));
        assert_int_equal(m->type, CWMP_GET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(m->parameters.n, 3);
}

static void names_begin_with_the_root_object(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *root = fake_call(f, object(CWMP_GET_PARAMETER_NAMES, "", true));
        _cleanup_(cwmp_message_freep) CwmpMessage *all = fake_call(f, object(CWMP_GET_PARAMETER_NAMES, "", false));

        assert_int_equal(root->parameters.n, 1);
        assert_string_equal(root->parameters.items[0].name, "Device.");
        assert_int_equal(all->parameters.n, 6);
        assert_non_null(parameter_list_find(&all->parameters, "Device."));
        assert_true(parameter_list_find(&all->parameters, "Device.Alpha.Name")->writable);
        assert_false(parameter_list_find(&all->parameters, "Device.Alpha.Serial")->writable);
}

static void misuse_of_names(void **state) {
        assert_fault(*state, object(CWMP_GET_PARAMETER_NAMES, "Device.Alpha.Name", true), 9003);
        assert_fault(*state, object(CWMP_GET_PARAMETER_NAMES, "Device.Nothing.", false), 9005);
        assert_fault(*state, object(CWMP_GET_PARAMETER_NAMES, "Device.Alpha.Nothing", false), 9005);
}

static void a_set_over_two_providers_is_one(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *m =
                        fake_call(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b",
                                             "Device.Services.Beta.Status", "string", "Busy", NULL));

        assert_int_equal(m->type, CWMP_SET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(m->status, 0);
        assert_string_equal(fake_value(f, "Alpha.Name"), "b");
        assert_string_equal(fake_value(f, "Services.Beta.Status"), "Busy");
        assert_string_equal(f->parameter_key, "key");
        assert_true(journal_is_empty(f->journal));
}

static void an_empty_set_sets_the_parameter_key(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, request(CWMP_SET_PARAMETER_VALUES, NULL));

        assert_int_equal(m->type, CWMP_SET_PARAMETER_VALUES_RESPONSE);
        assert_string_equal(f->parameter_key, "key");
}

static void every_wrong_parameter_of_a_set_has_its_fault(void **state) {
        FakeDataModel *f = *state;

        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Nothing", "string", "x", NULL),
                               "Device.Nothing", 9005);
        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.", "string", "x", NULL),
                               "Device.Alpha.", 9005);
        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Number", "string", "1", NULL),
                               "Device.Alpha.Number", 9006);
        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "bad", NULL),
                               "Device.Alpha.Name", 9007);
        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Serial", "string", "1", NULL),
                               "Device.Alpha.Serial", 9008);
        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "1",
                                          "Device.Alpha.Name", "string", "2", NULL),
                               "Device.Alpha.Name", 9003);
        assert_string_equal(fake_value(f, "Alpha.Name"), "a");
}

static void one_wrong_parameter_undoes_the_set_of_all_providers(void **state) {
        FakeDataModel *f = *state;

        assert_parameter_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b",
                                          "Device.Services.Beta.Status", "string", "bad", NULL),
                               "Device.Services.Beta.Status", 9007);
        assert_string_equal(fake_value(f, "Alpha.Name"), "a");
        assert_int_equal(f->aborts[0], 1);
        assert_int_equal(f->commits[0], 0);
}

static void a_set_needs_all_its_providers(void **state) {
        FakeDataModel *f = *state;

        f->down[1] = true;
        assert_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b",
                                "Device.Services.Beta.Status", "string", "Busy", NULL), 9002);
        assert_string_equal(fake_value(f, "Alpha.Name"), "a");
        assert_int_equal(f->aborts[0], 1);
}

static void what_was_promised_and_not_committed_stays_in_the_journal(void **state) {
        FakeDataModel *f = *state;

        f->dies_at_commit[1] = true;
        _cleanup_(cwmp_message_freep) CwmpMessage *m =
                        fake_call(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b",
                                             "Device.Services.Beta.Status", "string", "Busy", NULL));
        assert_int_equal(m->type, CWMP_SET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(m->status, 1);

        const ParameterList *open = journal_open_settings(f->journal, "provider1");
        assert_non_null(open);
        assert_string_equal(parameter_list_find(open, "Services.Beta.Status")->value, "Busy");
        assert_null(journal_open_settings(f->journal, "provider0"));
        assert_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "c", NULL), 9001);
}

static void a_set_that_nobody_committed_failed(void **state) {
        FakeDataModel *f = *state;

        f->dies_at_commit[0] = true;
        assert_fault(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b", NULL), 9002);
        assert_true(journal_is_empty(f->journal));
        assert_string_equal(f->parameter_key, "");
}

static void a_commit_without_an_answer_is_a_promise(void **state) {
        FakeDataModel *f = *state;

        f->hangs_at_commit[0] = true;
        f->dies_at_commit[1] = true;
        _cleanup_(cwmp_message_freep) CwmpMessage *m =
                        fake_call(f, request(CWMP_SET_PARAMETER_VALUES, "Device.Alpha.Name", "string", "b",
                                             "Device.Services.Beta.Status", "string", "Busy", NULL));
        assert_int_equal(m->type, CWMP_SET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(m->status, 1);
        /* What the first may have done, the second will do as well. */
        assert_non_null(journal_open_settings(f->journal, "provider0"));
        assert_non_null(journal_open_settings(f->journal, "provider1"));
}

static CwmpMessage *set_attributes(const char *name, int notification) {
        CwmpMessage *m = request(CWMP_SET_PARAMETER_ATTRIBUTES, name, NULL, NULL, NULL);
        m->parameters.items[0].notification = notification;
        return m;
}

static void attributes_are_kept(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *set = fake_call(f, set_attributes("Device.Alpha.", 2));
        _cleanup_(cwmp_message_freep) CwmpMessage *got =
                        fake_call(f, request(CWMP_GET_PARAMETER_ATTRIBUTES, "Device.", NULL, NULL, NULL));

        assert_int_equal(set->type, CWMP_SET_PARAMETER_ATTRIBUTES_RESPONSE);
        assert_int_equal(got->parameters.n, 5);
        assert_int_equal(parameter_list_find(&got->parameters, "Device.Alpha.Number")->notification, 2);
        assert_int_equal(parameter_list_find(&got->parameters, "Device.Services.Beta.Status")->notification, 0);
        /* The value at that time is what the ACS knows. */
        const Parameter same = { .name = (char *) "Alpha.Name", .value = (char *) "a" };
        assert_int_equal(notifications_observe(f->notifications, &same), 0);
}

static void attributes_are_set_in_order_and_all_or_none(void **state) {
        FakeDataModel *f = *state;
        CwmpMessage *q = set_attributes("Device.Alpha.", 2), *wrong = set_attributes("Device.Alpha.", 1);

        parameter_list_add(&q->parameters, "Device.Alpha.Number", NULL, NULL)->notification = 0;
        parameter_list_add(&wrong->parameters, "Device.Alpha.Nothing", NULL, NULL)->notification = 1;
        _cleanup_(cwmp_message_freep) CwmpMessage *set = fake_call(f, q);
        assert_int_equal(set->type, CWMP_SET_PARAMETER_ATTRIBUTES_RESPONSE);
        assert_fault(f, wrong, 9005);

        _cleanup_(cwmp_message_freep) CwmpMessage *got =
                        fake_call(f, request(CWMP_GET_PARAMETER_ATTRIBUTES, "", NULL, NULL, NULL));
        assert_int_equal(got->parameters.n, 5);
        assert_int_equal(parameter_list_find(&got->parameters, "Device.Alpha.Number")->notification, 0);
        assert_int_equal(parameter_list_find(&got->parameters, "Device.Alpha.Name")->notification, 2);
}

static void misuse_of_attributes(void **state) {
        FakeDataModel *f = *state;
        _cleanup_parameter_list_ ParameterList rules = {};

        assert_non_null(parameter_list_add(&rules, "Alpha.Serial", NULL, "forceEnabled"));
        assert_int_equal(notifications_set_rules(f->notifications, &rules), 0);
        assert_fault(f, set_attributes("Device.Nothing", 1), 9005);
        assert_fault(f, set_attributes("Device.Alpha.Name", 3), 9003);
        assert_fault(f, set_attributes("Device.Alpha.Serial", 0), 9009);
        assert_fault(f, request(CWMP_GET_PARAMETER_ATTRIBUTES, "Device.Nothing", NULL, NULL, NULL), 9005);
}

static void what_the_acs_sets_is_no_news(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *attributes =
                        fake_call(f, set_attributes("Device.Services.Beta.Status", 2));
        _cleanup_(cwmp_message_freep) CwmpMessage *set = fake_call(
                        f, request(CWMP_SET_PARAMETER_VALUES, "Device.Services.Beta.Status", "string", "Busy", NULL));
        const Parameter now = { .name = (char *) "Services.Beta.Status", .value = (char *) "Busy" };

        assert_int_equal(set->type, CWMP_SET_PARAMETER_VALUES_RESPONSE);
        assert_int_equal(notifications_observe(f->notifications, &now), 0);
        assert_false(notifications_pending(f->notifications));
}

static void objects_come_and_go(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *added =
                        fake_call(f, object(CWMP_ADD_OBJECT, "Device.Services.Beta.Row.", false));
        _cleanup_(cwmp_message_freep) CwmpMessage *deleted =
                        fake_call(f, object(CWMP_DELETE_OBJECT, "Device.Services.Beta.Row.1.", false));

        assert_int_equal(added->type, CWMP_ADD_OBJECT_RESPONSE);
        assert_int_equal(added->number, 1);
        assert_int_equal(deleted->type, CWMP_DELETE_OBJECT_RESPONSE);
        assert_string_equal(f->parameter_key, "key");
}

static void a_row_with_a_fault_is_taken_back(void **state) {
        FakeDataModel *f = *state;

        f->key_is_not_kept = true;
        assert_fault(f, object(CWMP_ADD_OBJECT, "Device.Services.Beta.Row.", false), 9002);
        assert_int_equal(f->rows, 1);
        assert_int_equal(f->rows_deleted, 1);
        assert_string_equal(f->parameter_key, "");
}

static void a_row_is_taken_back_if_the_session_ends_while_it_is_read(void **state) {
        FakeDataModel *f = *state;

        f->session_ends_at_values = true;
        assert_null(fake_call(f, object(CWMP_ADD_OBJECT, "Device.Services.Beta.Row.", false)));
        assert_int_equal(f->rows, 1);
        assert_int_equal(f->rows_deleted, 1);
        assert_string_equal(f->parameter_key, "");
}

static void misuse_of_objects(void **state) {
        assert_fault(*state, object(CWMP_ADD_OBJECT, "Device.Services.Beta.Row", false), 9005);
        assert_fault(*state, object(CWMP_ADD_OBJECT, "Device.Nothing.", false), 9005);
        assert_fault(*state, object(CWMP_ADD_OBJECT, "Device.Alpha.", false), 9001);
        assert_fault(*state, object(CWMP_DELETE_OBJECT, "Device.Services.Beta.Row.7.", false), 9005);

        CwmpMessage *m = object(CWMP_ADD_OBJECT, "Device.Services.Beta.Row.", false);
        free(m->key);
        m->key = strdup("a key that has more than 32 letters");
        assert_fault(*state, m, 9003);
}

static void methods_are_what_is_implemented(void **state) {
        FakeDataModel *f = *state;
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, request(CWMP_GET_RPC_METHODS, NULL));

        static const char *const implemented[] = {
                "GetRPCMethods", "SetParameterValues", "GetParameterValues", "GetParameterNames",
                "SetParameterAttributes", "GetParameterAttributes", "AddObject", "DeleteObject", "Reboot", "Download",
                "Upload", "FactoryReset", "ScheduleInform", "GetQueuedTransfers", "GetAllQueuedTransfers",
                "ScheduleDownload", "CancelTransfer",
        };
        for (size_t i = 0; i < ELEMENTSOF(implemented); i++)
                assert_non_null(parameter_list_find(&m->parameters, implemented[i]));
        assert_int_equal(m->parameters.n, ELEMENTSOF(implemented));
        assert_fault(f, request(CWMP_UNKNOWN_METHOD, NULL), 9000);
}

static void an_inform_can_be_ordered_for_later(void **state) {
        FakeDataModel *f = *state;
        CwmpMessage *q = request(CWMP_SCHEDULE_INFORM, NULL);

        assert_fault(f, request(CWMP_SCHEDULE_INFORM, NULL), 9003);
        q->number = 60;
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, q);
        assert_int_equal(m->type, CWMP_SCHEDULE_INFORM_RESPONSE);
        assert_string_equal(f->scheduled, "60 key");
}

static void restarts_are_ordered(void **state) {
        FakeDataModel *f = *state;
        CwmpMessage *q = request(CWMP_REBOOT, NULL);

        free(q->key);
        q->key = strdup("a key that has more than 32 letters");
        assert_fault(f, q, 9003);
        assert_string_equal(f->restart, "");
        _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, request(CWMP_REBOOT, NULL));
        assert_int_equal(m->type, CWMP_REBOOT_RESPONSE);
        assert_string_equal(f->restart, "reboot key");
        _cleanup_(cwmp_message_freep) CwmpMessage *r = fake_call(f, request(CWMP_FACTORY_RESET, NULL));
        assert_int_equal(r->type, CWMP_FACTORY_RESET_RESPONSE);
        assert_string_equal(f->restart, "factory reset");
}

static CwmpMessage *download(const char *url) {
        CwmpMessage *q = request(CWMP_DOWNLOAD, NULL);

        q->transfers.n = 1;
        q->transfers.items[0] = (Transfer) {
                .command_key = strdup("key"),
                .file_type = strdup("1 Firmware Upgrade Image"),
                .url = strdup(url),
        };
        return q;
}

static void transfers_are_queued_listed_and_cancelled(void **state) {
        FakeDataModel *f = *state;

        assert_fault(f, download("tftp://a/b"), 9013);
        for (unsigned i = 0; i < TRANSFERS_MAX; i++) {
                _cleanup_(cwmp_message_freep) CwmpMessage *m = fake_call(f, download("http://a/b"));
                assert_int_equal(m->type, CWMP_DOWNLOAD_RESPONSE);
                assert_int_equal(m->status, 1);
        }
        assert_fault(f, download("http://a/b"), 9004);
        assert_int_equal(f->transfers_changed, TRANSFERS_MAX);

        _cleanup_(cwmp_message_freep) CwmpMessage *all = fake_call(f, request(CWMP_GET_ALL_QUEUED_TRANSFERS, NULL));
        assert_int_equal(all->transfers.n, TRANSFERS_MAX);
        assert_int_equal(transfer_queue_begin(f->transfers, 1, 0), 0);
        assert_fault(f, request(CWMP_CANCEL_TRANSFER, NULL), 9021);
        assert_int_equal(transfer_queue_list(f->transfers)->n, 1);
        assert_int_equal(transfer_queue_remove(f->transfers, 1), 0);
        _cleanup_(cwmp_message_freep) CwmpMessage *none = fake_call(f, request(CWMP_CANCEL_TRANSFER, NULL));
        assert_int_equal(none->type, CWMP_CANCEL_TRANSFER_RESPONSE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(values_of_full_and_partial_paths),
                TEST(references_carry_the_root_object),
                TEST(wrong_names_of_values_are_9005),
                TEST(a_provider_that_is_away_is_9002_by_name_and_missing_above),
                TEST(names_begin_with_the_root_object),
                TEST(misuse_of_names),
                TEST(a_set_over_two_providers_is_one),
                TEST(an_empty_set_sets_the_parameter_key),
                TEST(every_wrong_parameter_of_a_set_has_its_fault),
                TEST(one_wrong_parameter_undoes_the_set_of_all_providers),
                TEST(a_set_needs_all_its_providers),
                TEST(what_was_promised_and_not_committed_stays_in_the_journal),
                TEST(a_set_that_nobody_committed_failed),
                TEST(a_commit_without_an_answer_is_a_promise),
                TEST(attributes_are_kept),
                TEST(attributes_are_set_in_order_and_all_or_none),
                TEST(misuse_of_attributes),
                TEST(what_the_acs_sets_is_no_news),
                TEST(objects_come_and_go),
                TEST(a_row_with_a_fault_is_taken_back),
                TEST(a_row_is_taken_back_if_the_session_ends_while_it_is_read),
                TEST(misuse_of_objects),
                TEST(methods_are_what_is_implemented),
                TEST(an_inform_can_be_ordered_for_later),
                TEST(restarts_are_ordered),
                TEST(transfers_are_queued_listed_and_cancelled),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
