/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of Folder for directories at the top of a volume that users made (TR-140: the table can be changed by
 * local users as well). A row keeps its number while its directory is there, also under another name. It is
 * not enabled; the ACS may enable it and so make a share of it. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-set-load.h"

#define FOLDERS STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".Folder."
#define FOLDER FOLDERS "%" PRIu32

/* More directories at the top of a volume are not told of. */
#define FOUND_MAX 256U

/* In the store of provisioned rows, followed by the number of the directory's inode. */
#define FOUND "found "

typedef struct Search {
        Manager *manager;
        DmUpdate *update;
        uint32_t volume;
        int root_fd;
        size_t n;
        bool changed;
} Search;

static int on_root_changed(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        manager_schedule(userdata);
        return 0;
}

static void watch_root(Manager *m, Volume *v) {
        int r;

        if (v->watch)
                return;
        r = sd_event_add_inotify(
                        m->event,
                        &v->watch,
                        v->directory,
                        IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR,
                        on_root_changed,
                        m);
        if (r < 0)
                log_warning_errno(r, "Folders that users make on volume %s are seen late: %m", v->name);
}

/* The inode of the directory that the row was found for; 0 if it was not found. */
static uint64_t found_inode(Manager *m, uint32_t volume, uint32_t folder) {
        _cleanup_free_ char *row = strfmt(FOLDER, volume, folder);
        const char *number = row ? startswith(strempty(row_store_get(m->provisioned, row)), FOUND) : NULL;
        uint64_t inode;

        return number && parse_uint64(number, &inode) >= 0 ? inode : 0;
}

static uint64_t inode_of(const Search *s, const char *name) {
        struct stat st;

        return fstatat(s->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISDIR(st.st_mode) ? st.st_ino
                                                                                               : 0;
}

/* The row whose folder is this directory, or is in it. */
static int find_row_of_name(const Search *s, const char *name, uint32_t *ret) {
        DmModel *model = s->manager->model;

        *ret = 0;
        DM_FOREACH_INSTANCE(i, model, FOLDERS, s->volume) {
                _cleanup_free_ char *path = NULL;
                const char *rest;
                int r = dm_get_string(model, &path, FOLDER ".Name", s->volume, i);

                if (r < 0)
                        return r;
                rest = startswith(path + (*path == '/'), name);
                if (rest && (*rest == 0 || *rest == '/')) {
                        *ret = i;
                        return 0;
                }
        }
        return 0;
}

static uint32_t find_row_of_inode(const Search *s, uint64_t inode) {
        DM_FOREACH_INSTANCE(i, s->manager->model, FOLDERS, s->volume)
        if (found_inode(s->manager, s->volume, i) == inode)
                return i;
        return 0;
}

/* A directory that no row has: the one of a row that was renamed, or a new one. */
static int take_directory(Search *s, const char *name, uint64_t inode) {
        uint32_t i = find_row_of_inode(s, inode);
        _cleanup_free_ char *path = strfmt("/%s", name), *state = strfmt(FOUND "%" PRIu64, inode),
                            *row = NULL;
        int r;

        if (!path || !state)
                return -ENOMEM;
        if (i == 0) {
                r = dm_update_add(s->update, &i, FOLDERS, s->volume);
                if (r < 0)
                        return r;
                row = strfmt(FOLDER, s->volume, i);
                r = row ? row_store_set(s->manager->provisioned, row, state) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        s->changed = true;
        return dm_update_set(s->update, path, FOLDER ".Name", s->volume, i);
}

static int look_at(Search *s, const char *name) {
        _cleanup_free_ char *path = strfmt("/%s", name);
        uint64_t inode;
        uint32_t row;
        int r;

        if (!path)
                return -ENOMEM;
        if (*name == '.' || !folder_name_is_valid(path) || strlen(path) > FOLDER_NAME_MAX)
                return 0;
        inode = inode_of(s, name);
        if (inode == 0 || s->n++ >= FOUND_MAX)
                return 0;
        r = find_row_of_name(s, name, &row);
        return r < 0 || row > 0 ? r : take_directory(s, name, inode);
}

/* Rows whose directory is gone. Those that were enabled once stay: they are the ACS's. */
static int drop_rows(Search *s) {
        Manager *m = s->manager;

        DM_FOREACH_INSTANCE(i, m->model, FOLDERS, s->volume) {
                _cleanup_free_ char *name = NULL, *row = strfmt(FOLDER, s->volume, i);
                uint64_t inode = found_inode(m, s->volume, i);
                int r;

                if (inode == 0)
                        continue;
                if (!row)
                        return -ENOMEM;
                r = dm_get_string(m->model, &name, FOLDER ".Name", s->volume, i);
                if (r < 0)
                        return r;
                if (inode_of(s, name + (*name == '/')) > 0)
                        continue;
                if ((r = dm_update_delete(s->update, FOLDER ".", s->volume, i)) < 0 ||
                    (r = row_store_set(m->provisioned, row, NULL)) < 0)
                        return r;
                s->changed = true;
        }
        return 0;
}

static int search(Search *s) {
        int fd = fcntl(s->root_fd, F_DUPFD_CLOEXEC, 3), r = 0;
        _cleanup_closedir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *e;

        if (!d) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (r >= 0 && (e = readdir(d)))
                r = look_at(s, e->d_name);
        return r < 0 ? r : drop_rows(s);
}

int manager_find_folders(Manager *m) {
        for (Volume *v = m->volumes; v; v = v->next) {
                _cleanup_close_ int fd = -EBADF;
                _cleanup_(dm_update_freep) DmUpdate *u = NULL;
                Search s = { .manager = m, .volume = v->instance };
                int r;

                if (!v->online) {
                        v->watch = sd_event_source_disable_unref(v->watch);
                        continue;
                }
                watch_root(m, v);
                fd = open(v->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                r = dm_update_new(&u, m->model);
                if (r < 0)
                        return r;
                s.root_fd = fd;
                s.update = u;
                r = search(&s);
                if (r >= 0 && s.changed)
                        r = dm_update_commit(u);
                if (r < 0)
                        return r;
        }
        return 0;
}
