/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Samba and vsftpd say of their sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "sharemgr/session.h"

/* As smbstatus 4.17 writes it, without what is not read. */
static const char smbstatus[] =
                "{\"sessions\": {"
                "\"1\": {\"server_id\": {\"pid\": \"180\"}, \"uid\": 990, \"remote_machine\": \"192.0.2.2\","
                "        \"session_dialect\": \"SMB3_11\"},"
                "\"2\": {\"server_id\": {\"pid\": \"180\"}, \"remote_machine\": \"192.0.2.2\", "
                "\"session_dialect\": \"SMB3_11\"},"
                "\"3\": {\"server_id\": {\"pid\": \"181\"}, \"remote_machine\": \"192.0.2.3\", "
                "\"session_dialect\": \"SMB2_10\"}},"
                "\"tcons\": {\"7\": {\"service\": \"docs\", \"server_id\": {\"pid\": \"180\"}},"
                "            \"8\": {\"service\": \"docs\", \"server_id\": {\"pid\": \"180\"}},"
                "            \"9\": {\"service\": \"docs\", \"server_id\": {\"pid\": \"999\"}}},"
                "\"open_files\": {\"/srv/x/a\": {\"service_path\": \"/srv/x\", \"filename\": \"a\","
                "                 \"opens\": {\"180/3\": {\"server_id\": {\"pid\": \"180\"}}}}}}";

static void test_smbstatus(void **state) {
        _cleanup_sessions_ Sessions sessions = {};

        assert_int_equal(sessions_from_smbstatus(smbstatus, &sessions), 0);
        assert_int_equal(sessions.n, 2);
        assert_string_equal(sessions.items[0].id, "smb:180");
        assert_string_equal(sessions.items[0].address, "192.0.2.2");
        assert_string_equal(sessions.items[0].user, "");
        assert_int_equal(strv_length(sessions.items[0].shares), 1);
        assert_string_equal(sessions.items[0].files[0], "/srv/x/a");
        assert_string_equal(sessions.items[1].protocol, "SMB2_10");
        assert_null(sessions.items[1].shares);
        assert_int_equal(session_smb_process("smb:180"), 180);
        assert_int_equal(session_smb_process("ftp:x"), 0);
        assert_int_equal(session_smb_process("smb:1 x"), 0);
}

static void test_other_texts(void **state) {
        static const char *const texts[] = { "{}",
                                             "{\"sessions\": [1]}",
                                             "{\"sessions\": {\"1\": 5}, \"tcons\": {\"1\": null}}",
                                             "{\"open_files\": {\"x\": {\"opens\": 3}}}" };
        Sessions sessions = {};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                assert_int_equal(sessions_from_smbstatus(texts[i], &sessions), 0);
                sessions_done(&sessions);
        }
        assert_int_equal(sessions_from_smbstatus("", &sessions), -EBADMSG);
        assert_int_equal(sessions_from_smbstatus("[]", &sessions), -EBADMSG);
}

static void test_audit(void **state) {
        _cleanup_free_ char *user =
                        session_user_from_audit("{\"type\": \"Authorization\", \"Authorization\": "
                                                "{\"account\": \"alice\", \"authType\": \"NTLMSSP\"}}");

        assert_string_equal(user, "alice");
        assert_null(session_user_from_audit(
                        "{\"type\": \"Authentication\", \"Authentication\": {\"clientAccount\": \"bob\"}}"));
        assert_null(session_user_from_audit("smbd version 4.17.12-Debian started."));
}

static void test_ftp(void **state) {
        static const char cgroup[] = "/ispstorage.slice/ispstorage-ftp.slice/"
                                     "ispstorage-vsftpd@3-192.0.2.1:21-192.0.2.2:4.service";
        Session s = {};

        assert_int_equal(session_from_ftp_process(cgroup, "\"vsftpd: 192.0.2.2: connected\"", &s), 0);
        assert_int_equal(session_from_ftp_process(cgroup, "/usr/lib/ispstorage/ftp-session", &s), 0);
        assert_int_equal(session_from_ftp_process(cgroup, "\"vsftpd: 192.0.2.2/alice: IDLE\"", &s), 1);
        assert_string_equal(s.id, "ftp:ispstorage-vsftpd@3-192.0.2.1:21-192.0.2.2:4.service");
        assert_string_equal(s.user, "alice");
        assert_string_equal(s.address, "192.0.2.2");
        assert_null(s.files);
        session_done(&s);
        assert_int_equal(session_from_ftp_process(cgroup, "\"vsftpd: fd00::2/bob: RETR a: b\"", &s), 1);
        assert_string_equal(s.address, "fd00::2");
        assert_string_equal(s.files[0], "RETR a: b");
        session_done(&s);
}

static void test_text(void **state) {
        _cleanup_sessions_ Sessions sessions = {};
        _cleanup_free_ char *text = NULL, *again = NULL;
        Session s = {};

        assert_int_equal(sessions_from_smbstatus(smbstatus, &sessions), 0);
        assert_int_equal(session_to_text(sessions.items, &text), 0);
        assert_int_equal(session_from_text(text, &s), 0);
        assert_int_equal(session_to_text(&s, &again), 0);
        assert_string_equal(text, again);
        session_done(&s);
        assert_int_equal(session_from_text("3", &s), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_smbstatus), cmocka_unit_test(test_other_texts),
                cmocka_unit_test(test_audit),     cmocka_unit_test(test_ftp),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
