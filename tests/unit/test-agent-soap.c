/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of an ACS as XML: the many ways to write the same, and what is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/session-worker/soap-codec.h"
#include "common/base/str.h"

#define HEAD(header)                                                                                         \
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""           \
        " xmlns:e=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:x=\"http://www.w3.org/2001/XMLSchema\"" \
        " xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:c=\"urn:dslforum-org:cwmp-1-1\">"      \
        "<s:Header><c:ID s:mustUnderstand=\"1\">9</c:ID>" header "</s:Header><s:Body>"
#define TAIL "</s:Body></s:Envelope>"
#define MESSAGE(body) HEAD("") body TAIL
#define NAMES(type, names)                                                                                   \
        "<c:GetParameterValues><ParameterNames" type ">" names "</ParameterNames></c:GetParameterValues>"

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

static CwmpMessage *parse(struct soap *soap, const char *text) {
        CwmpMessage *m = NULL;

        soap_destroy(soap);
        soap_end(soap);
        soap_begin(soap);
        soap->is = text;
        if (soap_begin_recv(soap) == SOAP_OK)
                (void) soap_codec_get(soap, &m);
        soap->is = NULL;
        return m;
}

static void an_array_is_what_is_in_it(void **state) {
        static const char *const types[] = {
                "",
                " e:arrayType=\"x:string[2]\"",
                " e:arrayType=\"x:string[]\"",
                " e:arrayType=\"x:string[7]\"",
                " e:arrayType=\"x:string[1]\"",
                " e:arrayType=\"x:string[-1]\"",
                " e:arrayType=\"x:string[2000000000]\"",
                " e:arrayType=\"x:string[20000,20000]\"",
                " e:arrayType=\"nothing\"",
                " e:arrayType=\"x:string[2]\" i:type=\"e:Array\"",
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_free_ char *text = strfmt(MESSAGE(NAMES("%s", "<string>A.B</string><string>A.C</string>")),
                                                   types[i]);
                _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(*state, text);
                assert_non_null(m);
                assert_int_equal(m->type, CWMP_GET_PARAMETER_VALUES);
                assert_int_equal(m->parameters.n, 2);
                assert_string_equal(m->parameters.items[1].name, "A.C");
        }
}

static void arrays_have_a_limit(void **state) {
        const size_t n = CWMP_ARRAY_MAX + 1;
        static const char item[] = "<string>A</string>";
        char *names = calloc(n, strlen(item) + 1);

        assert_non_null(names);
        for (size_t i = 0; i < n; i++)
                memcpy(names + i * strlen(item), item, strlen(item));
        _cleanup_free_ char *text = strfmt(MESSAGE(NAMES("%s", "%s")), "", names);
        free(names);
        assert_null(parse(*state, text));
}

static void values_keep_their_blanks_and_types(void **state) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(
                        *state,
                        MESSAGE("<c:SetParameterValues><ParameterList e:arrayType=\"c:ParameterValueStruct[2]\">"
                                "<ParameterValueStruct><Name>A</Name><Value i:type=\"x:string\"> a &amp; "
                                "<![CDATA[<b>]]> "
                                "</Value></ParameterValueStruct><ParameterValueStruct><Name>B</Name><Value>1</Value>"
                                "</ParameterValueStruct></ParameterList><ParameterKey>k</ParameterKey></c:"
                                "SetParameterValues>"));

        assert_non_null(m);
        assert_string_equal(m->key, "k");
        assert_int_equal(m->parameters.n, 2);
        assert_string_equal(m->parameters.items[0].type, "string");
        assert_string_equal(m->parameters.items[0].value, " a & <b> ");
        assert_string_equal(m->parameters.items[1].type, "");
}

static void headers_are_read(void **state) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m =
                        parse(*state, HEAD("<c:HoldRequests s:mustUnderstand=\"1\">1</c:HoldRequests>"
                                           "<c:UseCWMPVersion s:mustUnderstand=\"1\">1.2</c:UseCWMPVersion>")
                                      "<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>" TAIL);

        assert_non_null(m);
        assert_int_equal(m->type, CWMP_INFORM_RESPONSE);
        assert_string_equal(m->id, "9");
        assert_true(m->hold_requests);
        assert_string_equal(m->use_version, "1.2");
        /* What must be understood and is not. */
        assert_null(parse(*state, HEAD("<c:Dance s:mustUnderstand=\"1\">1</c:Dance>") "<c:GetRPCMethods/>" TAIL));
}

