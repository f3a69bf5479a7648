/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The doors of the storage host: what a gateway may ask, which key opens what, which refs may move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/storage/authorized-keys-line.h"
#include "operator/storage/hook-rules.h"
#include "operator/storage/ssh-command.h"
#include "operator/storage/staging.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIPETal5+ol7eDCPYbRZ6q9KQJFGbP/Hd9wGb+agGM8Zr"

/* echo $KEY | base64 -d | sha256sum | cut -c1-16 */
#define NAMESPACE "dacfef95ed4afc03"

static void test_commands_of_git(void **state) {
        GitService service = _GIT_SERVICE_MAX;

        assert_int_equal(ssh_command_parse("git-upload-pack '/home'", "home", &service), 0);
        assert_int_equal(service, GIT_UPLOAD_PACK);
        assert_int_equal(ssh_command_parse("git-receive-pack '/home'", "home", &service), 0);
        assert_int_equal(service, GIT_RECEIVE_PACK);
        assert_int_equal(ssh_command_parse("git-upload-pack /home.git", "home", &service), 0);
        assert_int_equal(ssh_command_parse("git-upload-pack home", "home", &service), 0);
}

static void test_other_repository(void **state) {
        static const char *const commands[] = {
                "git-upload-pack '/homes'",   "git-upload-pack '/hom'",
                "git-upload-pack '/other'",   "git-upload-pack '//home'",
                "git-upload-pack '/../home'", "git-upload-pack '/home/../other'",
                "git-upload-pack '/home/'",   "git-upload-pack '/home.git.git'",
                "git-receive-pack '/'",
        };
        GitService service;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                assert_int_equal(ssh_command_parse(commands[i], "home", &service), -EACCES);
}

static void test_other_commands(void **state) {
        static const char *const commands[] = {
                "",
                "sh",
                "git-upload-pack",
                "git-upload-pack ",
                "git-upload-pack ''",
                "git-upload-archive '/home'",
                "git upload-pack '/home'",
                "git-upload-pack '/home'; id",
                "git-upload-pack '/home' --strict",
                "git-upload-pack --upload-pack=id '/home'",
                "git-upload-pack $(id)",
                "git-upload-pack `id`",
                "git-upload-pack '/home'\n",
                "git-upload-pack \"/home\"",
                "git-upload-pack '/ho''me'",
                "GIT_PROTOCOL=version=2 git-upload-pack '/home'",
                "/bin/git-upload-pack '/home'",
                "git-upload-pack '~/home'",
        };
        char large[2 * SSH_COMMAND_MAX];
        GitService service;

        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                assert_int_equal(ssh_command_parse(commands[i], "home", &service), -EINVAL);
        memset(large, 'a', sizeof(large));
        memcpy(large, "git-upload-pack ", strlen("git-upload-pack "));
        large[sizeof(large) - 1] = 0;
        assert_int_equal(ssh_command_parse(large, "home", &service), -EINVAL);
}

static int open_keys(void **state) {
        sqlite3 *db;

        if (sqlite_open(":memory:", NULL, &db) < 0)
                return -1;
        *state = db;
        return sqlite3_exec(
                        db,
                        "CREATE TABLE subscriptions (name, suspended DEFAULT 0, removing DEFAULT 0);"
                        "CREATE TABLE devices (id, subscription);"
                        "CREATE TABLE keys (id INTEGER, device, type, key);"
                        "INSERT INTO subscriptions (name) VALUES ('home');"
                        "INSERT INTO devices VALUES ('d1', 'home');"
                        "INSERT INTO keys VALUES (5, 'd1', 'ssh-ed25519', '" KEY "');",
                        NULL,
                        NULL,
                        NULL);
}

static int close_keys(void **state) {
        sqlite_close(*state);
        return 0;
}

static void test_authorized_key(void **state) {
        _cleanup_free_ char *line = NULL;

        assert_int_equal(authorized_keys_line(*state, "/lib/shell", "/srv/r", "ssh-ed25519", KEY, 10, &line), 0);
        assert_string_equal(line, "restrict,command=\"/lib/shell /srv/r home 5 " NAMESPACE " 10\" ssh-ed25519 " KEY);
}

static void test_key_that_is_not_authorized(void **state) {
        char *line = NULL;

        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "/srv/r", "ssh-rsa", KEY, 10, &line),
                        -ENOENT);
        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "/srv/r", "ssh-ed25519", "AAAA", 10, &line),
                        -ENOENT);
        assert_int_equal(
                        authorized_keys_line(
                                        *state, "/lib/shell", "/srv/r", "ssh-ed25519", "' OR 1=1 --", 10, &line),
                        -ENOENT);
        assert_int_equal(sqlite_run(*state, "UPDATE subscriptions SET suspended = 1", ""), 1);
        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "/srv/r", "ssh-ed25519", KEY, 10, &line),
                        -ENOENT);
        assert_int_equal(sqlite_run(*state, "UPDATE subscriptions SET suspended = 0", ""), 1);
        assert_int_equal(sqlite_run(*state, "UPDATE devices SET subscription = NULL", ""), 1);
        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "/srv/r", "ssh-ed25519", KEY, 10, &line),
                        -ENOENT);
}

