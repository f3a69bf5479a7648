/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at the disks and writes one message per disk to its socket. A process of its own: a broken disk
 * blocks for minutes, and a file system's superblock is written by strangers. Arguments: the patterns of the
 * disks that may be used. With "--is-empty /dev/<name>" it says by its exit status whether nothing is on the disk,
 * for the unit that formats it: what was known before may be over. */
#include <blkid.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"
#include "sharemgr/media.h"
#include "sharemgr/share-paths.h"

#define LINE_MAX_LENGTH 16384U

/* True if the device, or a partition of it, has this number. */
static bool disk_has_number(const char *name, dev_t number) {
        _cleanup_free_ char *own = strfmt("/sys/dev/block/%u:%u", major(number), minor(number));
        _cleanup_free_ char *target = own ? realpath(own, NULL) : NULL;
        _cleanup_free_ char *link = strfmt("/sys/class/block/%s", name),
                            *disk = link ? realpath(link, NULL) : NULL;
        const char *rest = target && disk ? startswith(target, disk) : NULL;

        return rest && (*rest == 0 || *rest == '/');
}

static bool is_device(const char *path, dev_t *ret) {
        struct stat st;

        if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
                return false;
        *ret = st.st_rdev;
        return true;
}

/* True if a mounted file system that is not one of our volumes lies on the disk. Both numbers are looked at,
 * as btrfs shows one of its own. */
static bool is_mounted(const char *name) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
        char line[LINE_MAX_LENGTH], where[LINE_MAX_LENGTH], source[LINE_MAX_LENGTH];
        unsigned a, b;
        dev_t number;

        while (f && fgets(line, sizeof(line), f)) {
                const char *rest = strstr(line, " - ");

                if (sscanf(line, "%*u %*u %u:%u %*s %16383s", &a, &b, where) != 3)
                        continue;
                if (startswith(where, VOLUMES_DIRECTORY "/"))
                        continue;
                if (disk_has_number(name, makedev(a, b)))
                        return true;
                if (rest && sscanf(rest, " - %*s %16383s", source) == 1 && is_device(source, &number) &&
                    disk_has_number(name, number))
                        return true;
        }
        return !f;
}

static bool is_swap(const char *name) {
        _cleanup_fclose_ FILE *f = fopen("/proc/swaps", "re");
        char line[LINE_MAX_LENGTH], path[LINE_MAX_LENGTH];
        dev_t number;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%16383s", path) == 1 && is_device(path, &number) &&
                    disk_has_number(name, number))
                        return true;
        return false;
}

/* Device mapper, MD and the like. */
static bool has_holders(const char *name) {
        _cleanup_free_ char *path = strfmt("/sys/class/block/%s/holders", name);
        _cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        return true;
        return false;
}

static int get_value(blkid_probe probe, const char *name, char **ret) {
        const char *value;

        if (blkid_probe_lookup_value(probe, name, &value, NULL) < 0)
                return -ENOENT;
        *ret = strdup(value);
        return *ret ? 0 : -ENOMEM;
}

static void probe_content(Medium *m) {
        _cleanup_free_ char *path = strfmt("/dev/%s", m->name);
        blkid_probe probe = path ? blkid_new_probe_from_filename(path) : NULL;
        int r;

        m->content = MEDIUM_UNREADABLE;
        if (!probe)
                return;
        (void) blkid_probe_enable_superblocks(probe, 1);
        (void) blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE);
        (void) blkid_probe_enable_partitions(probe, 1);
        r = blkid_do_safeprobe(probe);
        if (r == 1)
                m->content = MEDIUM_EMPTY;
        else if (r == 0 && get_value(probe, "UUID", &m->uuid) >= 0 &&
                 get_value(probe, "TYPE", &m->file_system) >= 0)
                m->content = MEDIUM_VOLUME;
        else if (r == 0 || r == -2)
                m->content = MEDIUM_FOREIGN;
        blkid_free_probe(probe);
}

static int send_medium(const Medium *m) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = medium_to_text(m, &text);
        if (r < 0)
                return r;
        if (strlen(text) >= MEDIUM_TEXT_MAX)
                return -EMSGSIZE;
        return send(WORKER_SOCKET_FD, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int look_at(int class_fd, const char *name, char *const *patterns) {
        _cleanup_free_ char *path = strfmt("/dev/%s", name);
        _cleanup_(medium_done) Medium m = {};
        dev_t number;
        int r;

        if (!path)
                return -ENOMEM;
        /* In a container sysfs shows devices that it was not given. */
        if (!medium_matches(name, patterns) || !is_device(path, &number))
                return 0;
        r = medium_read_sysfs(class_fd, name, &m);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        m.busy = has_holders(name) || is_swap(name) || is_mounted(name);
        probe_content(&m);
        return send_medium(&m);
}

static int check_empty(const char *device) {
        _cleanup_(medium_done) Medium m = { .name = strdup(startswith(device, "/dev/") ?: "") };

        if (!m.name)
                return log_oom() < 0;
        probe_content(&m);
        if (m.content != MEDIUM_EMPTY)
                log_error("%s is not empty.", device);
        return m.content != MEDIUM_EMPTY;
}

int main(int argc, char *argv[]) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int r;

        log_open();
        if (argc == 3 && streq(argv[1], "--is-empty"))
                return check_empty(argv[2]);
        d = opendir("/sys/class/block");
        if (!d)
                return log_error_errno(errno, "Failed to open /sys/class/block: %m") < 0;
        while ((e = readdir(d))) {
                if (e->d_name[0] == '.')
                        continue;
                r = strv_extend(&names, e->d_name);
                if (r < 0)
                        return log_oom() < 0;
        }
        strv_sort(names);
        STRV_FOREACH (name, names) {
                r = look_at(dirfd(d), *name, argv + 1);
                if (r < 0)
                        return log_error_errno(r, "Failed to look at %s: %m", *name) < 0;
        }
        return EXIT_SUCCESS;
}
