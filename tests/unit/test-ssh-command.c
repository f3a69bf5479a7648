/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "syncd/ssh-command.h"

static SshTarget target_of(const char *url) {
        SshTarget t = { .key_path = "/key", .known_hosts_path = "/hosts", .control_path = "/run/c" };

        assert_int_equal(repository_url_parse(url, &t.url), 0);
        return t;
}

static bool has(char *const *argv, const char *option) {
        for (size_t i = 0; argv[i]; i++)
                if (streq(argv[i], option))
                        return i > 0 && streq(argv[i - 1], "-o");
        return false;
}

static void nothing_but_what_is_provisioned_counts(void **state) {
        static const char *const options[] = {
                "BatchMode=yes",
                "StrictHostKeyChecking=yes",
                "GlobalKnownHostsFile=none",
                "UserKnownHostsFile=/hosts",
                "IdentityFile=/key",
                "IdentitiesOnly=yes",
                "UpdateHostKeys=no",
                "ClearAllForwardings=yes",
                "KexAlgorithms=curve25519-sha256,curve25519-sha256@libssh.org",
                "ControlPath=/run/c",
                "ControlMaster=auto",
                "Port=2222",
                "User=git",
                "IPQoS=none",
        };
        SshTarget t = target_of("ssh://git@server.example:2222/home");
        _cleanup_strv_free_ char **argv = NULL;
        size_t n;

        assert_int_equal(ssh_command_build(&t, "git-upload-pack", &argv), 0);
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (!has(argv, options[i]))
                        fail_msg("%s is not there", options[i]);
        n = strv_length(argv);
        assert_string_equal(argv[0], SSH_PROGRAM);
        assert_string_equal(argv[1], "-F");
        assert_string_equal(argv[2], "none");
        assert_string_equal(argv[n - 3], "--");
        assert_string_equal(argv[n - 2], "server.example");
        assert_string_equal(argv[n - 1], "git-upload-pack 'home'");
}

static void background_packets_are_marked(void **state) {
        SshTarget t = target_of("ssh://git@server.example/home");
        _cleanup_strv_free_ char **argv = NULL;

        t.background = true;
        assert_int_equal(ssh_command_build(&t, "git-upload-pack", &argv), 0);
        assert_true(has(argv, "IPQoS=le"));
}

static void aes_comes_first_where_it_is_fast(void **state) {
        SshTarget t = target_of("ssh://git@server.example/home");
        _cleanup_strv_free_ char **argv = NULL, **fast = NULL;

        assert_int_equal(ssh_command_build(&t, "git-upload-pack", &argv), 0);
        assert_false(has(argv, "Ciphers=^aes128-gcm@openssh.com"));
        t.aes = true;
        assert_int_equal(ssh_command_build(&t, "git-upload-pack", &fast), 0);
        assert_true(has(fast, "Ciphers=^aes128-gcm@openssh.com"));
}

static void a_dead_connection_is_noticed_within_30_seconds(void **state) {
        assert_true(SSH_ALIVE_INTERVAL_SEC * (SSH_ALIVE_COUNT_MAX + 1) <= 30);
}

static void messages_tell_why_it_failed(void **state) {
        assert_int_equal(ssh_failure_classify("Host key verification failed.\r\n"), SSH_HOST_KEY_MISMATCH);
        assert_int_equal(
                        ssh_failure_classify("git@server.example: Permission denied (publickey).\r\n"),
                        SSH_AUTHENTICATION_FAILED);
        assert_int_equal(
                        ssh_failure_classify("Timeout, server server.example not responding.\r\n"),
                        SSH_UNREACHABLE);
        assert_int_equal(ssh_failure_classify(""), SSH_UNREACHABLE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_but_what_is_provisioned_counts),
                cmocka_unit_test(background_packets_are_marked),
                cmocka_unit_test(aes_comes_first_where_it_is_fast),
                cmocka_unit_test(a_dead_connection_is_noticed_within_30_seconds),
                cmocka_unit_test(messages_tell_why_it_failed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