static void test_line_cannot_be_misread(void **state) {
        char *line = NULL;

        assert_int_equal(
                        authorized_keys_line(*state, "/lib/\" x", "/srv/r", "ssh-ed25519", KEY, 10, &line),
                        -EINVAL);
        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "/srv/a b", "ssh-ed25519", KEY, 10, &line),
                        -EINVAL);
        assert_int_equal(
                        authorized_keys_line(*state, "/lib/shell", "srv", "ssh-ed25519", KEY, 10, &line),
                        -EINVAL);
}

#define ONE "1111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222"
#define NIL "0000000000000000000000000000000000000000"

static const char *refusal_of(const char *line) {
        RefUpdate u;

        assert_int_equal(ref_update_parse(line, &u), 0);
        return ref_update_refusal(&u, NAMESPACE);
}

static void test_refs_that_may_move(void **state) {
        assert_null(refusal_of(ONE " " TWO " refs/heads/main"));
        assert_null(refusal_of(NIL " " TWO " refs/heads/main"));
        assert_null(refusal_of(NIL " " TWO " refs/staging/" NAMESPACE "/00001"));
        assert_null(refusal_of(ONE " " NIL " refs/staging/" NAMESPACE "/00001"));
}

static void test_refs_that_may_not(void **state) {
        static const char *const refs[] = {
                "refs/heads/other",
                "refs/heads/main2",
                "refs/heads/main/x",
                "refs/tags/v1",
                "refs/staging/",
                "refs/staging/" NAMESPACE,
                "refs/staging/" NAMESPACE "/",
                "refs/staging//1",
                "refs/staging/../heads/main",
                "refs/staging/" NAMESPACE "/..",
                "refs/staging/" NAMESPACE "/a b",
                "refs/staging/" NAMESPACE "/a/b",
                "refs/staging/" NAMESPACE "0/1",
                "refs/staging/0123456789abcdef/1",
                "HEAD",
                "refs/notes/x",
                "refs/staging/" NAMESPACE "/.x",
        };

        for (size_t i = 0; i < ELEMENTSOF(refs); i++) {
                _cleanup_free_ char *line = strfmt(NIL " " ONE " %s", refs[i]);

                assert_non_null(refusal_of(line));
        }
        assert_non_null(refusal_of(ONE " " NIL " refs/heads/main"));
}

static void test_staging_without_a_namespace(void **state) {
        RefUpdate u;

        assert_int_equal(ref_update_parse(NIL " " ONE " refs/staging/" NAMESPACE "/1", &u), 0);
        assert_non_null(ref_update_refusal(&u, NULL));
}

static void test_namespace_of_a_key(void **state) {
        static const char *const keys[] = { "", "A", "AAAAA", "AA=", "AAA==", "AAAA=", "AA==AA==", "A A=", "AAAA\n" };
        char name_space[STAGING_NAMESPACE_SIZE];

        assert_int_equal(staging_namespace(KEY, name_space), 0);
        assert_string_equal(name_space, NAMESPACE);
        /* printf a | sha256sum, and so on: each length of the last group */
        assert_int_equal(staging_namespace("YQ==", name_space), 0);
        assert_string_equal(name_space, "ca978112ca1bbdca");
        assert_int_equal(staging_namespace("YWI=", name_space), 0);
        assert_string_equal(name_space, "fb8e20fc2e4c3f24");
        assert_int_equal(staging_namespace("YWJj", name_space), 0);
        assert_string_equal(name_space, "ba7816bf8f01cfea");
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                assert_int_equal(staging_namespace(keys[i], name_space), -EINVAL);
}

static void test_lines_that_are_not_updates(void **state) {
        static const char *const lines[] = {
                "",
                "x",
                ONE,
                ONE " " TWO,
                ONE " " TWO " ",
                ONE "  " TWO " refs/heads/main",
                "1 2 refs/heads/main",
        };
        RefUpdate u;

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                assert_int_equal(ref_update_parse(lines[i], &u), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_commands_of_git),
                cmocka_unit_test(test_other_repository),
                cmocka_unit_test(test_other_commands),
                cmocka_unit_test_setup_teardown(test_authorized_key, open_keys, close_keys),
                cmocka_unit_test_setup_teardown(test_key_that_is_not_authorized, open_keys, close_keys),
                cmocka_unit_test_setup_teardown(test_line_cannot_be_misread, open_keys, close_keys),
                cmocka_unit_test(test_refs_that_may_move),
                cmocka_unit_test(test_refs_that_may_not),
                cmocka_unit_test(test_staging_without_a_namespace),
                cmocka_unit_test(test_namespace_of_a_key),
                cmocka_unit_test(test_lines_that_are_not_updates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
