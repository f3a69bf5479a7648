/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the servers read: their configuration, and the files beside it. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"

#define CERTIFICATE_WORKER LIBEXECDIR "/sharemgr-certificate-worker"

/* A slow processor without a source of random numbers. */
#define CERTIFICATE_TIMEOUT_USEC (60U * 1000000U)

static void on_certificate(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Manager *m = userdata;

        m->certificate_worker = worker_free(m->certificate_worker);
        if (worker_succeeded(si))
                manager_schedule(m);
        else
                log_error("HTTPS and FTP over TLS wait for a certificate.");
}

/* 0; -EAGAIN if there is none yet, then its coming makes a pass; or another negative errno. */
static int need_certificate(Manager *m, const ShareSet *s) {
        const char *argv[] = { CERTIFICATE_WORKER, isempty(s->host_name) ? "nas" : s->host_name, m->config->certificate,
                               NULL };
        int r;

        if (access(TLS_PEM, F_OK) >= 0)
                return 0;
        if (m->certificate_worker)
                return -EAGAIN;
        r = worker_spawn(
                        &m->certificate_worker,
                        NULL,
                        m->event,
                        (char *const *) argv,
                        CERTIFICATE_TIMEOUT_USEC,
                        on_certificate,
                        m);
        return r < 0 ? r : -EAGAIN;
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

        if (m->config->ftp_tls != SHARE_TLS_OFF && (r = need_certificate(m, s)) < 0)
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
        _cleanup_free_ char *table = NULL;
        uint64_t digest = UINT64_C(0xcbf29ce484222325);
        char *joined;

        /* FNV-1a (draft-eastlake-fnv): it only has to be another one when the table is. The library of a real digest
         * takes more memory than all the rest of this process. */
        (void) read_file(AT_FDCWD, HTPASSWD, CONFIGURATION_MAX, &table, NULL);
        for (const char *p = strempty(table); *p; p++)
                digest = (digest ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        joined = strfmt("%s# accounts %016" PRIx64 "\n", *text, digest);
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

        if ((r = make_http_root(s)) < 0 || (protocol == SHARE_HTTPS && (r = need_certificate(m, s)) < 0))
                return r;
        r = render_lighttpd_conf(s, &m->network, protocol, m->config->http_writing, ret);
        return r < 0 ? r : append_accounts_digest(ret);
}

static void on_announced(const char *unit, const char *result, void *userdata) {
        if (!streq(result, "done"))
                log_warning("The SMB server is not announced by %s: %s.", unit, result);
}

/* For the units that announce the SMB server: they are made anew when it changes. */
static int write_discovery(Manager *m, const ShareSet *s) {
        static const char *const units[] = { "ispstorage-wsdd.service", "ispstorage-mdns.service" };
        _cleanup_free_ char *interfaces = strv_join(m->network.interfaces, " --interface "), *text = NULL;
        const char *host = isempty(s->host_name) ? "nas" : s->host_name;
        bool workgroup = !isempty(s->domain_name) && !strchr(s->domain_name, '.');
        int r;

        text = interfaces ? strfmt("HOST_NAME=%s\nWORKGROUP=%s\nWSDD_INTERFACES=\"--interface %s\"\n",
                                   host,
                                   workgroup ? s->domain_name : "WORKGROUP",
                                   interfaces)
                          : NULL;
        if (!text)
                return -ENOMEM;
        r = manager_write_if_changed(DISCOVERY_ENV, text, 0644);
        for (size_t i = 0; r > 0 && i < ELEMENTSOF(units) && m->servers[SERVER_SMB].active; i++)
                if (unit_jobs_queue(m->jobs, "RestartUnit", units[i], on_announced, m) < 0)
                        log_warning("Failed to announce the SMB server by %s.", units[i]);
        return r;
}

int server_render(Manager *m, const ShareSet *s, ServerKind kind, char **ret) {
        int r;

        switch (kind) {
        case SERVER_SMB:
                r = write_discovery(m, s);
                return r < 0 ? r : render_smb_conf(s, &m->network, &m->config->smb, ret);
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
