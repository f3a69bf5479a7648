/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-rules.h"
#include "sharemgr/share-set-load.h"
#include "sharemgr/smart.h"

#define MEDIA_WORKER LIBEXECDIR "/sharemgr-media-worker"

/* A disk that spins up answers within seconds; one that does not answer for a minute is broken. */
#define MEDIA_TIMEOUT_USEC (60U * 1000000U)

#define PHYSICAL_MEDIUM STORAGE_SERVICE "PhysicalMedium."
#define SMART PHYSICAL_MEDIUM "%" PRIu32 ".SMART."

/* How often the disks are asked for their health. */
#define SMART_USEC (UINT64_C(1800) * 1000000)

void manager_media_done(Manager *m) {
        sd_event_source_unref(m->media_input);
        m->media_input = NULL;
        m->media_fd = safe_close(m->media_fd);
        m->media_worker = worker_free(m->media_worker);
        media_done(&m->media_found);
}

/* Takes one message. 1, 0 if there is no more for now, or a negative errno. */
static int take_message(Manager *m) {
        _cleanup_(medium_done) Medium medium = {};
        char text[MEDIUM_TEXT_MAX + 1];
        ssize_t n;
        int r;

        n = recv(m->media_fd, text, MEDIUM_TEXT_MAX, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return 0;
        text[n] = 0;
        r = medium_from_text(text, &medium);
        if (r >= 0)
                r = media_append(&m->media_found, &medium);
        return r < 0 ? r : 1;
}

static void take_messages(Manager *m) {
        int r;

        do
                r = take_message(m);
        while (r > 0);
        if (r < 0)
                log_warning_errno(r, "Failed to read what the disks are: %m");
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Manager *m = userdata;

        take_messages(m);
        if (revents & EPOLLHUP) /* the end of the worker tells the rest */
                m->media_input = sd_event_source_unref(m->media_input);
        return 0;
}

static void on_worker_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Manager *m = userdata;
        bool again = m->media_again;

        take_messages(m);
        if (worker_succeeded(si)) {
                m->media_known = true;
                if (!media_equal(&m->media, &m->media_found)) {
                        media_done(&m->media);
                        m->media = m->media_found;
                        m->media_found = (Media){};
                        m->smart_usec = 0;
                        volumes_retry(m);
                }
        } else
                log_error("Looking at the disks %s.", timed_out ? "took too long" : "failed");
        manager_media_done(m);
        m->media_again = false;
        if (again)
                manager_scan_media(m);
        else
                manager_schedule(m);
}

static char **media_command(Manager *m) {
        _cleanup_strv_free_ char **argv = NULL;

        if (strv_extend(&argv, MEDIA_WORKER) < 0)
                return NULL;
        STRV_FOREACH (p, m->config->media)
                if (strv_extend(&argv, *p) < 0)
                        return NULL;
        return TAKE_PTR(argv);
}

void manager_scan_media(Manager *m) {
        _cleanup_strv_free_ char **argv = NULL;
        int r;

        m->media_known = false;
        if (m->media_worker) {
                m->media_again = true;
                return;
        }
        argv = media_command(m);
        r = argv ? worker_spawn(&m->media_worker,
                                &m->media_fd,
                                m->event,
                                argv,
                                MEDIA_TIMEOUT_USEC,
                                on_worker_exit,
                                m)
                 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_io(m->event, &m->media_input, m->media_fd, EPOLLIN, on_input, m);
        if (r < 0)
                log_error_errno(r, "Failed to look at the disks: %m");
}

/* The row that stands for the disk, 0 if it has none yet. */
static uint32_t row_of_medium(Manager *m, const Medium *medium) {
        _cleanup_free_ char *identity = medium_identity(medium);

        DM_FOREACH_INSTANCE(i, m->model, PHYSICAL_MEDIUM) {
                _cleanup_free_ char *path = strfmt(PHYSICAL_MEDIUM "%" PRIu32, i);

                if (path && identity && streq_ptr(row_store_get(m->identities, path), identity))
                        return i;
        }
        return 0;
}

const Medium *manager_medium_of_row(Manager *m, const char *path) {
        const char *identity = row_store_get(m->identities, path);

        for (size_t i = 0; identity && i < m->media.n; i++) {
                _cleanup_free_ char *own = medium_identity(m->media.items + i);

                if (streq_ptr(own, identity))
                        return m->media.items + i;
        }
        return NULL;
}

static int update_smart(DmUpdate *u, uint32_t i, const Medium *medium) {
        _cleanup_free_ char *path = strfmt(SMART_DIRECTORY "/%s.json", medium->name), *text = NULL;
        SmartData d = {};
        int r;

        if (!path)
                return -ENOMEM;
        /* There may be no smartctl, or it has not been asked yet, or the disk sleeps. */
        if (read_file(AT_FDCWD, path, SMART_TEXT_MAX, &text, NULL) < 0 || smart_from_json(text, &d) < 0)
                return 0;
        const struct {
                const char *name;
                uint32_t value;
        } values[] = {
                { "ReallocatedSectorsCount", d.reallocated_sectors },
                { "PowerOnHours", d.power_on_hours },
                { "SpinRetryCount", d.spin_retries },
                { "PowerCycleCount", d.power_cycles },
                { "Temperature", d.temperature },
                { "ReallocationEventCount", d.reallocation_events },
                { "CurrentPendingSectorCount", d.pending_sectors },
                { "UncorrectableSectorCount", d.uncorrectable_sectors },
                { "ReadErrors", d.read_errors },
                { "SoftReadErrors", d.soft_read_errors },
                { "WriteErrors", d.write_errors },
                { "SparesRemaining", d.spares_remaining },
        };

        for (size_t k = 0; k < ELEMENTSOF(values); k++) {
                r = dm_update_set_uint64(u, values[k].value, SMART "%s", i, values[k].name);
                if (r < 0)
                        return r;
        }
        if ((r = dm_update_set_bool(u, d.capable, PHYSICAL_MEDIUM "%" PRIu32 ".SMARTCapable", i)) < 0 ||
            (r = dm_update_set(u, d.failing ? "Failing" : "OK", PHYSICAL_MEDIUM "%" PRIu32 ".Health", i)) < 0)
                return r;
        return dm_update_set_uint64(u, d.power_on_hours, PHYSICAL_MEDIUM "%" PRIu32 ".Uptime", i);
}

