/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export: a version of a folder into a plain directory. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"

#define TAR "/usr/bin/tar"

/* Starts tar, which unpacks what is written to *ret_fd into the directory. */
static int start_tar(const char *directory, int *ret_fd, pid_t *ret_pid) {
        const char *const argv[] = { "tar", "-x", "-f", "-", "--no-same-owner", "-C", directory, NULL };
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid < 0) {
                (void) close(fds[0]);
                (void) close(fds[1]);
                return -errno;
        }
        if (pid == 0) {
                if (dup2(fds[0], STDIN_FILENO) >= 0)
                        (void) execv(TAR, (char *const *) argv);
                _exit(127);
        }
        /* If it ends early, that shows as an error. */
        (void) signal(SIGPIPE, SIG_IGN);
        (void) close(fds[0]);
        *ret_fd = fds[1];
        *ret_pid = pid;
        return 0;
}

static char *archive_path(const char *subscription, const Options *o) {
        _cleanup_free_ char *name = client_escape(subscription), *version = client_escape(strempty(o->at)),
                            *path = client_escape(strempty(o->path));

        return name && version && path ? strfmt("/v1/subscriptions/%s/archive?version=%s&path=%s",
                                                name,
                                                version,
                                                path)
                                       : NULL;
}

/* An exit code. */
static int unpack(const Options *o, const char *archive, const char *directory) {
        _cleanup_json_ json_t *answer = NULL;
        int fd = -EBADF, status = 0, r;
        long http = 0;
        pid_t pid = -1;

        r = start_tar(directory, &fd, &pid);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to start " TAR ": %m");
                return EXIT_REFUSED;
        }
        r = client_download(o->socket, archive, fd, &http, &answer);
        (void) close(fd);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0) {
                (void) log_error_errno(r, "The export from %s was not complete: %m", o->socket);
                return r == -ECONNREFUSED ? EXIT_UNREACHABLE : EXIT_REFUSED;
        }
        if (http >= 400) {
                log_error("%s",
                          json_string_value(json_object_get(answer, "error")) ?: "the frontend refused");
                return EXIT_REFUSED;
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                log_error("tar did not unpack all into %s.", directory);
                return EXIT_REFUSED;
        }
        return EXIT_SUCCESS;
}

int verb_export(int argc, char *argv[], const Options *o) {
        _cleanup_free_ char *archive = NULL;

        if (argc != 2)
                return usage("export: a SUBSCRIPTION and a DIRECTORY are needed");
        if (mkdir(argv[1], 0700) < 0 && errno != EEXIST) {
                (void) log_error_errno(-errno, "%s: %m", argv[1]);
                return EXIT_REFUSED;
        }
        archive = archive_path(argv[0], o);
        return archive ? unpack(o, archive, argv[1]) : EXIT_REFUSED;
}
