/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set-load.h"
#include "sharemgr/text.h"
#include "sharemgr/volume-plan.h"

#define MOUNT_OPTIONS "nodev,nosuid,noexec"
#define MEGABYTE (1024U * 1024U)
#define MOUNTINFO_LINE_MAX 16384U

/* What could not be unmounted is tried again after one call of volumes_check(), then after two, and so on up to
 * this: each try fills the journal. */
#define STUCK_ROUNDS_MAX 8U

static Volume *volume_free(Volume *v) {
        if (!v)
                return NULL;
        sd_event_source_disable_unref(v->watch);
        free(v->name);
        free(v->row);
        free(v->directory);
        free(v->unit);
        free(v->uuid);
        free(v->job_device);
        free(v->job_type);
        free(v->reason);
        return mfree(v);
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Volume *, volume_free);

void volumes_done(Manager *m) {
        while (m->volumes) {
                Volume *v = m->volumes;

                m->volumes = v->next;
                volume_free(v);
        }
}

Volume *volumes_find(Manager *m, uint32_t instance) {
        for (Volume *v = m->volumes; v; v = v->next)
                if (v->instance == instance && v->present)
                        return v;
        return NULL;
}

void volumes_retry(Manager *m) {
        for (Volume *v = m->volumes; v; v = v->next) {
                v->failed = v->stuck = false;
                v->n_repairs = 0;
        }
}

bool volumes_are_busy(Manager *m) {
        for (Volume *v = m->volumes; v; v = v->next)
                if (v->acting)
                        return true;
        return false;
}

int volume_used_space(const Volume *v, uint32_t *ret) {
        struct statvfs st;

        if (!v->online)
                return -ENODEV;
        if (statvfs(v->directory, &st) < 0)
                return -errno;
        *ret = (uint32_t) ((uint64_t) (st.f_blocks - st.f_bfree) * st.f_frsize / MEGABYTE);
        return 0;
}

static int volume_new(Volume **ret, Manager *m, uint32_t instance, const char *name) {
        _cleanup_(volume_freep) Volume *v = calloc(1, sizeof(Volume));

        if (!v)
                return -ENOMEM;
        v->manager = m;
        v->instance = instance;
        v->name = strdup(name);
        v->row = strfmt(STORAGE_SERVICE "LogicalVolume.%" PRIu32, instance);
        v->directory = strfmt(VOLUMES_DIRECTORY "/%s", name);
        v->unit = v->directory ? unit_name_of_path(v->directory) : NULL;
        if (!v->name || !v->row || !v->unit)
                return -ENOMEM;
        v->next = m->volumes;
        m->volumes = *ret = TAKE_PTR(v);
        return 0;
}

/* --- Facts --- */

/* True if the options of a mounted file system say that the kernel takes no more writes to it. */
static bool options_say_damaged(char *options) {
        for (char *option; (option = strsep(&options, ","));)
                if (streq(option, "ro") || streq(option, "emergency_ro") || streq(option, "shutdown"))
                        return true;
        return false;
}

/* The same for XFS, whose options do not say so: after an error nothing of it can be asked. Does not touch the disk. */
static bool is_shut_down(const char *directory) {
        return getxattr(directory, "user.ispstorage", NULL, 0) < 0 && errno == EIO;
}

/* Finds what is mounted at the directory: the name of the device below /dev, "" for something else. NULL:
 * nothing. ret_damaged may be NULL. */
static char *device_mounted_at(const char *directory, bool *ret_damaged) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
        char line[MOUNTINFO_LINE_MAX], where[MOUNTINFO_LINE_MAX], source[MOUNTINFO_LINE_MAX],
                        options[MOUNTINFO_LINE_MAX];
        char *found = NULL;
        bool damaged = false;

        while (f && fgets(line, sizeof(line), f)) {
                const char *rest = strstr(line, " - ");

                if (!rest || sscanf(line, "%*u %*u %*s %*s %16383s", where) != 1 ||
                    !streq(where, directory) ||
                    sscanf(rest, " - %*s %16383s %16383s", source, options) != 2)
                        continue;
                free(found); /* the last one is on top */
                found = strdup(startswith(source, "/dev/") ?: "");
                damaged = options_say_damaged(options);
        }
        if (ret_damaged)
                *ret_damaged = damaged || (found && is_shut_down(directory));
        return found;
}