static void orders_of_transfers_are_read(void **state) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(
                        *state,
                        MESSAGE("<c:ScheduleDownload><CommandKey>k</CommandKey><FileType>1 Firmware Upgrade "
                                "Image</FileType>"
                                "<URL>http://a/</URL><Username>u</Username><Password>p</Password><FileSize>7</FileSize>"
                                "<TargetFileName>t</TargetFileName><TimeWindowList e:arrayType=\"c:"
                                "TimeWindowStruct[1]\">"
                                "<TimeWindowStruct><WindowStart>1</WindowStart><WindowEnd>9</WindowEnd>"
                                "<WindowMode>2 Immediately"
                                "</WindowMode><UserMessage/><MaxRetries>-1</MaxRetries></TimeWindowStruct>"
                                "</TimeWindowList>"
                                "</c:ScheduleDownload>"));

        assert_non_null(m);
        assert_int_equal(m->transfers.n, 1);
        const Transfer *t = m->transfers.items;
        assert_int_equal(t->kind, TRANSFER_SCHEDULED_DOWNLOAD);
        assert_string_equal(t->password, "p");
        assert_int_equal(t->file_size, 7);
        assert_int_equal(t->n_windows, 1);
        assert_string_equal(t->windows[0].mode, "2 Immediately");
        assert_int_equal(t->windows[0].max_retries, -1);
        assert_int_equal(transfer_check(t), 0);
}

static void faults_are_read(void **state) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(
                        *state,
                        MESSAGE("<s:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring>"
                                "<detail><c:Fault>"
                                "<FaultCode>8005</FaultCode><FaultString>again</FaultString></c:Fault></detail>"
                                "</s:Fault>"));
        _cleanup_(cwmp_message_freep) CwmpMessage *plain =
                        parse(*state, MESSAGE("<s:Fault><faultcode>s:Server</faultcode><faultstring>"
                                "no</faultstring></s:Fault>"));

        assert_int_equal(m->type, CWMP_FAULT);
        assert_int_equal(m->fault_code, 8005);
        assert_string_equal(m->fault_string, "again");
        assert_int_equal(plain->type, CWMP_FAULT);
        assert_int_equal(plain->fault_code, 0);
}

static void what_is_no_message_is_refused(void **state) {
        static const char *const texts[] = {
                "",
                "garbage",
                "<html><body>Login</body></html>",
                HEAD(""),
                HEAD("") "<c:GetRPCMethods>",
                HEAD("") TAIL,
                HEAD("") "text" TAIL,
                MESSAGE("<c:Reboot><CommandKey>a</Reboot>"),
                MESSAGE("<s:Body:Fault><faultcode>Server</faultcode></s:Body:Fault>"),
                MESSAGE("<c:Reboot><CommandKey>\x01</CommandKey></c:Reboot>"),
                "<Envelope><Body><GetRPCMethods/></Body></Envelope>",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(*state, texts[i]);
                if (m)
                        fail_msg("taken: %s", texts[i]);
        }
}

static void the_version_of_the_peer_is_followed(void **state) {
        struct soap *soap = *state;
        CwmpVersion version = {};

        assert_false(cwmp_soap_is_oldest(soap));
        cwmp_soap_set_version(soap, &version, CWMP_URN_OLDEST);
        assert_true(cwmp_soap_is_oldest(soap));
        _cleanup_(cwmp_message_freep) CwmpMessage *m = parse(soap, MESSAGE("<c:GetRPCMethods/>"));
        assert_non_null(m);
        cwmp_soap_follow_version(soap, &version);
        assert_string_equal(version.urn, "urn:dslforum-org:cwmp-1-1");
        assert_false(cwmp_soap_is_oldest(soap));
}

static void assert_declares(struct soap *soap, CwmpMessageType type, bool all) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = cwmp_message_new(type);
        const char *text = NULL;

        soap->os = &text;
        assert_int_equal(soap_begin_send(soap) || soap_codec_put(soap, m) || soap_end_send(soap), 0);
        soap->os = NULL;
        assert_non_null(startswith(text, "<SOAP-ENV:Envelope xmlns:SOAP-ENV="));
        assert_non_null(strstr(text, " xmlns:cwmp="));
        assert_true((strstr(text, " xmlns:SOAP-ENC=") != NULL) == all);
        assert_true((strstr(text, " xmlns:xsi=") != NULL) == all);
        assert_true((strstr(text, " xmlns:xsd=") != NULL) == all);
}

static void an_envelope_declares_the_namespaces_that_it_needs(void **state) {
        assert_declares(*state, CWMP_SET_PARAMETER_VALUES_RESPONSE, false);
        assert_declares(*state, CWMP_GET_PARAMETER_VALUES_RESPONSE, true);
        assert_declares(*state, CWMP_GET_PARAMETER_NAMES_RESPONSE, true);
        assert_declares(*state, CWMP_REBOOT_RESPONSE, false);
        /* What is read next knows all of them. */
        _cleanup_(cwmp_message_freep) CwmpMessage *m =
                        parse(*state, MESSAGE(NAMES(" e:arrayType=\"x:string[1]\"", "<string>A.</string>")));
        assert_int_equal(m->parameters.n, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(an_array_is_what_is_in_it),
                TEST(arrays_have_a_limit),
                TEST(values_keep_their_blanks_and_types),
                TEST(headers_are_read),
                TEST(orders_of_transfers_are_read),
                TEST(faults_are_read),
                TEST(what_is_no_message_is_refused),
                TEST(the_version_of_the_peer_is_followed),
                TEST(an_envelope_declares_the_namespaces_that_it_needs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
