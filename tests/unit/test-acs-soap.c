/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of devices that mean no good, or are not well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/acs/soap-codec.h"

#define HEAD                                                                                                 \
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""           \
        " xmlns:e=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:c=\"urn:dslforum-org:cwmp-1-2\">"      \
        "<s:Header><c:ID s:mustUnderstand=\"1\">9</c:ID></s:Header><s:Body>"
#define TAIL "</s:Body></s:Envelope>"
#define ID_OF(serial)                                                                                        \
        "<DeviceId><Manufacturer>m</Manufacturer><OUI>000000</OUI><ProductClass/><SerialNumber>" serial      \
        "</SerialNumber></DeviceId>"
#define EVENT "<EventStruct><EventCode>2 PERIODIC</EventCode><CommandKey/></EventStruct>"
#define EVENTS(n, list) "<Event e:arrayType=\"c:EventStruct[" n "]\">" list "</Event>"
#define REST "<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-01-31T23:59:59Z</CurrentTime><RetryCount>0</RetryCount>"
#define VALUE(name, value) "<ParameterValueStruct><Name>" name "</Name><Value>" value "</Value></ParameterValueStruct>"
#define VALUES(n, list) "<ParameterList e:arrayType=\"c:ParameterValueStruct[" n "]\">" list "</ParameterList>"
#define INFORM(id, events, values) HEAD "<c:Inform>" id events REST values "</c:Inform>" TAIL
#define GOOD INFORM(ID_OF("1"), EVENTS("1", EVENT), VALUES("1", VALUE("A.B", "<![CDATA[x]]>")))

static int setup(void **state) {
        struct soap *soap = malloc(sizeof(*soap));

        cwmp_soap_init(soap);
        *state = soap;
        return 0;
}

static int teardown(void **state) {
        struct soap *soap = *state;

        soap_destroy(soap);
        soap_end(soap);
        soap_done(soap);
        free(soap);
        return 0;
}

static void an_inform_is_read(void **state) {
        SoapMessage m;

        assert_int_equal(soap_codec_read(*state, GOOD, &m), 0);
        assert_int_equal(m.kind, SOAP_MESSAGE_INFORM);
        assert_string_equal(m.id, "9");
        assert_string_equal(m.inform.DeviceId.ProductClass, "");
        assert_string_equal(m.inform.Event.__ptrEventStruct[0].CommandKey, "");
        assert_string_equal(m.inform.ParameterList.__ptrParameterValueStruct[0].Value.__item, "x");
}

/* A session that was cut after its events were delivered is tried again with none (TR-069 A.3.3.1). */
static void an_inform_may_have_no_events(void **state) {
        SoapMessage m;

        assert_int_equal(soap_codec_read(*state, INFORM(ID_OF("1"), EVENTS("0", ""), VALUES("0", "")), &m), 0);
        assert_int_equal(m.inform.Event.__size, 0);
}

static void cut_at_any_byte_it_is_refused(void **state) {
        static const char good[] = GOOD;
        char text[sizeof(good)];

        /* behind the Body's end there is nothing of interest */
        for (size_t n = 0; n < sizeof(good) - sizeof(TAIL); n++) {
                SoapMessage m;

                memcpy(text, good, n);
                text[n] = 0;
                assert_int_equal(soap_codec_read(*state, text, &m), -EBADMSG);
                soap_end(*state);
        }
}

static void what_breaks_the_limits_is_refused(void **state) {
        static const char *const bad[] = {
                "",
                "x",
                "<a/>",
                HEAD TAIL,
                HEAD "<c:Inform/>" TAIL,
                /* arrays that promise more than they hold */
                INFORM(ID_OF("1"), EVENTS("2", EVENT), VALUES("0", "")),
                INFORM(ID_OF("1"), EVENTS("1", EVENT), VALUES("3", VALUE("A", "x"))),
                INFORM(ID_OF("1"), EVENTS("1", EVENT), VALUES("2000000000", VALUE("A", "x"))),
                /* members that are not there */
                INFORM("", EVENTS("1", EVENT), VALUES("0", "")),
                INFORM(ID_OF("1"), EVENTS("1", "<EventStruct/>"), VALUES("0", "")),
                INFORM(ID_OF("1"), EVENTS("1", EVENT), VALUES("1", "<ParameterValueStruct/>")),
                /* too long */
                INFORM(ID_OF("12345678901234567890123456789012345678901234567890123456789012345"),
                       EVENTS("1", EVENT),
                       VALUES("0", "")),
                HEAD "<c:NoSuchThingResponse/>" TAIL,
                HEAD "<s:Fault><faultcode>Client</faultcode><faultstring>x</faultstring></s:Fault>" TAIL,
                HEAD "<s:Fault/>" TAIL,
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                SoapMessage m;

                if (soap_codec_read(*state, bad[i], &m) != -EBADMSG)
                        fail_msg("not refused: %s", bad[i]);
                soap_end(*state);
        }
}

static void too_many_events_are_refused(void **state) {
        char *text = strdup(HEAD "<c:Inform>" ID_OF("1") "<Event e:arrayType=\"c:EventStruct[65]\">");
        SoapMessage m;

        for (int i = 0; i < EVENTS_MAX + 1; i++) {
                char *longer = strfmt("%s%s", text, EVENT);

                free(text);
                text = longer;
        }
        {
                _cleanup_free_ char *whole = strfmt(
                                "%s%s", text, "</Event>" REST VALUES("0", "") "</c:Inform>" TAIL);

                free(text);
                assert_int_equal(soap_codec_read(*state, whole, &m), -EBADMSG);
        }
}

static void entities_are_not_expanded(void **state) {
        static const char text[] =
                        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY f SYSTEM \"file:///etc/hostname\">]>" HEAD
                        "<c:GetParameterValuesResponse>" VALUES("1", VALUE("A", "&f;&a;"))
                        "</c:GetParameterValuesResponse>" TAIL;
        SoapMessage m;

        if (soap_codec_read(*state, text, &m) == 0)
                assert_null(strchr(m.get.ParameterList.__ptrParameterValueStruct[0].Value.__item, 'a'));
}

static void unknown_methods_are_known_as_such(void **state) {
        SoapMessage m;

        assert_int_equal(soap_codec_read(*state, HEAD "<c:Kicked><Command>x</Command></c:Kicked>" TAIL, &m), 0);
        assert_int_equal(m.kind, SOAP_MESSAGE_OTHER_REQUEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_inform_is_read),
                TEST(an_inform_may_have_no_events),
                TEST(cut_at_any_byte_it_is_refused),
                TEST(what_breaks_the_limits_is_refused),
                TEST(too_many_events_are_refused),
                TEST(entities_are_not_expanded),
                TEST(unknown_methods_are_known_as_such),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
