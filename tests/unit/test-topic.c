/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/common/topic.h"

static void identifier_is_made_of_three_encoded_parts(void **state) {
        _cleanup_free_ char *id = NULL;

        assert_int_equal(device_id_encode("00D09E", "Home-GW/2+#", "GW 0001", &id), 0);
        assert_string_equal(id, "00D09E-Home%2DGW%2F2%2B%23-GW%200001");
}

static void product_class_may_be_empty(void **state) {
        _cleanup_free_ char *id = NULL, *product_class = NULL;

        assert_int_equal(device_id_encode("000000", "", "1", &id), 0);
        assert_string_equal(id, "000000--1");
        assert_int_equal(device_id_decode(id, NULL, &product_class, NULL), 0);
        assert_string_equal(product_class, "");
}

static void every_byte_survives_the_round_trip(void **state) {
        for (int c = 1; c < 256; c++) {
                char serial[] = { 'a', (char) c, 'z', 0 };
                _cleanup_free_ char *id = NULL, *oui = NULL, *product_class = NULL, *back = NULL;

                assert_int_equal(device_id_encode("0A1B2C", serial, serial, &id), 0);
                assert_null(strpbrk(id, "/+# .\""));
                assert_true(utf8_is_valid(id));
                assert_int_equal(device_id_decode(id, &oui, &product_class, &back), 0);
                assert_string_equal(oui, "0A1B2C");
                assert_string_equal(product_class, serial);
                assert_string_equal(back, serial);
        }
}

static void only_the_canonical_form_is_accepted(void **state) {
        static const char *const bad[] = {
                "", "-", "--", "a-b", "a--", "--c", "a-b-c-d", "a-b-c-", "a-b-%2d", "a-b-%41", "a-b-%00", "a-b-%",
                "a-b-%2", "a-b-%G0", "a-b-c/d", "a-b-c+", "a-b-#", "a-b-c d", "a-b-\xc3\xa4", "a-b-%C3%A4/",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(device_id_is_valid(bad[i]));
        assert_true(device_id_is_valid("a-b-%C3%A4"));
}

static void too_long_is_refused(void **state) {
        char serial[DEVICE_ID_LENGTH_MAX + 10] = "", *untouched = serial;

        memset(serial, 'x', DEVICE_ID_LENGTH_MAX - 4);
        {
                _cleanup_free_ char *id = NULL;

                assert_int_equal(device_id_encode("a", "b", serial, &id), 0);
                assert_int_equal(strlen(id), DEVICE_ID_LENGTH_MAX);
                assert_true(device_id_is_valid(id));
        }
        serial[DEVICE_ID_LENGTH_MAX - 4] = 'x';
        assert_int_equal(device_id_encode("a", "b", serial, &untouched), -E2BIG);
        serial[DEVICE_ID_LENGTH_MAX - 4] = 0;
        serial[0] = '/';
        assert_int_equal(device_id_encode("a", "b", serial, &untouched), -E2BIG);
        assert_int_equal(device_id_encode("", "b", "c", &untouched), -EINVAL);
        assert_int_equal(device_id_encode("a", "b", NULL, &untouched), -EINVAL);
        assert_ptr_equal(untouched, serial);
}

static void topics_lead_back_to_device_and_kind(void **state) {
        for (TopicKind kind = 0; kind < _TOPIC_KIND_MAX; kind++) {
                _cleanup_free_ char *topic = NULL, *device = NULL;
                TopicKind back = _TOPIC_KIND_MAX;

                assert_int_equal(topic_new("000000-ISPStorage-GW0001", kind, &topic), 0);
                assert_int_equal(topic_parse(topic, &device, &back), 0);
                assert_string_equal(device, "000000-ISPStorage-GW0001");
                assert_int_equal(back, kind);
        }
        assert_string_equal(topic_filter(TOPIC_ACK), "ispstorage/v1/cwmp/+/ack");
}

static void foreign_topics_are_refused(void **state) {
        static const char *const bad[] = {
                "",
                "ispstorage/v1/cwmp/",
                "ispstorage/v1/cwmp/a-b-c",
                "ispstorage/v1/cwmp/a-b-c/",
                "ispstorage/v1/cwmp/a-b-c/commands",
                "ispstorage/v1/cwmp/a-b-c/command/x",
                "ispstorage/v1/cwmp/a-b-c/x/command",
                "ispstorage/v1/cwmp//command",
                "ispstorage/v2/cwmp/a-b-c/command",
        };
        char *device = NULL;
        TopicKind kind;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(topic_parse(bad[i], &device, &kind), -EINVAL);
        assert_null(device);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(identifier_is_made_of_three_encoded_parts),
                cmocka_unit_test(product_class_may_be_empty),
                cmocka_unit_test(every_byte_survives_the_round_trip),
                cmocka_unit_test(only_the_canonical_form_is_accepted),
                cmocka_unit_test(too_long_is_refused),
                cmocka_unit_test(topics_lead_back_to_device_and_kind),
                cmocka_unit_test(foreign_topics_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
