/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set-load.h"
#include "storage-schema.h"

/* Changes that come together, such as those of one session of the ACS, make one pass. */
#define PASS_DELAY_USEC (20U * 1000U)

/* People wait for passes, several in a row: not the quarter of a second that sd-event takes by default. */
#define PASS_ACCURACY_USEC 1000U

/* UsedSpace, ThresholdReached, full folders and what could not be unmounted are looked at in this rhythm;
 * statvfs(2) does not touch the disk. What follows must have followed 5 s after the cause. */
#define CLOCK_USEC (2U * 1000000U)

/* Once there are quotas: a folder that is full is walked first, and then the servers learn it. */
#define QUOTA_CLOCK_USEC (1U * 1000000U)

void manager_config_done(ManagerConfig *config) {
        strv_free(config->media);
        strv_free(config->interfaces);
        free(config->file_system);
        free(config->certificate);
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        manager_media_done(m);
        kernel_monitor_free(m->block_monitor);
        kernel_monitor_free(m->address_monitor);
        sd_event_source_unref(m->pass);
        sd_event_source_unref(m->clock);
        sd_event_source_disable_unref(m->import_again);
        unit_jobs_free(m->jobs);
        servers_done(m);
        volumes_done(m);
        sd_bus_slot_unref(m->vtable);
        dm_bus_free(m->dm_bus);
        dm_model_free(m->model);
        row_store_free(m->credentials);
        row_store_free(m->provisioned);
        row_store_free(m->identities);
        media_done(&m->media);
        share_set_free(m->set);
        share_network_done(&m->network);
        manager_quota_done(m);
        worker_free(m->certificate_worker);
        session_query_free(m->query);
        worker_free(m->ending);
        sd_bus_message_unref(m->ending_call);
        sd_bus_message_unref(m->wipe_call);
        sd_bus_slot_unref(m->eviction);
        strv_free(m->evicted);
        strv_free(m->lowered);
        free(m->answered);
        safe_close(m->state_fd);
        return mfree(m);
}

/* --- The pass
 * ---------------------------------------------------------------------------------------------------------
 */

static const char *volume_status(const Volume *v) {
        return !v ? "Offline" : v->online ? "Online" : v->failed ? "Error" : "Offline";
}

static int report_volume(Manager *m, DmUpdate *u, uint32_t i) {
        const Volume *v = volumes_find(m, i);
        uint32_t capacity, limit, used = 0;
        bool reached;
        int r;

        if ((r = dm_get_uint32(
                             m->model, &capacity, STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".Capacity", i)) <
                            0 ||
            (r =
                             dm_get_uint32(m->model,
                                           &limit,
                                           STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".ThresholdLimit",
                                           i)) < 0 ||
            (r = dm_update_set(u, volume_status(v), STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".Status", i)) <
                            0)
                return r;
        reached = v && limit > 0 && volume_used_space(v, &used) >= 0 && (uint64_t) used + limit >= capacity;
        return dm_update_set_bool(
                        u, reached, STORAGE_SERVICE "LogicalVolume.%" PRIu32 ".ThresholdReached", i);
}

/* Status parameters as things are now, in one transaction. */
static int report(Manager *m) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        int r;

        r = dm_update_new(&u, m->model);
        if (r < 0)
                return r;
        DM_FOREACH_INSTANCE(i, m->model, STORAGE_SERVICE "LogicalVolume.") {
                r = report_volume(m, u, i);
                if (r < 0)
                        return r;
        }
        if ((r =
                             dm_update_set(u,
                                           server_status_to_string(server_status(m->servers + SERVER_FTP)),
                                           STORAGE_SERVICE "FTPServer.Status")) < 0 ||
            (r =
                             dm_update_set(u,
                                           server_status_to_string(server_status(m->servers + SERVER_HTTP)),
                                           STORAGE_SERVICE "HTTPServer.Status")) < 0 ||
            (r =
                             dm_update_set(u,
                                           server_status_to_string(server_status(m->servers + SERVER_HTTPS)),
                                           STORAGE_SERVICE "HTTPSServer.Status")) < 0 ||
            (r = dm_update_set_bool(
                             u, m->config->http_writing, STORAGE_SERVICE "HTTPServer.HTTPWritingEnabled")) <
                            0 ||
            (r = dm_update_set_bool(
                             u, m->config->http_writing, STORAGE_SERVICE "HTTPSServer.HTTPWritingEnabled")) <
                            0 ||
            (r =
                             dm_update_set(u,
                                           file_system_name(m->config->file_system),
                                           STORAGE_SERVICE "Capabilities.SupportedFileSystemTypes")) < 0)
                return r;
        r = manager_report_quotas(m, u);
        return r < 0 ? r : dm_update_commit(u);
}

