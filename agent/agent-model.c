/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DeviceInfo. and ManagementServer.: what the agent itself provides. */
#include <fcntl.h>
#include <time.h>

#include "agent-schema.h"
#include "agent/agent-manager.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

/* cwmp-1-2.xsd: OUI is six upper-case hexadecimal digits. */
_Static_assert(sizeof(MANUFACTURER_OUI) == sizeof("000000"), "-Doui= must have six digits");

#define BOOTSTRAPPED_FILE "bootstrapped"
#define BOOTSTRAPPED_MAX 2048U

char *agent_model_string(Agent *a, const char *path) {
        char *s = NULL;

        int r = dm_get_string(a->model, &s, "%s", path);
        if (r < 0 && r != -ENOMEM)
                return strdup("");
        return s;
}

uint32_t agent_model_uint32(Agent *a, const char *path) {
        uint32_t v = 0;

        (void) dm_get_uint32(a->model, &v, "%s", path);
        return v;
}

int agent_model_set(Agent *a, const char *path, const char *value) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

        int r = dm_update_new(&u, a->model);
        if (r < 0)
                return r;
        (void) dm_update_set(u, strempty(value), "%s", path);
        return dm_update_commit(u);
}

int agent_model_forced_inform(Agent *a, ParameterList *l) {
        const DmSchema *schema = dm_model_schema(a->model);

        for (uint16_t i = 0; i < schema->n_parameters; i++) {
                const DmParameter *p = schema->parameters + i;
                _cleanup_free_ char *name = NULL, *value = NULL;

                if (!(p->flags & DM_FORCED_INFORM) || strstr(schema->objects[p->object].path, "{i}"))
                        continue;
                name = strfmt("%s%s", schema->objects[p->object].path, p->name);
                value = name ? agent_model_string(a, name) : NULL;
                if (!value || !parameter_list_add(l, name, dm_type_to_string(p->type), value))
                        return -ENOMEM;
        }
        provider_table_withhold(&a->providers, l);
        return 0;
}

static int get_dynamic(
                DmModel *m,
                const DmParameter *parameter,
                const uint32_t instances[],
                char **ret,
                void *userdata) {
        struct timespec now;

        if (!streq(parameter->name, "UpTime"))
                return -ENODATA;
        if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
                return -errno;
        char *s = strfmt("%lld", (long long) now.tv_sec);
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static int apply_connection_request_credentials(Agent *a) {
        _cleanup_free_ char *username = agent_model_string(a, "ManagementServer.ConnectionRequestUsername");
        _cleanup_free_ char *password = agent_model_string(a, "ManagementServer.ConnectionRequestPassword");

        if (!username || !password)
                return -ENOMEM;
        return connection_requests_set_credentials(a->connection_requests, username, password);
}

/* The ACS changed how it wants to be reached or to reach us. What concerns the connection to it holds from
 * the next session on. */
static int on_committed(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        Agent *a = userdata;

        if (apply_connection_request_credentials(a) < 0 || agent_schedule_periodic(a) < 0)
                (void) log_oom();

        for (size_t i = 0; i < n; i++) {
                if (streq(changes[i].path, "ManagementServer.URL") ||
                    streq(changes[i].path, "ManagementServer.Username") ||
                    streq(changes[i].path, "ManagementServer.Password"))
                        a->challenge = mfree(a->challenge);
                if (streq(changes[i].path, "ManagementServer.URL"))
                        agent_new_acs(a);
        }
        agent_consider_session(a);
        return 0;
}

static const DmProvider provider = {
        .committed = on_committed,
        .get = get_dynamic,
};

/* Identity comes from the configuration each time; the first ACS too, but only until the data model knows one. */
static int set_configured_values(Agent *a) {
        const AgentConfig *c = &a->config;
        const struct {
                const char *path, *value;
        } values[] = {
                { "DeviceSummary", c->device_summary },
                { "DeviceInfo.Manufacturer", c->manufacturer },
                { "DeviceInfo.ManufacturerOUI", MANUFACTURER_OUI },
                { "DeviceInfo.ModelName", c->model_name },
                { "DeviceInfo.Description", "Gateway with operator-managed hybrid storage" },
                { "DeviceInfo.ProductClass", c->product_class },
                { "DeviceInfo.SerialNumber", c->serial_number },
                { "DeviceInfo.HardwareVersion", c->hardware_version },
                { "DeviceInfo.SoftwareVersion", c->software_version ?: PROJECT_VERSION },
                { "DeviceInfo.DeviceStatus", "Up" },
                { "ManagementServer.HTTPCompressionSupported", "GZIP" },
        };
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

        int r = dm_update_new(&u, a->model);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                (void) dm_update_set(u, strempty(values[i].value), "%s", values[i].path);

        _cleanup_free_ char *url = agent_model_string(a, "ManagementServer.URL");
        if (isempty(url) && c->acs_url) {
                (void) dm_update_set(u, c->acs_url, "ManagementServer.URL");
                (void) dm_update_set(u, strempty(c->acs_username), "ManagementServer.Username");
                (void) dm_update_set(u, strempty(c->acs_password), "ManagementServer.Password");
        }
        return dm_update_commit(u);
}

int agent_model_setup(Agent *a) {
        int r = dm_model_new(&a->model, &agent_schema, &provider, a);
        if (r < 0)
                return log_error_errno(r, "Cannot make the data model: %m");

        r = dm_model_load(a->model, a->config.state_directory, "data-model");
        if (r < 0)
                return log_error_errno(r, "Cannot read the state of the data model: %m");
        if (r == DM_LOADED_CORRUPT)
                log_warning("The state of the data model was damaged: back to factory defaults.");

        r = set_configured_values(a);
        if (r < 0)
                return log_error_errno(r, "The configured identity does not fit the data model: %m");

        r = apply_connection_request_credentials(a);
        return r < 0 ? log_oom() : 0;
}

/* TR-069 3.7.1.5: a new ACS URL, or another identity of the device, makes the first contact a first contact again. */
static char *bootstrap_identity(Agent *a) {
        _cleanup_free_ char *url = agent_model_string(a, "ManagementServer.URL");

        return url ? strfmt(MANUFACTURER_OUI "-%s-%s %s", strempty(a->config.product_class),
                            strempty(a->config.serial_number), url) : NULL;
}

bool agent_model_needs_bootstrap(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, BOOTSTRAPPED_FILE), *known = NULL;
        _cleanup_free_ char *identity = bootstrap_identity(a);

        return !path || read_file(AT_FDCWD, path, BOOTSTRAPPED_MAX, &known, NULL) < 0 || !streq_ptr(known, identity);
}

int agent_model_bootstrapped(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, BOOTSTRAPPED_FILE), *identity = bootstrap_identity(a);

        if (!path || !identity)
                return -ENOMEM;
        return write_file_atomic(AT_FDCWD, path, identity, strlen(identity), 0600);
}
