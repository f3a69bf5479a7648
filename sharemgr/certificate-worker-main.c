/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the certificate and key in place that HTTPS and FTP use: the administrator's, or one of our own,
 * which is made the first time and then kept, as users pin it. Arguments: the host name, and the
 * administrator's file, if there is one. A process of its own, as the library takes more memory than the
 * share manager, and is needed once. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/certificate.h"
#include "sharemgr/share-paths.h"

/* 0600. */
#define OWN_CERTIFICATE STATE_DIRECTORY "/tls.pem"

/* A chain of a few certificates and a key. */
#define CERTIFICATE_MAX (256U * 1024U)

static int read_usable(const char *path, char **ret) {
        char *pem;
        int r = read_file(AT_FDCWD, path, CERTIFICATE_MAX, &pem, NULL);

        if (r < 0)
                return r;
        if (!certificate_is_usable(pem)) {
                free(pem);
                return -EBADMSG;
        }
        *ret = pem;
        return 0;
}

static int get_certificate(const char *host_name, const char *path, char **ret) {
        int r = path ? read_usable(path, ret) : -ENOENT;

        if (r >= 0)
                return 0;
        if (path)
                log_error_errno(r,
                                "There is no certificate with its key in %s, another one is used: %m",
                                path);
        if (read_usable(OWN_CERTIFICATE, ret) >= 0)
                return 0;
        r = certificate_make(host_name, ret);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, OWN_CERTIFICATE, *ret, strlen(*ret), 0600);
}

/* The servers read it as the data user. */
static int place(const char *pem) {
        struct passwd *data = getpwnam(DATA_USER);
        int r;

        if (!data)
                return -ENOENT;
        r = write_file_atomic(AT_FDCWD, TLS_PEM ".new", pem, strlen(pem), 0600);
        if (r < 0)
                return r;
        if (chown(TLS_PEM ".new", 0, data->pw_gid) < 0 || chmod(TLS_PEM ".new", 0640) < 0 ||
            rename(TLS_PEM ".new", TLS_PEM) < 0)
                return -errno;
        return 0;
}

int main(int argc, char *argv[]) {
        char *pem = NULL;
        int r;

        log_open();
        if (argc < 2 || argc > 3)
                return EXIT_FAILURE;
        r = get_certificate(argv[1], argv[2], &pem);
        if (r >= 0)
                r = place(pem);
        if (pem)
                explicit_bzero(pem, strlen(pem));
        free(pem);
        return r < 0 && log_error_errno(r, "Failed to put a certificate in place: %m") < 0;
}
