/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watch in its plainest form: any event makes all of the folder dirty, and every directory is listed again. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/sync-tree.h"
#include "syncd/sync-watch.h"

#define EVENTS (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK | IN_DONT_FOLLOW)

struct SyncWatch {
        int fd;
        int root_fd;
        bool walk; /* directories may have come */
        SyncWatchHandler handler;
        void *userdata;
};

/* Watches the directory and all below; takes the descriptor. */
static void walk(SyncWatch *w, int directory_fd, unsigned depth) {
        _cleanup_closedir_ DIR *d = NULL;
        char path[32];
        struct dirent *e;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", directory_fd);
        (void) inotify_add_watch(w->fd, path, EVENTS & ~(uint32_t) IN_DONT_FOLLOW);
        d = fdopendir(directory_fd);
        if (!d) {
                safe_close(directory_fd);
                return;
        }
        while (depth < SYNC_DEPTH_MAX && (e = readdir(d)))
                if (e->d_type == DT_DIR && !streq(e->d_name, ".") && !streq(e->d_name, "..")) {
                        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                        if (fd >= 0)
                                walk(w, fd, depth + 1);
                }
}

int sync_watch_new(SyncWatch **ret, int root_fd, SyncWatchHandler handler, void *userdata) {
        _cleanup_(sync_watch_freep) SyncWatch *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->root_fd = -EBADF;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (w->fd < 0)
                return -errno;
        w->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        if (w->root_fd < 0)
                return -errno;
        w->handler = handler;
        w->userdata = userdata;
        w->walk = true;
        *ret = TAKE_PTR(w);
        return 0;
}

SyncWatch *sync_watch_free(SyncWatch *w) {
        if (!w)
                return NULL;
        safe_close(w->fd);
        safe_close(w->root_fd);
        free(w);
        return NULL;
}

int sync_watch_fd(const SyncWatch *w) {
        return w->fd;
}

int sync_watch_dispatch(SyncWatch *w) {
        char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool any = w->walk;
        ssize_t n;

        while ((n = read(w->fd, buf, sizeof(buf))) > 0)
                for (char *p = buf; p < buf + n;) {
                        const struct inotify_event *event = (const struct inotify_event *) p;

                        if (!(event->mask & IN_IGNORED))
                                any = true;
                        if (event->mask & (IN_ISDIR | IN_Q_OVERFLOW))
                                w->walk = true;
                        p += sizeof(*event) + event->len;
                }
        if (w->walk) {
                int fd = openat(w->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (fd < 0)
                        return -ENODEV;
                w->walk = false;
                walk(w, fd, 1);
        }
        if (any)
                w->handler("", SYNC_WATCH_CLOSED, w->userdata);
        return 0;
}
