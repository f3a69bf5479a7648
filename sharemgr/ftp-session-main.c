/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Begins one FTP session: makes the users' roots of bind mounts, in the mount namespace that the service
 * manager made for this session, gives up the privilege to do so, and becomes vsftpd. Standard input and
 * output are the connection.
 *
 * vsftpd has rights per user, not per folder; a folder that may only be read is a read-only mount. The
 * kernel makes thousands of mounts in the time in which the service manager makes a hundred, as that reads
 * all after each. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/share-paths.h"

#define VSFTPD "/usr/sbin/vsftpd"

/* A folder in a root: 256 users by 10000 folders would be as many as nobody has. */
#define MOUNTS_FILE_MAX (64U * 1024U * 1024U)

/* Step by step, through no symbolic link (openat2(2) is not to be had where RestrictSUIDSGID= is on). */
static int open_source(char *path) {
        int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (char *name; fd >= 0 && (name = strsep(&path, "/"));) {
                int next = *name ? openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : fd,
                    e = errno;

                if (next != fd)
                        (void) close(fd);
                fd = next;
                errno = e;
        }
        return fd < 0 ? -errno : fd;
}

/* The flags are set anew, as the namespace shows all but the roots read-only. */
static int bind_directory(char *path, const char *target, bool writable) {
        unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC | (writable ? 0 : MS_RDONLY);
        _cleanup_close_ int fd = open_source(path);
        char source[sizeof("/proc/self/fd/") + 10];

        if (fd < 0)
                return fd;
        (void) snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
        if (mount(source, target, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
                return -errno;
        return 0;
}

/* line: "rw <source>\t<path below the roots>". */
static int make_mount(char *line) {
        _cleanup_free_ char *target = NULL;
        char *source = line + 3, *tab = strchr(source, '\t');
        int r;

        if (!tab || (!startswith(line, "rw ") && !startswith(line, "ro ")))
                return -EBADMSG;
        *tab = 0;
        target = strfmt(VSFTPD_ROOTS_DIRECTORY "/%s", tab + 1);
        if (!target)
                return -ENOMEM;
        r = mkdir_parents(target, 0755);
        return r < 0 ? r : bind_directory(source, target, line[1] == 'w');
}

/* A folder that cannot be mounted, because its disk has just gone, is an empty read-only directory. */
static int make_roots(void) {
        _cleanup_free_ char *mounts = NULL;
        char *rest;
        int r;

        if (mount("tmpfs", VSFTPD_ROOTS_DIRECTORY, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0755") <
            0)
                return -errno;
        r = read_file(AT_FDCWD, VSFTPD_MOUNTS, MOUNTS_FILE_MAX, &mounts, NULL);
        if (r < 0)
                return r;
        rest = mounts;
        for (char *line; (line = strsep(&rest, "\n"));) {
                r = *line ? make_mount(line) : 0;
                if (r < 0)
                        log_error_errno(r, "Failed to show a folder over FTP: %m");
        }
        r = mkdir_parents(VSFTPD_ROOTS_DIRECTORY "/anonymous", 0755);
        if (r < 0)
                return r;
        return mount(NULL,
                     VSFTPD_ROOTS_DIRECTORY,
                     NULL,
                     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC,
                     NULL) < 0
                               ? -errno
                               : 0;
}

/* Out of the bounding set, so that no program that is executed from here on gets it. */
static int drop_capabilities(void) {
        static const int dropped[] = { CAP_SYS_ADMIN, CAP_SETPCAP };

        for (size_t i = 0; i < ELEMENTSOF(dropped); i++)
                if (prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0) < 0)
                        return -errno;
        return 0;
}

int main(void) {
        int r;

        log_open();
        if ((r = make_roots()) < 0)
                return log_error_errno(r, "Failed to make the FTP users' roots: %m") < 0;
        if ((r = drop_capabilities()) < 0)
                return log_error_errno(r, "Failed to give up privileges: %m") < 0;
        (void) execl(VSFTPD, VSFTPD, VSFTPD_CONF, NULL);
        return log_error_errno(errno, "Failed to execute " VSFTPD ": %m") < 0;
}
