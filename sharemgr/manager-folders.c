/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set-load.h"
#include "sharemgr/text.h"

#define VOLUME STORAGE_SERVICE "LogicalVolume.%" PRIu32
#define FOLDER VOLUME ".Folder.%" PRIu32

/* Opens the directory below, made if it is missing; never through a symbolic link, which users may have made
 * in what was a folder before. A descriptor or a negative errno. */
static int open_directory(int parent_fd, const char *name, mode_t mode) {
        int fd;

        if (mkdirat(parent_fd, name, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int give(int fd, uid_t uid, gid_t gid, mode_t mode) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
                return -errno;
        return (st.st_mode & 07777) != mode && fchmod(fd, mode) < 0 ? -errno : 0;
}

/* The staging area: the synchronizer's alone. */
static int make_staging(Manager *m, int root_fd) {
        _cleanup_close_ int fd = open_directory(root_fd, STAGING_DIRECTORY, 0700);

        return fd < 0 ? fd : give(fd, m->sync_uid, m->sync_gid, 0700);
}

/* path is relative to the root of the volume; only its last component is the data user's. */
static int make_folder(Manager *m, int root_fd, char *path) {
        _cleanup_close_ int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return -errno;
        for (char *name; (name = strsep(&path, "/"));) {
                int next = open_directory(fd, name, 0755);

                if (next < 0)
                        return next;
                (void) close(fd);
                fd = next;
        }
        return give(fd, m->data_uid, m->data_gid, 0755);
}

static int prepare_volume(Manager *m, const Volume *v, ShareVolume *wanted) {
        _cleanup_close_ int fd = open(v->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        if ((r = make_staging(m, fd)) < 0 ||
            (r = m->config->smb.volume_roots ? give(fd, m->data_uid, m->data_gid, 0755) : give(fd, 0, 0, 0755)) < 0)
                return r;
        wanted->online = true;
        wanted->snapshots = faccessat(fd, SNAPSHOTS_DIRECTORY, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
        for (size_t i = 0; i < wanted->n_folders; i++) {
                ShareFolder *f = wanted->folders + i;
                _cleanup_free_ char *relative = strdup(f->directory + strlen(v->directory) + 1);

                r = relative ? make_folder(m, fd, relative) : -ENOMEM;
                if (r < 0)
                        log_error_errno(r, "Failed to make the folder %s: %m", f->directory);
                f->online = r >= 0;
        }
        return 0;
}

void manager_prepare_folders(Manager *m, ShareSet *s) {
        for (ShareVolume *wanted = s->volumes; wanted && wanted < s->volumes + s->n_volumes; wanted++) {
                Volume *v = volumes_find(m, wanted->instance);
                int r;

                if (!v || !v->online)
                        continue;
                r = prepare_volume(m, v, wanted);
                if (r < 0)
                        log_error_errno(r, "Failed to prepare volume %s: %m", v->name);
        }
}

/* --- ResolveFolder
 * ---------------------------------------------------------------------------------------------------- */

/* Reads "Services.StorageService.1.LogicalVolume.<v>.Folder.<i>". */
static int parse_folder_path(const char *path, uint32_t *ret_volume, uint32_t *ret_folder) {
        _cleanup_free_ char *canonical = NULL;
        uint32_t v, i;

        if (sscanf(path, STORAGE_SERVICE "LogicalVolume.%" SCNu32 ".Folder.%" SCNu32, &v, &i) != 2)
                return -EINVAL;
        canonical = strfmt(FOLDER, v, i);
        if (!canonical)
                return -ENOMEM;
        if (!streq(canonical, path))
                return -EINVAL;
        *ret_volume = v;
        *ret_folder = i;
        return 0;
}

static const ShareFolder *find_folder(const ShareSet *s, uint32_t volume, uint32_t folder) {
        for (const ShareVolume *v = s ? s->volumes : NULL; v && v < s->volumes + s->n_volumes; v++)
                for (const ShareFolder *f = v->folders; f && f < v->folders + v->n_folders; f++)
                        if (v->instance == volume && f->instance == folder)
                                return f;
        return NULL;
}

/* Why the folder is not online, as dbus-interfaces/org.ispstorage.Share1.Manager.xml lists it. */
static char *folder_reason(Manager *m, uint32_t volume, uint32_t folder) {
        const Volume *v = volumes_find(m, volume);
        bool enabled = false, volume_enabled = false, service_enabled = false;

        if (!dm_exists(m->model, FOLDER, volume, folder))
                return strdup("NoSuchFolder there is no such row");
        (void) dm_get_bool(m->model, &enabled, FOLDER ".Enable", volume, folder);
        (void) dm_get_bool(m->model, &volume_enabled, VOLUME ".Enable", volume);
        (void) dm_get_bool(m->model, &service_enabled, STORAGE_SERVICE "Enable");
        if (!service_enabled || !volume_enabled || !enabled)
                return strfmt("Disabled %s",
                              !service_enabled  ? "the service is disabled"
                              : !volume_enabled ? "the volume is disabled"
                                                : "the folder is disabled");
        if (v && v->failed)
                return strfmt("Error %s", v->reason ?: "the volume cannot be used");
        if (v && v->waiting)
                return strdup("Offline the medium is not attached");
        if (v && v->lost)
                return strdup("Offline the medium was unplugged, and something still has files open on it");
        if (v && v->online && find_folder(m->set, volume, folder))
                return strdup("Error the directory could not be made");
        return strdup("NotReady the volume is being prepared");
}

int manager_resolve_folder(
                Manager *m, const char *path, char **ret_directory, char **ret_uuid, char **ret_status) {
        _cleanup_free_ char *directory = NULL, *uuid = NULL, *status = NULL;
        const ShareFolder *f;
        const Volume *v;
        uint32_t volume, folder;
        bool online;
        int r;

        r = parse_folder_path(path, &volume, &folder);
        if (r < 0)
                return r;
        v = volumes_find(m, volume);
        f = find_folder(m->set, volume, folder);
        online = v && v->online && f && f->online && dm_exists(m->model, FOLDER, volume, folder);
        directory = strdup(online ? f->directory : "");
        uuid = strdup(online ? v->uuid : "");
        status = online ? strdup("Online") : folder_reason(m, volume, folder);
        if (!directory || !uuid || !status)
                return -ENOMEM;
        *ret_directory = TAKE_PTR(directory);
        *ret_uuid = TAKE_PTR(uuid);
        *ret_status = TAKE_PTR(status);
        return 0;
}

static int write_answer(Manager *m, FILE *out, uint32_t volume, uint32_t folder) {
        _cleanup_free_ char *path = strfmt(FOLDER, volume, folder), *directory = NULL, *uuid = NULL,
                            *status = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = manager_resolve_folder(m, path, &directory, &uuid, &status);
        if (r >= 0)
                fprintf(out, "%s\t%s\t%s\t%s\n", path, directory, uuid, status);
        return r;
}

static int collect_answers(Manager *m, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        DM_FOREACH_INSTANCE(v, m->model, STORAGE_SERVICE "LogicalVolume.") {
                DM_FOREACH_INSTANCE(i, m->model, VOLUME ".Folder.", v) {
                        r = write_answer(m, text.stream, v, i);
                        if (r < 0)
                                return r;
                }
        }
        return text_end(&text, ret);
}

/* Emits for the lines of a that b does not have. already: a list of paths that were told of. */
static int announce_difference(Manager *m, const char *a, const char *b, char ***already) {
        _cleanup_strv_free_ char **lines = NULL, **others = NULL;
        int r;

        if ((r = strv_split(a, "\n", &lines)) < 0 || (r = strv_split(b, "\n", &others)) < 0)
                return r;
        STRV_FOREACH (line, lines) {
                if (strv_contains(others, *line))
                        continue;
                (*line)[strcspn(*line, "\t")] = 0;
                if (strv_contains(*already, *line))
                        continue;
                if ((r = strv_extend(already, *line)) < 0 ||
                    (r = manager_bus_emit_folder_changed(m, *line)) < 0)
                        return r;
        }
        return 0;
}

int manager_announce_folders(Manager *m) {
        _cleanup_strv_free_ char **told = NULL;
        _cleanup_free_ char *now = NULL, *before = NULL;
        int r;

        r = collect_answers(m, &now);
        if (r < 0)
                return r;
        before = m->answered;
        m->answered = strdup(now);
        if (!m->answered)
                return -ENOMEM;
        r = announce_difference(m, now, strempty(before), &told);
        return r < 0 ? r : announce_difference(m, strempty(before), now, &told);
}
