/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the servers read: their configuration, and the files beside it. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/certificate.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"

/* In STATE_DIRECTORY, 0600. */
#define OWN_CERTIFICATE "tls.pem"

/* A chain of a few certificates and a key. */
#define CERTIFICATE_MAX (256U * 1024U)

/* The administrator's certificate, or our own, which is made the first time and then kept, as users pin it.
 */
static int read_certificate(Manager *m, const ShareSet *s, char **ret) {
        const char *host_name = isempty(s->host_name) ? "nas" : s->host_name;
        int r;

        if (m->config->certificate) {
                r = read_file(AT_FDCWD, m->config->certificate, CERTIFICATE_MAX, ret, NULL);
                if (r >= 0 && certificate_is_usable(*ret))
                        return 0;
                log_error_errno(r < 0 ? r : -EBADMSG,
                                "There is no certificate with its key in %s, another one is used: %m",
                                m->config->certificate);
                if (r >= 0)
                        *ret = mfree(*ret);
        }
        r = read_file(m->state_fd, OWN_CERTIFICATE, CERTIFICATE_MAX, ret, NULL);
        if (r >= 0 && certificate_is_usable(*ret))
                return 0;
        if (r >= 0)
                *ret = mfree(*ret);
        r = certificate_make(host_name, ret);
        return r < 0 ? r : write_file_atomic(m->state_fd, OWN_CERTIFICATE, *ret, strlen(*ret), 0600);
}

/* The servers read it as the data user. */
static int place_certificate(Manager *m, const ShareSet *s) {
        char *pem = NULL;
        int r;

        if (access(TLS_PEM, F_OK) >= 0)
                return 0;
        r = read_certificate(m, s, &pem);
        if (r >= 0)
                r = manager_write_if_changed(TLS_PEM, pem, 0640);
        if (r >= 0 && chown(TLS_PEM, 0, m->data_gid) < 0)
                r = -errno;
        if (pem)
                explicit_bzero(pem, strlen(pem));
        free(pem);
        return r;
}

/* Sessions see the folders of the moment when they began. */
static int write_mounts(const char *mounts) {
        _cleanup_free_ char *old = NULL;
        int r;

        if (read_file(AT_FDCWD, VSFTPD_MOUNTS, CONFIGURATION_MAX, &old, NULL) >= 0 && streq(old, mounts))
                return 0;
        r = write_file_atomic(AT_FDCWD, VSFTPD_EVICTION_MARK, "", 0, 0600);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, VSFTPD_MOUNTS, mounts, strlen(mounts), 0644);
}

static int render_ftp(Manager *m, const ShareSet *s, char **ret) {
        _cleanup_free_ char *conf = NULL, *mounts = NULL;
        int r;

        if (m->config->ftp_tls != SHARE_TLS_OFF && (r = place_certificate(m, s)) < 0)
                return r;
        if ((r = render_vsftpd_conf(s, m->config->ftp_tls, &conf)) < 0 ||
            (r = render_vsftpd_mounts(s, &mounts)) < 0 || (r = write_mounts(mounts)) < 0 ||
            (r = manager_write_if_changed(VSFTPD_CONF, conf, 0644)) < 0)
                return r;
        return render_vsftpd_socket(s, &m->network, ret);
}

/* The server keeps passwords that it has checked for a minute, but not across a reload: so a change of
 * passwords is to be a change of its configuration. */
static int append_accounts_digest(char **text) {
        uint8_t digest[EVP_MAX_MD_SIZE];
        char hex[2 * EVP_MAX_MD_SIZE + 1], *joined;
        _cleanup_free_ char *table = NULL;
        unsigned n;
        size_t size = 0;

        (void) read_file(AT_FDCWD, HTPASSWD, CONFIGURATION_MAX, &table, &size);
        if (!EVP_Digest(strempty(table), size, digest, &n, EVP_sha256(), NULL))
                return -EIO;
        joined = strfmt("%s# accounts %s\n", *text, format_hex(digest, n, hex));
        if (!joined)
                return -ENOMEM;
        free(*text);
        *text = joined;
        return 0;
}

/* HTTP shows the folders as directories of an empty root. */
static int make_http_root(const ShareSet *s) {
        int r;

        SHARE_SET_FOREACH_ONLINE(f, s) {
                _cleanup_free_ char *path = strfmt(LIGHTTPD_ROOT_DIRECTORY "/%s", f->share);

                r = path ? mkdir_parents(path, 0755) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int render_http(Manager *m, const ShareSet *s, ShareProtocol protocol, char **ret) {
        int r;

        if ((r = make_http_root(s)) < 0 || (protocol == SHARE_HTTPS && (r = place_certificate(m, s)) < 0))
                return r;
        r = render_lighttpd_conf(s, &m->network, protocol, m->config->http_writing, ret);
        return r < 0 ? r : append_accounts_digest(ret);
}

int server_render(Manager *m, const ShareSet *s, ServerKind kind, char **ret) {
        switch (kind) {
        case SERVER_SMB:
                return render_smb_conf(s, &m->network, &m->config->smb, ret);
        case SERVER_FTP:
                return render_ftp(m, s, ret);
        case SERVER_HTTP:
                return render_http(m, s, SHARE_HTTP, ret);
        case SERVER_HTTPS:
                return render_http(m, s, SHARE_HTTPS, ret);
        case _SERVER_MAX:
                break;
        }
        return -EINVAL;
}

bool server_is_wanted(const Manager *m, const ShareSet *s, ServerKind kind) {
        const bool enabled[_SERVER_MAX] = {
                [SERVER_SMB] = s->smb_enabled,
                [SERVER_FTP] = s->ftp.enabled,
                [SERVER_HTTP] = s->http.enabled,
                [SERVER_HTTPS] = s->https.enabled,
        };

        return s->enabled && enabled[kind] && strv_length(m->network.addresses) > 0;
}