static int update_row(DmUpdate *u, uint32_t i, const Medium *medium) {
        int r;

        if ((r = dm_update_set(u, medium->vendor, PHYSICAL_MEDIUM "%" PRIu32 ".Vendor", i)) < 0 ||
            (r = dm_update_set(u, medium->model, PHYSICAL_MEDIUM "%" PRIu32 ".Model", i)) < 0 ||
            (r = dm_update_set(u, medium->serial, PHYSICAL_MEDIUM "%" PRIu32 ".SerialNumber", i)) < 0 ||
            (r = dm_update_set(u, medium->firmware, PHYSICAL_MEDIUM "%" PRIu32 ".FirmwareVersion", i)) < 0 ||
            (r = dm_update_set_uint64(u, medium->capacity, PHYSICAL_MEDIUM "%" PRIu32 ".Capacity", i)) < 0 ||
            (r = dm_update_set_bool(u, medium->removable, PHYSICAL_MEDIUM "%" PRIu32 ".Removable", i)) < 0 ||
            (r = dm_update_set_bool(u, medium->usb, PHYSICAL_MEDIUM "%" PRIu32 ".HotSwappable", i)) < 0 ||
            (r =
                             dm_update_set(u,
                                           medium->connection,
                                           PHYSICAL_MEDIUM "%" PRIu32 ".ConnectionType",
                                           i)) < 0 ||
            (r = dm_update_set(
                             u, medium->rotational ? "HDD" : "SSD", PHYSICAL_MEDIUM "%" PRIu32 ".Type", i)) <
                            0)
                return r;
        return 0;
}

static int add_row(Manager *m, DmUpdate *u, const Medium *medium, uint32_t *ret) {
        _cleanup_free_ char *identity = medium_identity(medium), *path = NULL, *name = NULL;
        uint32_t i;
        int r;

        r = share_rules_medium_name(m->model, medium->name, &name);
        if (r >= 0)
                r = dm_update_add(u, &i, PHYSICAL_MEDIUM);
        if (r < 0)
                return r;
        path = strfmt(PHYSICAL_MEDIUM "%" PRIu32, i);
        if (!identity || !path)
                return -ENOMEM;
        r = row_store_set(m->identities, path, identity);
        if (r < 0)
                return r;
        *ret = i;
        return dm_update_set(u, name, PHYSICAL_MEDIUM "%" PRIu32 ".Name", i);
}

int manager_update_media_rows(Manager *m) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        int r;

        if (!m->media_known)
                return 0;
        r = dm_update_new(&u, m->model);
        if (r < 0)
                return r;
        DM_FOREACH_INSTANCE(i, m->model, PHYSICAL_MEDIUM) {
                _cleanup_free_ char *path = strfmt(PHYSICAL_MEDIUM "%" PRIu32, i);
                bool attached = path && manager_medium_of_row(m, path);

                r = dm_update_set(
                                u, attached ? "Online" : "Offline", PHYSICAL_MEDIUM "%" PRIu32 ".Status", i);
                if (r < 0)
                        return r;
        }
        for (size_t n = 0; n < m->media.n; n++) {
                const Medium *medium = m->media.items + n;
                uint32_t i = row_of_medium(m, medium);

                /* What the system lives on is not offered. */
                if (i == 0 && medium->busy)
                        continue;
                if ((i == 0 && (r = add_row(m, u, medium, &i)) < 0) || (r = update_row(u, i, medium)) < 0 ||
                    (medium->content == MEDIUM_UNREADABLE
                                     ? (r = dm_update_set(u, "Error", PHYSICAL_MEDIUM "%" PRIu32 ".Health", i))
                                     : (r = update_smart(u, i, medium))) < 0 ||
                    (r = dm_update_set(u, "Online", PHYSICAL_MEDIUM "%" PRIu32 ".Status", i)) < 0)
                        return r;
        }
        return dm_update_commit(u);
}

static void on_smart(const char *unit, const char *result, void *userdata) {
        manager_schedule(userdata);
}

int manager_ask_health(Manager *m) {
        uint64_t now;
        int r;

        r = sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        if (r < 0 || !m->media_known || (m->smart_usec > 0 && now < m->smart_usec + SMART_USEC))
                return r < 0 ? r : 0;
        m->smart_usec = now;
        for (size_t i = 0; i < m->media.n; i++) {
                _cleanup_free_ char *unit = strfmt("ispstorage-smart@%s.service", m->media.items[i].name);

                r = unit ? unit_jobs_queue(m->jobs, "StartUnit", unit, on_smart, m) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}