/* True if the set shared before a folder that it does not share now. */
static bool folder_left(ShareSet *before, ShareSet *now) {
        if (!before)
                return false;
        SHARE_SET_FOREACH_ONLINE(f, before) {
                bool found = false;

                for (size_t v = 0; v < now->n_volumes && !found; v++)
                        for (size_t i = 0; i < now->volumes[v].n_folders && !found; i++)
                                found = now->volumes[v].folders[i].online &&
                                        streq(now->volumes[v].folders[i].directory, f->directory);
                if (!found)
                        return true;
        }
        return false;
}

static int read_network(Manager *m) {
        ShareNetwork n;
        int r;

        r = share_network_read(m->config->interfaces, &n);
        if (r < 0)
                return r;
        share_network_done(&m->network);
        m->network = n;
        return 0;
}

static int pass(Manager *m) {
        _cleanup_(share_set_freep) ShareSet *s = NULL;
        int r;

        if ((r = manager_update_media_rows(m)) < 0 || (r = share_set_load(m->model, &s)) < 0 ||
            (r = read_network(m)) < 0)
                return r;
        manager_drop_users_without_password(m, s);
        if ((r = volumes_apply(m, s)) < 0)
                return r;
        manager_prepare_folders(m, s);
        if ((r = manager_find_folders(m)) < 0)
                return r;
        if ((r = manager_apply_quotas(m, s)) < 0)
                return r;
        if ((r = manager_apply_accounts(m, s)) < 0)
                return r;
        /* At a start the servers wait for the volumes, so that they start once and clients find all shares. */
        m->settled = m->settled || (m->media_known && !volumes_are_busy(m));
        if (m->settled) {
                if (m->set && (r = share_set_list_lowered(m->set, s, SHARE_SMB, &m->lowered)) < 0)
                        return r;
                if ((r = servers_apply(m, s, folder_left(m->set, s))) < 0)
                        return r;
                if (m->set && (r = manager_evict_ftp_users(m, m->set, s)) < 0)
                        return r;
                share_set_free(m->set);
                m->set = TAKE_PTR(s);
        }
        if ((r = report(m)) < 0)
                return r;
        return manager_announce_folders(m);
}

static int on_pass(sd_event_source *source, uint64_t usec, void *userdata) {
        int r = pass(userdata);

        if (r < 0)
                log_error_errno(r, "Failed to bring the NAS to what the data model says: %m");
        /* What a large transaction and its pass needed is free now, but between what stays. */
        (void) malloc_trim(0);
        return 0;
}

void manager_schedule(Manager *m) {
        int enabled;

        if (m->pass && sd_event_source_get_enabled(m->pass, &enabled) >= 0 && enabled == SD_EVENT_OFF &&
            sd_event_source_set_time_relative(m->pass, PASS_DELAY_USEC) >= 0)
                (void) sd_event_source_set_enabled(m->pass, SD_EVENT_ONESHOT);
}

static bool any_is_online(Manager *m) {
        for (Volume *v = m->volumes; v; v = v->next)
                if (v->online)
                        return true;
        return false;
}

