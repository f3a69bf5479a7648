/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "common/base/str.h"
#include "sharemgr/render.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/text.h"

/* Started by ispstorage-vsftpd.socket, once for each connection.
 *
 * vsftpd's own seccomp filter lacks system calls that the C library of today makes, and its namespaces need
 * privileges that the unit does not give; the unit's sandbox does both. chmod would make files executable.
 */
static const char constant[] = "background=NO\n"
                               "listen=NO\n"
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
                               "connect_from_port_20=NO\n"
                               /* By this the share manager knows whose session it is. */
                               "setproctitle_enable=YES\n";

/* Explicit TLS (RFC 4217). Clients do not resume TLS sessions as vsftpd would want it by default. */
static const char tls_constant[] = "ssl_enable=YES\n"
                                   "allow_anon_ssl=YES\n"
                                   "require_ssl_reuse=NO\n"
                                   "ssl_ciphers=HIGH\n"
                                   "rsa_cert_file=" TLS_PEM "\n"
                                   "rsa_private_key_file=" TLS_PEM "\n";

static const char anonymous_constant[] = "anonymous_enable=YES\n"
                                         "no_anon_password=YES\n"
                                         "anon_world_readable_only=NO\n"
                                         "anon_umask=022\n"
                                         "anon_root=" VSFTPD_ROOTS_DIRECTORY "/anonymous\n";

/* vsftpd takes no root of anonymous users that they can write, so the folder is a directory in it then. */
static const char anonymous_writes[] = "anon_upload_enable=YES\n"
                                       "anon_mkdir_write_enable=YES\n"
                                       "anon_other_write_enable=YES\n";

int render_vsftpd_conf(const ShareSet *s, ShareTls tls, char **ret) {
        const char *forced = tls == SHARE_TLS_REQUIRED ? "YES" : "NO";
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        fputs(constant, text.stream);
        if (tls != SHARE_TLS_OFF)
                fprintf(text.stream,
                        "%sforce_local_logins_ssl=%s\nforce_local_data_ssl=%s\nforce_anon_logins_ssl=%s\n"
                        "force_anon_data_ssl=%s\n",
                        tls_constant,
                        forced,
                        forced,
                        forced,
                        forced);
        fprintf(text.stream,
                "pasv_min_port=%u\npasv_max_port=%u\nidle_session_timeout=%" PRIu32 "\n",
                FTP_PASSIVE_PORT_FIRST,
                FTP_PASSIVE_PORT_LAST,
                s->ftp.idle_time);
        if (share_set_find_anonymous_folder(s)) {
                fputs(anonymous_constant, text.stream);
                if (!s->anonymous_read_only)
                        fputs(anonymous_writes, text.stream);
        } else
                fputs("anonymous_enable=NO\n", text.stream);
        return text_end(&text, ret);
}

int render_vsftpd_socket(const ShareSet *s, const ShareNetwork *network, char **ret) {
        char **addresses = network->addresses;
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        fputs("[Socket]\nListenStream=\n", text.stream);
        STRV_FOREACH (a, addresses)
                fprintf(text.stream,
                        strchr(*a, ':') ? "ListenStream=[%s]:%" PRIu32 "\n" : "ListenStream=%s:%" PRIu32 "\n",
                        *a,
                        s->ftp.port);
        fprintf(text.stream, "MaxConnections=%" PRIu32 "\n", s->ftp.max_users);
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
                if (first->ftp_allowed && have_equal_rights(s, first, u))
                        return first;
        return u;
}

int render_vsftpd_user(const ShareSet *s, const ShareUser *u, char **ret) {
        char *text = strfmt(
                        "local_root=" VSFTPD_ROOTS_DIRECTORY "/%" PRIu32 "\n", root_owner(s, u)->instance);

        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static void write_mount(FILE *out, bool writable, const ShareFolder *f, const char *root, const char *share) {
        fprintf(out, "%s %s\t%s%s%s\n", writable ? "rw" : "ro", f->directory, root, share ? "/" : "", strempty(share));
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
        for (const ShareUser *u = s->users; u && u < s->users + s->n_users; u++) {
                if (!u->ftp_allowed || root_owner(s, u) != u)
                        continue;
                r = write_root_mounts(text.stream, s, u);
                if (r < 0)
                        return r;
        }
        if (anonymous)
                write_mount(text.stream,
                            !s->anonymous_read_only && !anonymous->full,
                            anonymous,
                            "anonymous",
                            s->anonymous_read_only ? NULL : anonymous->share);
        return text_end(&text, ret);
}
