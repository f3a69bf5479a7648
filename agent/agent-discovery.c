/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACS that DHCP names (TR-069 section 3.1): the gateway's DHCP client writes the options to a file, which is read
 * at the start and whenever it changes. An ACS that was set otherwise, above all by an ACS, is not touched. */
#include <fcntl.h>
#include <sys/inotify.h>

#include "agent/agent-manager.h"
#include "agent/core/dhcp-options.h"
#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

/* The URL that came from DHCP last: as long as the data model has it, DHCP may change it. */
#define DISCOVERED_FILE "discovered-url"

static void read_option(const char *text, int (*read)(const char *text, DhcpOptions *ret), DhcpOptions *o) {
        if (text && read(text, o) < 0)
                log_warning("A DHCP option about the ACS is malformed.");
}

static int read_discovery(Agent *a, DhcpOptions *ret) {
        _cleanup_free_ char *option_43 = NULL, *option_17 = NULL;
        const ConfigItem items[] = {
                { "DHCP", "Option43", config_parse_string, &option_43 },
                { "DHCP", "Option17", config_parse_string, &option_17 },
                {},
        };

        int r = config_read(a->config.discovery_file, items);
        if (r < 0)
                return r;
        read_option(option_17, dhcp_option_17, ret);
        read_option(option_43, dhcp_option_43, ret);
        return 0;
}

static bool url_is_discovered(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, DISCOVERED_FILE), *known = NULL;
        _cleanup_free_ char *url = agent_model_string(a, "ManagementServer.URL");

        if (isempty(url))
                return true;
        return path && read_file(AT_FDCWD, path, DHCP_URL_MAX, &known, NULL) >= 0 && streq(known, url);
}

static int apply(Agent *a, const DhcpOptions *o) {
        _cleanup_free_ char *path = agent_state_path(a, DISCOVERED_FILE);
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

        if (!path)
                return -ENOMEM;
        int r = dm_update_new(&u, a->model);
        if (r < 0)
                return r;
        if (o->url[0] && url_is_discovered(a)) {
                r = write_file_atomic(AT_FDCWD, path, o->url, strlen(o->url), 0600);
                if (r < 0)
                        return r;
                (void) dm_update_set(u, o->url, "ManagementServer.URL");
        }
        if (o->provisioning_code[0])
                (void) dm_update_set(u, o->provisioning_code, "DeviceInfo.ProvisioningCode");
        if (o->retry_minimum > 0)
                (void) dm_update_set_uint64(u, o->retry_minimum, "ManagementServer.CWMPRetryMinimumWaitInterval");
        if (o->retry_multiplier > 0)
                (void) dm_update_set_uint64(u, o->retry_multiplier, "ManagementServer.CWMPRetryIntervalMultiplier");
        return dm_update_commit(u);
}

int agent_discover(Agent *a) {
        DhcpOptions o = {};

        int r = read_discovery(a, &o);
        if (r >= 0)
                r = apply(a, &o);
        if (r < 0)
                return log_error_errno(r, "Cannot take what DHCP says about the ACS: %m");
        return 0;
}

static int on_change(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Agent *a = userdata;
        const char *slash = strrchr(a->config.discovery_file, '/');

        if (event->len == 0 || !slash || !streq(event->name, slash + 1))
                return 0;
        if (agent_discover(a) >= 0) {
                a->challenge = mfree(a->challenge);
                agent_new_acs(a);
        }
        return 0;
}

int agent_discovery_watch(Agent *a) {
        _cleanup_free_ char *directory = strdup(a->config.discovery_file);
        char *slash = directory ? strrchr(directory, '/') : NULL;

        if (!slash)
                return directory ? 0 : -ENOMEM;
        *slash = 0;
        int r = sd_event_add_inotify(a->event, &a->discovery_source, directory, IN_CLOSE_WRITE | IN_MOVED_TO, on_change,
                                     a);
        /* A gateway without DHCP need not have the directory. */
        return r == -ENOENT ? 0 : r;
}