static int on_clock(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r = 0;

        if (!m->settled) {
                m->settled = true;
                manager_schedule(m);
        }
        servers_confirm(m);
        (void) manager_ask_health(m);
        volumes_check(m);
        if (any_is_online(m)) {
                r = report(m);
                if (r >= 0)
                        r = manager_measure_folders(m);
        }
        if (r < 0)
                log_error_errno(r, "Failed to report the state of the volumes: %m");
        r = sd_event_source_set_time_relative(source, m->n_usages > 0 ? QUOTA_CLOCK_USEC : CLOCK_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void on_block_device(void *userdata) {
        manager_scan_media(userdata);
}

static void on_address(void *userdata) {
        manager_schedule(userdata);
}

/* --- Begin
 * ------------------------------------------------------------------------------------------------------------
 */

static int look_up_user(const char *name, uid_t *ret_uid, gid_t *ret_gid) {
        struct passwd *pwd = getpwnam(name);

        if (!pwd)
                return log_error_errno(ENOENT, "The user %s does not exist.", name);
        *ret_uid = pwd->pw_uid;
        *ret_gid = pwd->pw_gid;
        return 0;
}

static int open_state(Manager *m) {
        int r;

        m->state_fd = open(STATE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->state_fd < 0)
                return log_error_errno(errno, "Failed to open " STATE_DIRECTORY ": %m");
        if ((r = row_store_open(&m->credentials, m->state_fd, "credentials")) < 0 ||
            (r = row_store_open(&m->provisioned, m->state_fd, "provisioned")) < 0 ||
            (r = row_store_open(&m->identities, m->state_fd, "media")) < 0)
                return log_error_errno(r, "Failed to read the state in " STATE_DIRECTORY ": %m");
        r = dm_model_new(&m->model, &storage_schema, &manager_provider, m);
        if (r >= 0)
                r = dm_model_load(m->model, STATE_DIRECTORY, "model");
        if (r < 0)
                return log_error_errno(r, "Failed to read the data model in " STATE_DIRECTORY ": %m");
        if (r == DM_LOADED_CORRUPT)
                log_warning("The data model was damaged, and is now as from the factory.");
        else if (r == DM_LOADED_PARTLY)
                log_warning("Some of the data model was of another version and is left out.");
        return 0;
}

static int make_runtime_directories(void) {
        static const struct {
                const char *path;
                mode_t mode;
        } directories[] = {
                { SAMBA_DIRECTORY, 0755 },
                { SAMBA_USERDB_DIRECTORY, 0755 },
                { SAMBA_RUNTIME_DIRECTORY, 0755 },
                { SAMBA_RUNTIME_DIRECTORY "/private", 0700 },
                { SAMBA_RUNTIME_DIRECTORY "/lock", 0755 },
                { SAMBA_RUNTIME_DIRECTORY "/state", 0755 },
                { SAMBA_RUNTIME_DIRECTORY "/cache", 0755 },
                { SAMBA_RUNTIME_DIRECTORY "/ncalrpc", 0755 },
                { SMART_DIRECTORY, 0755 },
                { VSFTPD_DIRECTORY, 0755 },
                { VSFTPD_USERS_DIRECTORY, 0755 },
                { VSFTPD_ROOTS_DIRECTORY, 0755 },
                { VSFTPD_EMPTY_DIRECTORY, 0755 },
                { LIGHTTPD_DIRECTORY, 0755 },
                { LIGHTTPD_ROOT_DIRECTORY, 0755 },
                { USERDB_DIRECTORY, 0755 },
                { VOLUMES_DIRECTORY, 0755 },
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                r = mkdir_parents(directories[i].path, 0755);
                if (r >= 0 && chmod(directories[i].path, directories[i].mode) < 0)
                        r = -errno;
                if (r < 0)
                        return log_error_errno(r, "Failed to make %s: %m", directories[i].path);
        }
        return 0;
}

int manager_new(Manager **ret, sd_event *event, sd_bus *bus, const ManagerConfig *config) {
        _cleanup_(manager_freep) Manager *m = calloc(1, sizeof(Manager));
        int r;

        if (!m)
                return log_oom();
        m->config = config;
        m->event = event;
        m->bus = bus;
        m->state_fd = m->media_fd = m->usage_fd = -EBADF;
        if ((r = look_up_user(DATA_USER, &m->data_uid, &m->data_gid)) < 0 ||
            (r = look_up_user(SYNC_USER, &m->sync_uid, &m->sync_gid)) < 0 || (r = open_state(m)) < 0)
                return r;
        r = make_runtime_directories();
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

static int start_sources(Manager *m) {
        int r;

        if ((r = sd_event_add_time_relative(
                             m->event, &m->pass, CLOCK_MONOTONIC, 0, PASS_ACCURACY_USEC, on_pass, m)) < 0 ||
            (r = sd_event_source_set_enabled(m->pass, SD_EVENT_OFF)) < 0 ||
            (r = sd_event_add_time_relative(
                             m->event, &m->clock, CLOCK_MONOTONIC, CLOCK_USEC, 0, on_clock, m)) < 0)
                return r;
        r = kernel_monitor_new(
                        &m->block_monitor, m->event, KERNEL_MONITOR_BLOCK_DEVICES, on_block_device, m);
        if (r < 0)
                return r;
        return kernel_monitor_new(&m->address_monitor, m->event, KERNEL_MONITOR_ADDRESSES, on_address, m);
}

int manager_start(Manager *m) {
        int r;

        if ((r = start_sources(m)) < 0)
                return log_error_errno(r, "Failed to watch disks and interfaces: %m");
        if ((r = unit_jobs_new(&m->jobs, m->bus)) < 0 || (r = servers_start(m)) < 0)
                return log_error_errno(r, "Failed to reach the service manager: %m");
        if ((r = manager_bus_export(m)) < 0 ||
            (r = dm_bus_new(&m->dm_bus, m->bus, m->model, SHARE_BUS_NAME)) < 0 ||
            (r = sd_bus_request_name(m->bus, SHARE_BUS_NAME, 0)) < 0)
                return log_error_errno(r, "Failed to appear on the bus as " SHARE_BUS_NAME ": %m");
        r = manager_provision_rows(m);
        if (r < 0)
                return log_error_errno(r, "Failed to finish what was enabled: %m");
        manager_scan_media(m);
        return 0;
}
