/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "common/base/str.h"
#include "sharemgr/render.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/text.h"

/* vsftpd's own seccomp filter lacks system calls that the C library of today makes, and its namespaces need
 * privileges that the unit does not give; the unit's sandbox does both. chmod would make files executable.
 */
static const char constant[] = "background=NO\n"
                               "listen=YES\n"
                               "session_support=NO\n"
                               "seccomp_sandbox=NO\n"
                               "isolate=NO\n"
                               "isolate_network=NO\n"
                               "nopriv_user=" DATA_USER "\n"
                               "ftp_username=" DATA_USER "\n"
                               "secure_chroot_dir=" VSFTPD_EMPTY_DIRECTORY "\n"
                               "pam_service_name=ispstorage-ftp\n"
                               "local_enable=YES\n"
                               "write_enable=YES\n"
                               "local_umask=022\n"
                               "file_open_mode=0666\n"
                               "chmod_enable=NO\n"
                               "chroot_local_user=YES\n"
                               "user_config_dir=" VSFTPD_USERS_DIRECTORY "\n"
                               "userlist_enable=YES\n"
                               "userlist_deny=NO\n"
                               "userlist_file=" VSFTPD_DIRECTORY "/userlist\n"
                               "hide_ids=YES\n"
                               "use_localtime=NO\n"
                               "xferlog_enable=NO\n"
                               "ftpd_banner=ISPStorage\n"
                               "connect_from_port_20=NO\n";

static const char anonymous_constant[] = "anonymous_enable=YES\n"
                                         "no_anon_password=YES\n"
                                         "anon_world_readable_only=NO\n"
                                         "anon_umask=022\n"
                                         "anon_root=" VSFTPD_ROOTS_DIRECTORY "/anonymous\n";

/* The root of the anonymous user is the folder itself, which must be writable then; vsftpd wants that said.
 * The roots of the others are never writable. */
static const char anonymous_writes[] = "anon_upload_enable=YES\n"
                                       "anon_mkdir_write_enable=YES\n"
                                       "anon_other_write_enable=YES\n"
                                       "allow_writeable_chroot=YES\n";

int render_vsftpd_conf(const ShareSet *s, const ShareNetwork *network, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        fputs(constant, text.stream);
        fprintf(text.stream,
                "pasv_min_port=%u\npasv_max_port=%u\n",
                FTP_PASSIVE_PORT_FIRST,
                FTP_PASSIVE_PORT_LAST);
        if (network->addresses && network->addresses[0])
                fprintf(text.stream, "listen_address=%s\n", network->addresses[0]);
        fprintf(text.stream,
                "listen_port=%" PRIu32 "\nmax_clients=%" PRIu32 "\nidle_session_timeout=%" PRIu32 "\n",
                s->ftp.port,
                s->ftp.max_users,
                s->ftp.idle_time);
        if (share_set_find_anonymous_folder(s)) {
                fputs(anonymous_constant, text.stream);
                if (!s->anonymous_read_only)
                        fputs(anonymous_writes, text.stream);
        } else
                fputs("anonymous_enable=NO\n", text.stream);
        return text_end(&text, ret);
}

int render_vsftpd_user_list(const ShareSet *s, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s->n_users; i++)
                if (s->users[i].ftp_allowed)
                        fprintf(text.stream, "%s\n", s->users[i].name);
        if (share_set_find_anonymous_folder(s))
                fputs("anonymous\nftp\n", text.stream);
        return text_end(&text, ret);
}

static bool have_equal_rights(const ShareSet *s, const ShareUser *a, const ShareUser *b) {
        SHARE_SET_FOREACH_ONLINE(f, s)
        if (share_folder_access(s, f, a, SHARE_FTP) != share_folder_access(s, f, b, SHARE_FTP))
                return false;
        return true;
}

/* The first user with the same rights, after whom the common root directory is named. */
static const ShareUser *root_owner(const ShareSet *s, const ShareUser *u) {
        for (const ShareUser *first = s->users; first < u; first++)
                if (have_equal_rights(s, first, u))
                        return first;
        return u;
}

bool vsftpd_user_has_own_root(const ShareSet *s, const ShareUser *u) {
        return root_owner(s, u) == u;
}

int render_vsftpd_user(const ShareSet *s, const ShareUser *u, char **ret) {
        char *text = strfmt(
                        "local_root=" VSFTPD_ROOTS_DIRECTORY "/%" PRIu32 "\n", root_owner(s, u)->instance);

        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static void write_mount(
                FILE *out, bool writable, const ShareFolder *f, const char *root, const char *share) {
        fprintf(out,
                "%s=\"%s\":\"" VSFTPD_ROOTS_DIRECTORY "/%s%s%s\"\n",
                writable ? "BindPaths" : "BindReadOnlyPaths",
                f->directory,
                root,
                share ? "/" : "",
                strempty(share));
}

static int write_root_mounts(FILE *out, const ShareSet *s, const ShareUser *u) {
        _cleanup_free_ char *root = strfmt("%" PRIu32, u->instance);

        if (!root)
                return -ENOMEM;
        SHARE_SET_FOREACH_ONLINE(f, s) {
                ShareAccess access = share_folder_access(s, f, u, SHARE_FTP);

                if (access != SHARE_ACCESS_NONE)
                        write_mount(out, access == SHARE_ACCESS_WRITE, f, root, f->share);
        }
        return 0;
}

int render_vsftpd_mounts(const ShareSet *s, char **ret) {
        const ShareFolder *anonymous = share_set_find_anonymous_folder(s);
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        fputs("[Service]\n", text.stream);
        for (size_t i = 0; i < s->n_users; i++)
                if (vsftpd_user_has_own_root(s, s->users + i)) {
                        r = write_root_mounts(text.stream, s, s->users + i);
                        if (r < 0)
                                return r;
                }
        if (anonymous)
                write_mount(text.stream, !s->anonymous_read_only, anonymous, "anonymous", NULL);
        return text_end(&text, ret);
}

int list_vsftpd_directories(const ShareSet *s, char ***ret) {
        _cleanup_strv_free_ char **l = NULL;
        int r;

        r = strv_extend(&l, VSFTPD_ROOTS_DIRECTORY "/anonymous");
        for (const ShareUser *u = s->users; r >= 0 && u && u < s->users + s->n_users; u++) {
                if (!vsftpd_user_has_own_root(s, u))
                        continue;
                r = strv_consume(&l, strfmt(VSFTPD_ROOTS_DIRECTORY "/%" PRIu32, u->instance));
                SHARE_SET_FOREACH_ONLINE(f, s)
                if (r >= 0 && share_folder_access(s, f, u, SHARE_FTP) != SHARE_ACCESS_NONE)
                        r =
                                        strv_consume(&l,
                                                     strfmt(VSFTPD_ROOTS_DIRECTORY "/%" PRIu32 "/%s",
                                                            u->instance,
                                                            f->share));
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}
