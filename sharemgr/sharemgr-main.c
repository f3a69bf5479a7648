/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-sharemgr: Services.StorageService. on real disks and servers (docs/tr140.md). */
#include <stdlib.h>

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/daemon-run.h"
#include "sharemgr/manager.h"

#define CONFIG_PATH "/etc/ispstorage/sharemgr.conf"

/* A bridge of LAN ports is called so on most gateways. */
#define INTERFACE_DEFAULT "lan0 br-lan"

static int parse_file_system(const char *value, void *data) {
        static const char *const known[] = { "ext4", "btrfs", "xfs" };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (streq(value, known[i]))
                        return config_parse_string(value, data);
        return -EINVAL;
}

static int read_config(ManagerConfig *config) {
        const ConfigItem items[] = {
                { "Media", "Match", config_parse_strv, &config->media },
                { "Media", "FileSystem", parse_file_system, &config->file_system },
                { "Network", "Interfaces", config_parse_strv, &config->interfaces },
                { "HTTP", "Writing", config_parse_bool, &config->http_writing },
                {},
        };
        int r;

        config->http_writing = true;
        if ((r = config_parse_string("ext4", &config->file_system)) < 0)
                return log_oom();
        r = config_read(CONFIG_PATH, items);
        if (r < 0)
                return r;
        if (!config->interfaces && config_parse_strv(INTERFACE_DEFAULT, &config->interfaces) < 0)
                return log_oom();
        return 0;
}

static int run(const ManagerConfig *config) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        r = daemon_event_new(&event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        if ((r = sd_bus_open_system(&bus)) < 0 ||
            (r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
            (r = sd_bus_set_exit_on_disconnect(bus, true)) < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        if ((r = manager_new(&m, event, bus, config)) < 0 || (r = manager_start(m)) < 0)
                return r;
        return daemon_loop(event);
}

int main(int argc, char *argv[]) {
        ManagerConfig config = {};
        int r;

        log_open();
        if (argc > 1) {
                log_error("%s takes no arguments; see docs/tr140.md.", argv[0]);
                return EXIT_FAILURE;
        }
        r = read_config(&config);
        if (r >= 0)
                r = run(&config);
        manager_config_done(&config);
        return r < 0 ? EXIT_FAILURE : r;
}
