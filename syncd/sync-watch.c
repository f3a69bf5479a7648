/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/sync-open.h"
#include "syncd/sync-watch-table.h"
#include "syncd/sync-watch.h"

/* Buffers read in one call, so that a busy folder does not hold up the event loop. */
#define READS_MAX 16U
#define BUFFER_SIZE (64U * 1024U)

#define WATCH_MASK                                                                                           \
        (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |      \
         IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

struct SyncWatch {
        int fd, root_fd;
        WatchTable table;
        SyncWatchHandler handler;
        void *userdata;
        bool walked;        /* the first walk is over: what is found now is news */
        bool root_lost;
        unsigned listings;  /* counts them, to tell which children one has seen */
        WatchNode *moved;   /* left its place; its new one is in the next event, or outside of the folder */
        uint32_t moved_cookie;
        WatchNode *displaced; /* had the name that another was moved to: gone, or the second half of an exchange */
        const WatchNode *displaced_from;
        char *last_path;    /* the last call of the handler, not to be repeated at once */
        SyncWatchHint last_hint;
        uint8_t buffer[BUFFER_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
};

static void report(SyncWatch *w, const char *path, SyncWatchHint hint) {
        if (w->last_path && w->last_hint == hint && streq(w->last_path, path))
                return;
        (void) free_and_strdup(&w->last_path, path);
        w->last_hint = hint;
        w->handler(path, hint, w->userdata);
}

static void unwatch(int wd, void *userdata) {
        SyncWatch *w = userdata;

        (void) inotify_rm_watch(w->fd, wd);
}

static void drop(SyncWatch *w, WatchNode *n) {
        watch_table_remove(&w->table, n, unwatch, w);
}

static void drop_moved(SyncWatch *w) {
        if (w->moved)
                drop(w, w->moved);
        w->moved = NULL;
}

static void drop_displaced(SyncWatch *w) {
        if (w->displaced)
                drop(w, w->displaced);
        w->displaced = NULL;
}

/* A watch on the directory at the path, whatever a user makes of the names on the way. *ret is NODE_UNWATCHED if there
 * can be none. 0, or -ENOENT if no directory is there. */
static int add_watch(SyncWatch *w, const char *path, int *ret) {
        char link[sizeof("/proc/self/fd/") + 11];
        int fd;

        fd = sync_open_beneath(w->root_fd, path, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                return -ENOENT;
        *ret = NODE_UNWATCHED;
        if (fd >= 0 && w->table.n_nodes - w->table.n_unwatched < SYNC_WATCH_MAX) {
                (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                *ret = inotify_add_watch(w->fd, link, WATCH_MASK);
                if (*ret < 0)
                        *ret = NODE_UNWATCHED;
        }
        safe_close(fd);
        return 0;
}

/* The same directory may be known at another place, if it moved unseen; another may be known at this one. */
static int place(SyncWatch *w, WatchNode *parent, const char *name, int wd, WatchNode **ret) {
        WatchNode *there = watch_table_find_child(&w->table, parent, name),
                  *same = wd == NODE_UNWATCHED ? NULL : watch_table_find_wd(&w->table, wd);

        if (there && there == same) {
                *ret = there;
                return 0;
        }
        /* Names have changed since; the events that tell so are still to come. */
        for (const WatchNode *n = parent; same && n; n = n->parent)
                if (n == same)
                        return -EBUSY;
        if (same)
                watch_table_detach(&w->table, same);
        if (there)
                drop(w, there);
        if (!same)
                return watch_table_add(&w->table, parent, name, wd, ret);
        if (same == w->moved)
                w->moved = NULL;
        if (same == w->displaced)
                w->displaced = NULL;
        *ret = same;
        return watch_table_attach(&w->table, same, parent, name);
}

/* Watches the directory and lists it later: events and listing overlap, so nothing falls between. */
static int found_directory(SyncWatch *w, WatchNode *parent, const char *name, bool thoroughly, WatchNode **ret) {
        char path[SYNC_PATH_MAX + 1];
        WatchNode *n;
        bool known;
        int wd, r;

        if (!watch_node_path(parent, name, path) || !sync_path_is_valid(path))
                return 0;
        r = add_watch(w, path, &wd);
        if (r < 0)
                return 0;
        known = wd != NODE_UNWATCHED && watch_table_find_wd(&w->table, wd);
        r = place(w, parent, name, wd, &n);
        if (r < 0)
                return r == -EBUSY ? 0 : r;
        if (ret)
                *ret = n;
        if (w->walked && !known)
                report(w, path, SYNC_WATCH_CLOSED);
        if (wd != NODE_UNWATCHED && (!known || thoroughly))
                watch_table_queue(&w->table, n, thoroughly);
        return 0;
}

static bool is_directory(int dir_fd, const struct dirent *e) {
        struct stat st;

        if (e->d_type != DT_UNKNOWN)
                return e->d_type == DT_DIR;
        return fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void drop_unseen(SyncWatch *w, WatchNode *n) {
        WatchNode *next;

        for (WatchNode *child = LIST_FIRST(&n->children); child; child = next) {
                next = LIST_NEXT(child, siblings);
                if (child->seen != w->listings)
                        drop(w, child);
        }
}

static int list_node(SyncWatch *w, WatchNode *n) {
        _cleanup_closedir_ DIR *d = NULL;
        char path[SYNC_PATH_MAX + 1];
        struct dirent *e;
        int fd, r;

        if (!watch_node_path(n, "", path))
                return 0;
        fd = sync_open_beneath(w->root_fd, path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return 0;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -ENOMEM;
        }
        w->listings++;
        for (errno = 0; (e = readdir(d)); errno = 0) {
                WatchNode *child = NULL;

                if (streq(e->d_name, ".") || streq(e->d_name, "..") || sync_name_is_ignored(e->d_name) ||
                    !is_directory(dirfd(d), e))
                        continue;
                r = found_directory(w, n, e->d_name, n->thoroughly, &child);
                if (r < 0)
                        return r;
                if (child)
                        child->seen = w->listings;
        }
        n->thoroughly = false;
        if (errno == 0)
                drop_unseen(w, n);
        return 0;
}

/* A new name that will not be followed by a close: a symlink, or one more link to a file. */
static bool is_complete(SyncWatch *w, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = sync_open_beneath(w->root_fd, path, O_PATH);
        if (fd < 0)
                return fd == -ELOOP;
        return fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

static void on_moved_from(SyncWatch *w, WatchNode *n, const struct inotify_event *e) {
        drop_moved(w);
        /* An exchange comes as two moves: this name has been given to the first one's directory already. */
        if (w->displaced && w->displaced_from == n && streq(w->displaced->name, e->name))
                w->moved = TAKE_PTR(w->displaced);
        else {
                w->moved = watch_table_find_child(&w->table, n, e->name);
                if (w->moved)
                        watch_table_detach(&w->table, w->moved);
        }
        w->moved_cookie = e->cookie;
}

static int on_moved_to(SyncWatch *w, WatchNode *n, const struct inotify_event *e) {
        WatchNode *child = watch_table_find_child(&w->table, n, e->name);
        int r;

        drop_displaced(w);
        if (child) {
                watch_table_detach(&w->table, child);
                w->displaced = child;
                w->displaced_from = n;
        }
        r = watch_table_attach(&w->table, w->moved, n, e->name);
        if (r < 0)
                return r;
        w->moved = NULL;
        return 0;
}

static int on_directory(SyncWatch *w, WatchNode *n, const struct inotify_event *e, const char *path) {
        WatchNode *child = watch_table_find_child(&w->table, n, e->name);
        int r;

        if (e->mask & IN_MOVED_FROM)
                on_moved_from(w, n, e);
        else if (e->mask & IN_DELETE) {
                if (child)
                        drop(w, child);
        } else if (e->mask & IN_MOVED_TO && w->moved && w->moved_cookie == e->cookie) {
                r = on_moved_to(w, n, e);
                if (r < 0)
                        return r;
        } else if (e->mask & IN_ATTRIB && child && child->wd != NODE_UNWATCHED)
                /* The mode of a directory is not synchronized. */
                return 0;
        else {
                r = found_directory(w, n, e->name, false, NULL);
                if (r < 0)
                        return r;
        }
        report(w, path, SYNC_WATCH_CLOSED);
        return 0;
}

static int on_event(SyncWatch *w, const struct inotify_event *e) {
        char path[SYNC_PATH_MAX + 1];
        WatchNode *n;

        if (e->mask & IN_Q_OVERFLOW) {
                drop_moved(w);
                drop_displaced(w);
                watch_table_queue(&w->table, w->table.root, true);
                report(w, "", SYNC_WATCH_OVERFLOW);
                return 0;
        }
        n = watch_table_find_wd(&w->table, e->wd);
        if (!n)
                return 0;
        if (n == w->table.root && e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
                w->root_lost = true;
        else if (e->mask & IN_IGNORED && n == w->moved)
                drop_moved(w);
        else if (e->mask & IN_IGNORED && n == w->displaced)
                drop_displaced(w);
        else if (e->mask & IN_IGNORED)
                drop(w, n);
        if (e->len == 0 || w->root_lost || sync_name_is_ignored(e->name))
                return 0;
        /* Beneath a directory that is on its way to elsewhere: the move's own event covers it. */
        if (!watch_node_path(n, e->name, path))
                return 0;
        log_debug("Event %s at %s", inotifytools_event_to_str((int) e->mask), path);

        if (e->mask & IN_ISDIR)
                return on_directory(w, n, e, path);
        if (e->mask & IN_MODIFY || (e->mask & IN_CREATE && !is_complete(w, path)))
                report(w, path, SYNC_WATCH_OPEN);
        else
                report(w, path, SYNC_WATCH_CLOSED);
        return 0;
}

/* 1 if there may be more, 0 if all was read, or a negative errno. */
static int read_events(SyncWatch *w) {
        ssize_t size;
        int r;

        size = read(w->fd, w->buffer, sizeof(w->buffer));
        if (size < 0)
                return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
        for (ssize_t at = 0; at < size && !w->root_lost;) {
                const struct inotify_event *e = (const struct inotify_event *) (w->buffer + at);

                r = on_event(w, e);
                if (r < 0)
                        return r;
                at += (ssize_t) sizeof(*e) + e->len;
        }
        return 1;
}

int sync_watch_dispatch(SyncWatch *w) {
        bool more = false;
        struct stat st;
        WatchNode *n;
        int r = 1;

        for (unsigned i = 0; i < READS_MAX && r > 0; i++)
                r = read_events(w);
        if (r < 0)
                return r;
        /* While we hold it open, its removal makes no event. */
        if (w->root_lost || fstat(w->root_fd, &st) < 0 || st.st_nlink == 0)
                return -ENODEV;
        more = r > 0;
        /* The second half of a move follows at once, or not at all. */
        if (!more) {
                drop_moved(w);
                drop_displaced(w);
        }

        for (unsigned i = 0; i < SYNC_WATCH_STEP && (n = watch_table_next_pending(&w->table)); i++) {
                r = list_node(w, n);
                if (r < 0)
                        return r;
        }
        w->last_path = mfree(w->last_path);
        if (TAILQ_EMPTY(&w->table.pending))
                w->walked = true;
        return more || !w->walked || !TAILQ_EMPTY(&w->table.pending);
}

int sync_watch_new(SyncWatch **ret, int root_fd, SyncWatchHandler handler, void *userdata) {
        _cleanup_sync_watch_free_ SyncWatch *w = calloc(1, sizeof(*w));
        char link[sizeof("/proc/self/fd/") + 11];
        WatchNode *root;
        int wd, r;

        if (!w)
                return -ENOMEM;
        w->fd = w->root_fd = -EBADF;
        w->handler = handler;
        w->userdata = userdata;
        r = watch_table_init(&w->table);
        if (r < 0)
                return r;
        w->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        if (w->root_fd < 0)
                return -errno;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (w->fd < 0)
                return -errno;
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", w->root_fd);
        wd = inotify_add_watch(w->fd, link, WATCH_MASK);
        if (wd < 0)
                return -errno;
        r = watch_table_add(&w->table, NULL, "", wd, &root);
        if (r < 0)
                return r;
        watch_table_queue(&w->table, root, false);
        *ret = TAKE_PTR(w);
        return 0;
}

SyncWatch *sync_watch_free(SyncWatch *w) {
        if (!w)
                return NULL;
        watch_table_done(&w->table);
        safe_close(w->fd);
        safe_close(w->root_fd);
        free(w->last_path);
        free(w);
        return NULL;
}

int sync_watch_fd(const SyncWatch *w) {
        return w->fd;
}

bool sync_watch_is_complete(const SyncWatch *w) {
        return w->walked && TAILQ_EMPTY(&w->table.pending);
}

size_t sync_watch_unwatched(const SyncWatch *w) {
        return w->table.n_unwatched;
}

size_t sync_watch_count(const SyncWatch *w) {
        return w->table.n_nodes - w->table.n_unwatched;
}