static bool media_has_name(const Media *media, const char *name) {
        for (size_t i = 0; i < media->n; i++)
                if (streq(media->items[i].name, name))
                        return true;
        return false;
}

/* Reads "planned <uuid>" or "formatted <uuid>". NULL: neither, the row was never enabled. */
static const char *uuid_of_row(Manager *m, const char *row, bool *ret_formatted) {
        const char *state = strempty(row_store_get(m->provisioned, row)), *uuid = startswith(state, "formatted ");

        *ret_formatted = uuid != NULL;
        return uuid ?: startswith(state, "planned ");
}

static int volume_read_state(Volume *v) {
        const char *uuid = uuid_of_row(v->manager, v->row, &v->formatted);

        return uuid ? free_and_strdup(&v->uuid, uuid) : -ENODATA;
}

static int volume_collect(Volume *v, const ShareVolume *wanted, VolumeFacts *f) {
        Manager *m = v->manager;
        bool damaged;
        _cleanup_free_ char *device = device_mounted_at(v->directory, &damaged);
        int r;

        *f = (VolumeFacts){ .wanted = v->present, .n_repairs = v->n_repairs };
        if (device && media_has_name(&m->media, device))
                f->mounted = true;
        else if (device)
                f->mounted_from_nowhere = true;
        /* Who knows what was lost while the device was away, or done to it elsewhere. */
        v->lost = device && (v->lost || f->mounted_from_nowhere);
        f->damaged = f->mounted && (damaged || v->lost);
        if (!v->present)
                return 0;
        r = volume_read_state(v);
        if (r < 0)
                return r;
        f->formatted = v->formatted;
        f->file_system = media_find_by_uuid(&m->media, v->uuid);
        f->medium = manager_medium_of_row(m, wanted->medium);
        return 0;
}

/* --- Steps --- */

static void volume_settle(Volume *v, const char *result, const char *what) {
        v->acting = false;
        if (!streq(result, "done")) {
                log_error("Volume %s: %s ended with result '%s'.", v->name, what, result);
                v->failed = true;
                (void) free_and_strdup(&v->reason, what);
        }
        manager_schedule(v->manager);
}

static void on_mounted(const char *unit, const char *result, void *userdata) {
        volume_settle(userdata, result, "mounting");
}

/* What has a file open on it may let go later. */
static void on_unmounted(const char *unit, const char *result, void *userdata) {
        Volume *v = userdata;

        v->stuck = !streq(result, "done");
        v->n_stuck = v->stuck ? v->n_stuck + 1 : 0;
        v->n_rounds = 0;
        if (v->n_stuck == 1)
                log_error("Volume %s: unmounting ended with result '%s'; it is tried again and again.",
                          v->name,
                          result);
        v->acting = false;
        manager_schedule(v->manager);
}

static void on_checked(const char *unit, const char *result, void *userdata) {
        Volume *v = userdata;
        _cleanup_free_ char *what = strfmt("/dev/%s", strempty(v->job_device));
        int r;

        if (!streq(result, "done")) {
                volume_settle(v, result, "checking the file system");
                return;
        }
        r = what ? unit_jobs_mount(v->manager->jobs,
                                   v->unit,
                                   what,
                                   v->job_type,
                                   MOUNT_OPTIONS,
                                   on_mounted,
                                   v)
                 : -ENOMEM;
        if (r < 0)
                volume_settle(v, "error", "mounting");
}

static void on_formatted(const char *unit, const char *result, void *userdata) {
        Volume *v = userdata;
        _cleanup_free_ char *state = strfmt("formatted %s", v->uuid);
        int r;

        if (streq(result, "done")) {
                r = state ? row_store_set(v->manager->provisioned, v->row, state) : -ENOMEM;
                if (r < 0)
                        log_error_errno(r, "Failed to record that volume %s is formatted: %m", v->name);
                log_info("Volume %s: formatted %s.", v->name, v->job_device);
        }
        /* Until the disk was looked at again, it is known as empty. */
        manager_scan_media(v->manager);
        volume_settle(v, result, "formatting");
}

