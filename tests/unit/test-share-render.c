/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The servers' configuration: equal to the golden files, and what must and must not be in it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "sharemgr/render.h"

static void add_user(ShareSet *s, uint32_t instance, const char *name, bool ftp, bool http) {
        ShareUser *u = share_set_add_user(s);

        assert_non_null(u);
        u->instance = instance;
        u->name = strdup(name);
        u->ftp_allowed = ftp;
        u->http_allowed = http;
}

static ShareFolder *add_folder(
                ShareVolume *v, uint32_t instance, const char *name, uint32_t account_access) {
        ShareFolder *f = share_volume_add_folder(v);

        assert_non_null(f);
        f->instance = instance;
        f->share = strdup(name);
        f->directory = strfmt("/srv/ispstorage/home/%s", name);
        f->account_access = account_access;
        f->online = true;
        return f;
}

static void grant(ShareFolder *f, uint32_t user, uint32_t permissions) {
        assert_int_equal(share_folder_grant(f, user, permissions), 0);
}

/* alice writes to photos and reads films; bob the other way round, without FTP; carol has a row without the
 * read bit; dora has the rights of alice. */
static ShareSet *fixture_new(void) {
        ShareSet *s = calloc(1, sizeof(ShareSet));
        ShareVolume *v;
        ShareFolder *f;

        assert_non_null(s);
        s->enabled = s->smb_enabled = s->smb_authentication = true;
        s->anonymous_read_only = true;
        s->host_name = strdup("nas");
        s->domain_name = strdup("OFFICE");
        s->ftp = (ShareServer){ true, 16, 300, 21 };
        s->http = (ShareServer){ true, 8, 60, 80, true };
        s->https = (ShareServer){ true, 4, 30, 443, true };
        add_user(s, 1, "alice", true, true);
        add_user(s, 2, "bob", false, true);
        add_user(s, 4, "carol", true, false);
        add_user(s, 5, "dora", true, true);
        v = share_set_add_volume(s);
        assert_non_null(v);
        v->instance = 1;
        v->name = strdup("home");
        f = add_folder(v, 1, "photos", 2);
        grant(f, 1, 7);
        grant(f, 2, 4);
        grant(f, 4, 2);
        grant(f, 5, 6);
        f = add_folder(v, 2, "films & \xc3\xbc", 3);
        grant(f, 1, 5);
        grant(f, 2, 7);
        grant(f, 5, 4);
        return s;
}

static char *addresses[] = { (char *) "192.0.2.1", (char *) "192.0.2.2", (char *) "fd00::1", NULL };
static char *interfaces[] = { (char *) "lan0", NULL };
static const ShareSmbOptions smb_options = { .encryption = SHARE_TLS_OFFERED, .apple = true };
static const ShareNetwork network = { interfaces, addresses };

static void assert_golden(const char *name, const char *text) {
        _cleanup_free_ char *path = strfmt(GOLDEN_DIRECTORY "/%s", name), *golden = NULL;

        /* ISPSTORAGE_GOLDEN_WRITE=1 writes them anew, for review with git diff. */
        if (getenv("ISPSTORAGE_GOLDEN_WRITE"))
                assert_int_equal(write_file_atomic(AT_FDCWD, path, text, strlen(text), 0644), 0);
        assert_int_equal(read_file(AT_FDCWD, path, 1024 * 1024, &golden, NULL), 0);
        assert_string_equal(text, golden);
}

static void test_smb_conf(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *text = NULL;

        assert_int_equal(render_smb_conf(s, &network, &smb_options, &text), 0);
        assert_golden("smb.conf", text);
}

static void test_smb_options(void **state) {
        static const ShareSmbOptions options = { .encryption = SHARE_TLS_REQUIRED, .volume_roots = true };
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *text = NULL;

        s->volumes[0].online = s->volumes[0].snapshots = true;
        s->volumes[0].folders[0].quota = 100;
        assert_int_equal(render_smb_conf(s, &network, &options, &text), 0);
        assert_golden("smb-options.conf", text);
}

static void test_vsftpd(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *text = NULL, *mounts = NULL, *list = NULL, *user = NULL, *socket = NULL;

        assert_int_equal(render_vsftpd_conf(s, SHARE_TLS_OFFERED, &text), 0);
        assert_golden("vsftpd.conf", text);
        assert_int_equal(render_vsftpd_mounts(s, &mounts), 0);
        assert_golden("vsftpd-mounts", mounts);
        assert_int_equal(render_vsftpd_socket(s, &network, &socket), 0);
        assert_golden("vsftpd-socket.conf", socket);
        assert_int_equal(render_vsftpd_user_list(s, &list), 0);
        assert_string_equal(list, "alice\ncarol\ndora\n");
        /* dora has the same rights, so she is shown the same directory. */
        assert_int_equal(render_vsftpd_user(s, s->users + 3, &user), 0);
        assert_string_equal(user, "local_root=/run/ispstorage/share/vsftpd/roots/1\n");
}

static void test_lighttpd_conf(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *text = NULL, *read_only = NULL;

        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTP, true, &text), 0);
        assert_golden("lighttpd.conf", text);
        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTP, false, &read_only), 0);
        assert_null(strstr(read_only, "webdav.activate"));
}

static void test_lighttpd_tls_conf(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *text = NULL;

        /* What HTTP lets in does not decide about HTTPS. */
        s->http.authentication = false;
        s->volumes[0].folders[1].full = true;
        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTPS, true, &text), 0);
        assert_golden("lighttpd-tls.conf", text);
}