/* What the oneshot units read: nothing of it comes from the ACS but the size. */
static int write_environment(const Volume *v, uint32_t size) {
        _cleanup_free_ char *path = strfmt(RUNTIME_DIRECTORY "/volume-%" PRIu32 ".env", v->instance);
        const char *type = v->job_type;
        _cleanup_text_ Text text = {};
        _cleanup_free_ char *content = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = text_begin(&text);
        if (r < 0)
                return r;
        fprintf(text.stream, "DEVICE=/dev/%s\nTYPE=%s\n", v->job_device, type);
        if (streq(type, "ext4"))
                fprintf(text.stream, "OPTIONS=-q -m 1 -U %s\nSIZE=%" PRIu32 "M\n", v->uuid, size);
        else if (streq(type, "xfs"))
                fprintf(text.stream, "OPTIONS=-q -m uuid=%s -d size=%" PRIu32 "m\n", v->uuid, size);
        else
                fprintf(text.stream, "OPTIONS=-q -U %s -b %" PRIu32 "M\n", v->uuid, size);
        r = text_end(&text, &content);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, path, content, strlen(content), 0600);
}

static int volume_run(
                Volume *v,
                const char *template,
                const Medium *medium,
                const char *type,
                uint32_t size,
                UnitJobHandler handler) {
        _cleanup_free_ char *unit = strfmt("ispstorage-%s@%" PRIu32 ".service", template, v->instance);
        int r;

        if (!unit)
                return -ENOMEM;
        if ((r = free_and_strdup(&v->job_device, medium->name)) < 0 ||
            (r = free_and_strdup(&v->job_type, type)) < 0 || (r = write_environment(v, size)) < 0)
                return r;
        r = unit_jobs_queue(v->manager->jobs, "StartUnit", unit, handler, v);
        v->acting = r >= 0;
        return r;
}

/* In two passes: the first takes the folders from the servers, so that none has the volume open in the second. */
static int volume_unmount(Volume *v) {
        int r;

        if (v->stuck)
                return 0; /* volumes_check() has it tried again */
        if (!v->leaving) {
                v->leaving = true;
                manager_schedule(v->manager);
                return 0;
        }
        if (servers_are_busy(v->manager))
                return 0; /* the end of that makes a pass */
        r = unit_jobs_queue(v->manager->jobs, "StopUnit", v->unit, on_unmounted, v);
        v->acting = r >= 0;
        return r;
}

static int volume_step(Volume *v, const ShareVolume *wanted) {
        const char *reason = NULL, *configured = v->manager->config->file_system, *type;
        VolumeFacts f;
        int r;

        if (v->acting)
                return 0;
        v->online = v->waiting = false;
        r = volume_collect(v, wanted, &f);
        if (r < 0)
                return r;
        /* What failed on a medium is over when it is gone. */
        v->failed = v->failed && (!v->present || f.file_system || f.medium);
        if (v->failed)
                return 0;
        v->reason = mfree(v->reason);
        if (f.wanted && f.damaged && !v->leaving) {
                v->n_repairs++;
                log_error("Volume %s: writes to it may be lost; it is unmounted and checked.", v->name);
        }
        switch (volume_plan(&f, &reason)) {
        case VOLUME_REST:
                v->leaving = false;
                return 0;
        case VOLUME_SERVE:
                v->online = true;
                v->leaving = false;
                return 0;
        case VOLUME_FORMAT:
                return volume_run(v, "mkfs", f.medium, configured, wanted->capacity, on_formatted);
        case VOLUME_MOUNT:
                type = f.file_system->file_system;
                type = file_system_is_ours(type) ? type : configured;
                return volume_run(v, "fsck", f.file_system, type, 0, on_checked);
        case VOLUME_UNMOUNT:
                return volume_unmount(v);
        case VOLUME_WAIT:
                v->waiting = true;
                return 0;
        case VOLUME_REFUSE:
                log_error("Volume %s: %s.", v->name, reason);
                v->failed = true;
                return free_and_strdup(&v->reason, reason) < 0 ? -ENOMEM : 0;
        }
        return 0;
}

static bool is_enabled_on(Manager *m, uint32_t instance, const Medium *medium) {
        _cleanup_free_ char *row = strfmt(STORAGE_SERVICE "LogicalVolume.%" PRIu32, instance);
        const char *uuid;
        bool enabled, formatted;

        if (!row || dm_get_bool(m->model, &enabled, "%s.Enable", row) < 0)
                return true; /* who does not know must not say no */
        uuid = uuid_of_row(m, row, &formatted);
        return enabled && medium->content == MEDIUM_VOLUME && streq_ptr(uuid, medium->uuid);
}