/* Nothing may be added to a full folder; what SMB and FTP cannot tell from adding is refused with it. */
static void test_full_folder(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        const ShareFolder *photos = s->volumes[0].folders;

        s->volumes[0].folders[0].full = true;
        assert_int_equal(share_folder_access(s, photos, s->users, SHARE_SMB), SHARE_ACCESS_READ);
        assert_int_equal(share_folder_access(s, photos, s->users, SHARE_FTP), SHARE_ACCESS_READ);
        assert_int_equal(share_folder_access(s, photos, s->users, SHARE_HTTP), SHARE_ACCESS_WRITE);
}

/* Without authentication, neither list of the folders asks for an account. */
static void test_lists_are_as_open_as_their_folders(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *http = NULL, *smb = NULL;

        s->http.authentication = s->smb_authentication = false;
        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTP, true, &http), 0);
        assert_null(strstr(http, "valid-user"));
        assert_int_equal(render_smb_conf(s, &network, &smb_options, &smb), 0);
        assert_null(strstr(smb, "restrict anonymous"));
}

/* A folder to which nobody has rights must not become one to which everybody has. */
static void test_nobody_is_not_everybody(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *smb = NULL, *http = NULL, *ftp = NULL;

        s->volumes[0].folders[0].n_grants = s->volumes[0].folders[1].n_grants = 0;
        assert_int_equal(render_smb_conf(s, &network, &smb_options, &smb), 0);
        assert_null(strstr(smb, "[photos]"));
        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTP, true, &http), 0);
        assert_non_null(strstr(http, "url.access-deny = ( \"\" )"));
        assert_null(strstr(http, "user="));
        assert_int_equal(render_vsftpd_mounts(s, &ftp), 0);
        assert_string_equal(ftp, "");
}

static void test_offline_folder_is_not_shared(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *smb = NULL, *http = NULL;

        s->volumes[0].folders[0].online = false;
        assert_int_equal(render_smb_conf(s, &network, &smb_options, &smb), 0);
        assert_null(strstr(smb, "[photos]"));
        assert_int_equal(render_lighttpd_conf(s, &network, SHARE_HTTP, true, &http), 0);
        assert_null(strstr(http, "/photos/"));
}

static void test_rights(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        const ShareFolder *photos = s->volumes[0].folders;
        const ShareUser *alice = s->users, *bob = s->users + 1, *carol = s->users + 2;

        for (ShareProtocol p = 0; p < _SHARE_PROTOCOL_MAX; p++)
                assert_int_equal(share_folder_access(s, photos, alice, p), SHARE_ACCESS_WRITE);
        assert_int_equal(share_folder_access(s, photos, bob, SHARE_SMB), SHARE_ACCESS_READ);
        assert_int_equal(share_folder_access(s, photos, bob, SHARE_HTTP), SHARE_ACCESS_READ);
        assert_int_equal(share_folder_access(s, photos, bob, SHARE_FTP), SHARE_ACCESS_NONE);
        assert_int_equal(share_folder_access(s, photos, carol, SHARE_SMB), SHARE_ACCESS_NONE);

        /* NetworkProtocolAuthReq=false opens SMB and nothing else. */
        s->smb_authentication = false;
        assert_int_equal(share_folder_access(s, photos, carol, SHARE_SMB), SHARE_ACCESS_WRITE);
        assert_int_equal(share_folder_access(s, photos, carol, SHARE_HTTP), SHARE_ACCESS_NONE);

        /* AuthenticationReq=false opens HTTP, but not a folder whose bit 1 asks for an account. */
        s->http.authentication = false;
        assert_true(share_folder_is_open(s, photos, SHARE_HTTP));
        assert_false(share_folder_is_open(s, s->volumes[0].folders + 1, SHARE_HTTP));
}

static void test_anonymous(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = fixture_new();
        _cleanup_free_ char *conf = NULL, *mounts = NULL, *writable = NULL, *inside = NULL;

        s->anonymous_enabled = true;
        s->anonymous_folder = strdup("Services.StorageService.1.LogicalVolume.1.Folder.1");
        assert_int_equal(render_vsftpd_conf(s, SHARE_TLS_OFF, &conf), 0);
        assert_non_null(strstr(conf, "\nanonymous_enable=YES\n"));
        assert_null(strstr(conf, "anon_upload_enable"));
        assert_int_equal(render_vsftpd_mounts(s, &mounts), 0);
        assert_non_null(strstr(mounts, "\nro /srv/ispstorage/home/photos\tanonymous\n"));
        assert_null(strstr(conf, "ssl_enable"));

        s->anonymous_read_only = false;
        assert_int_equal(render_vsftpd_conf(s, SHARE_TLS_REQUIRED, &writable), 0);
        assert_non_null(strstr(writable, "\nanon_upload_enable=YES\n"));
        assert_non_null(strstr(writable, "\nforce_anon_logins_ssl=YES\n"));
        assert_int_equal(render_vsftpd_mounts(s, &inside), 0);
        assert_non_null(strstr(inside, "\nrw /srv/ispstorage/home/photos\tanonymous/photos\n"));

        /* A folder that asks for an account over FTP is not for anonymous users. */
        s->volumes[0].folders[0].account_access = 3;
        assert_null(share_set_find_anonymous_folder(s));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_smb_conf),
                cmocka_unit_test(test_smb_options),
                cmocka_unit_test(test_vsftpd),
                cmocka_unit_test(test_lighttpd_conf),
                cmocka_unit_test(test_lighttpd_tls_conf),
                cmocka_unit_test(test_full_folder),
                cmocka_unit_test(test_lists_are_as_open_as_their_folders),
                cmocka_unit_test(test_nobody_is_not_everybody),
                cmocka_unit_test(test_offline_folder_is_not_shared),
                cmocka_unit_test(test_rights),
                cmocka_unit_test(test_anonymous),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