bool volumes_use(Manager *m, const Medium *medium) {
        for (Volume *v = m->volumes; v; v = v->next) {
                _cleanup_free_ char *device = device_mounted_at(v->directory, NULL);

                if (streq_ptr(device, medium->name))
                        return true;
        }
        /* What the last pass made of the rows does not count here: it may have been before a change, or never. */
        DM_FOREACH_INSTANCE(i, m->model, STORAGE_SERVICE "LogicalVolume.")
                if (is_enabled_on(m, i, medium))
                        return true;
        return false;
}

void volumes_check(Manager *m) {
        for (Volume *v = m->volumes; v; v = v->next) {
                bool damaged = false;
                _cleanup_free_ char *device = v->online ? device_mounted_at(v->directory, &damaged) : NULL;

                if (v->stuck ? ++v->n_rounds < MIN(v->n_stuck, STUCK_ROUNDS_MAX) : !damaged)
                        continue;
                v->stuck = false;
                manager_schedule(m);
        }
}

/* --- All of them --- */

static Volume *find_by_directory(Manager *m, const char *directory) {
        for (Volume *v = m->volumes; v; v = v->next)
                if (streq(v->directory, directory))
                        return v;
        return NULL;
}

/* Volumes that are mounted though their rows are gone: deleted while this process did not run. */
static int adopt_mounts(Manager *m) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
        char line[MOUNTINFO_LINE_MAX], where[MOUNTINFO_LINE_MAX];
        int r;

        if (!f)
                return -errno;
        while (fgets(line, sizeof(line), f)) {
                const char *name;
                Volume *v;

                if (sscanf(line, "%*u %*u %*s %*s %16383s", where) != 1)
                        continue;
                name = startswith(where, VOLUMES_DIRECTORY "/");
                if (isempty(name) || strchr(name, '/') || find_by_directory(m, where))
                        continue;
                r = volume_new(&v, m, 0, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const ShareVolume *find_wanted(const ShareSet *s, const Volume *v) {
        for (size_t i = 0; s->enabled && i < s->n_volumes; i++)
                if (s->volumes[i].instance == v->instance && streq(s->volumes[i].name, v->name))
                        return s->volumes + i;
        return NULL;
}

static void drop_absent(Manager *m) {
        for (Volume **p = &m->volumes; *p;) {
                Volume *v = *p;
                _cleanup_free_ char *device =
                                v->present || v->acting ? NULL : device_mounted_at(v->directory, NULL);

                if (v->present || v->acting || device) {
                        p = &v->next;
                        continue;
                }
                *p = v->next;
                volume_free(v);
                manager_schedule(m); /* another row may have waited for the place */
        }
}

/* Sees to it that each wanted volume has its entry, old or new. */
static int add_wanted(Manager *m, const ShareSet *s) {
        Volume *v;
        int r;

        for (size_t i = 0; s->enabled && i < s->n_volumes; i++) {
                const ShareVolume *wanted = s->volumes + i;
                _cleanup_free_ char *directory = strfmt(VOLUMES_DIRECTORY "/%s", wanted->name);

                if (!directory)
                        return -ENOMEM;
                /* Of another row, it goes first; its end makes a pass. */
                if (find_by_directory(m, directory))
                        continue;
                r = volume_new(&v, m, wanted->instance, wanted->name);
                if (r < 0)
                        return r;
        }
        return 0;
}

int volumes_apply(Manager *m, const ShareSet *s) {
        int r;

        if (!m->media_known || m->wipe_call)
                return 0; /* the end of the worker, or of the wiping, makes a pass */
        if ((r = add_wanted(m, s)) < 0 || (r = adopt_mounts(m)) < 0)
                return r;
        for (Volume *v = m->volumes; v; v = v->next) {
                const ShareVolume *wanted = find_wanted(s, v);

                v->present = wanted != NULL;
                r = volume_step(v, wanted);
                if (r < 0) {
                        log_error_errno(r, "Failed to bring up volume %s: %m", v->name);
                        v->failed = true;
                }
        }
        drop_absent(m);
        return 0;
}
