/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent-config.h"

#include <fcntl.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

/* ManagementServer.Password has 256 characters. */
#define CREDENTIAL_MAX 1024U
/* MiB: a firmware image; what the services of the device need to go on. */
#define TRANSFER_MAX_MIB_DEFAULT 512U
#define TRANSFER_FLOOR_MIB_DEFAULT 16U

void agent_config_done(AgentConfig *c) {
        free(c->manufacturer);
        free(c->model_name);
        free(c->product_class);
        free(c->serial_number);
        free(c->hardware_version);
        free(c->software_version);
        free(c->root_object);
        strv_free(c->withheld);
        free(c->acs_url);
        free(c->acs_username);
        free(c->acs_password);
        free(c->trusted_certificates);
        free(c->client_certificate);
        free(c->clock_file);
        free(c->discovery_file);
        free(c->connection_request_address);
        free(c->connection_request_interface);
        free(c->state_directory);
        free(c->runtime_directory);
        free(c->session_worker);
        free(c->transfer_worker);
        free(c->helper_directory);
        free(c->document_directory);
        free(c->device_type_document);
        strv_free(c->provider_directories);
}

/* The path of a credential of the service manager (systemd.exec(5), LoadCredential=), NULL if there is none. 0 or
 * -ENOMEM. */
static int find_credential(const char *name, char **ret) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;

        *ret = NULL;
        if (!directory)
                return 0;
        path = strfmt("%s/%s", directory, name);
        if (!path)
                return -ENOMEM;
        if (access(path, F_OK) >= 0)
                *ret = TAKE_PTR(path);
        return 0;
}

/* The first line of a credential, for a setting that has no value yet. */
static int read_credential(const char *name, char **value) {
        _cleanup_free_ char *path = NULL;

        int r = isempty(*value) ? find_credential(name, &path) : 0;
        if (r < 0 || !path)
                return r;
        *value = mfree(*value);
        r = read_file(AT_FDCWD, path, CREDENTIAL_MAX, value, NULL);
        if (r < 0)
                return log_error_errno(r, "Cannot read the credential %s: %m", name);
        (*value)[strcspn(*value, "\r\n")] = 0;
        return 0;
}

/* How the device and its first ACS know each other, as far as the configuration does not say it. */
static int read_credentials(AgentConfig *c) {
        int r = read_credential("acs-url", &c->acs_url);
        if (r >= 0)
                r = read_credential("acs-username", &c->acs_username);
        if (r >= 0)
                r = read_credential("acs-password", &c->acs_password);
        if (r >= 0 && !c->client_certificate)
                r = find_credential("acs-client.pem", &c->client_certificate);
        if (r >= 0 && !c->trusted_certificates)
                r = find_credential("acs-ca.pem", &c->trusted_certificates);
        return r;
}

/* The version of the data model decides about root object, Device Type document, and what of DeviceInfo. it has (as the
 * documents say). */
static int set_root_object(AgentConfig *c, const char *version) {
        static const struct {
                const char *version, *root_object, *document, *withheld, *summary;
        } roots[] = {
                { "InternetGatewayDevice", "InternetGatewayDevice", "InternetGatewayDevice-1.xml",
                  "DeviceInfo.DeviceStatus RootDataModelVersion", "InternetGatewayDevice:1.14[]()" },
                { "Device1", "Device", "Device-1.xml", "DeviceInfo.SpecVersion RootDataModelVersion",
                  "Device:1.14[](Baseline:1)" },
                { "Device2", "Device", "Device-2.xml",
                  "DeviceSummary DeviceInfo.SpecVersion DeviceInfo.DeviceStatus", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(roots); i++)
                if (streq(roots[i].version, version)) {
                        c->root_object = strdup(roots[i].root_object);
                        c->device_type_document = strdup(roots[i].document);
                        c->device_summary = roots[i].summary;
                        return c->root_object && c->device_type_document &&
                               strv_split(roots[i].withheld, " ", &c->withheld) >= 0 ? 0 : log_oom();
                }
        return log_error_errno(-EINVAL, "RootObject=%s is none of InternetGatewayDevice, Device1, Device2.", version);
}

/* Of all but the serial number. */
static int set_defaults(AgentConfig *c) {
        const struct {
                char **field;
                const char *value;
        } defaults[] = {
                { &c->manufacturer, "ISPStorage" },
                { &c->model_name, "ISPStorage gateway" },
                { &c->product_class, "Gateway" },
                { &c->hardware_version, "1" },
                { &c->trusted_certificates, "/etc/ispstorage/acs-ca.pem" },
                { &c->discovery_file, "/run/ispstorage/acs-discovery.conf" },
                { &c->state_directory, "/var/lib/ispstorage/agent" },
                { &c->runtime_directory, "/run/ispstorage-agent" },
                { &c->session_worker, LIBEXECDIR "/ispstorage-agent-session" },
                { &c->transfer_worker, LIBEXECDIR "/ispstorage-agent-transfer" },
                { &c->helper_directory, "/run/ispstorage/agent" },
                { &c->clock_file, "/run/systemd/timesync/synchronized" },
                { &c->document_directory, PKGDATADIR "/datamodel" },
        };

        for (size_t i = 0; i < ELEMENTSOF(defaults); i++)
                if (!*defaults[i].field && free_and_strdup(defaults[i].field, defaults[i].value) < 0)
                        return log_oom();
        if (!c->provider_directories && (strv_extend(&c->provider_directories, PROVIDERSDIR) < 0 ||
                                         strv_extend(&c->provider_directories, "/etc/ispstorage/providers.d") < 0))
                return log_oom();
        return 0;
}

int agent_config_load(AgentConfig *c, const char *path) {
        _cleanup_free_ char *root = NULL;
        const ConfigItem items[] = {
                { "Device", "Manufacturer", config_parse_string, &c->manufacturer },
                { "Device", "ModelName", config_parse_string, &c->model_name },
                { "Device", "ProductClass", config_parse_string, &c->product_class },
                { "Device", "SerialNumber", config_parse_string, &c->serial_number },
                { "Device", "HardwareVersion", config_parse_string, &c->hardware_version },
                { "Device", "SoftwareVersion", config_parse_string, &c->software_version },
                { "Device", "RootObject", config_parse_string, &root },
                { "ACS", "URL", config_parse_string, &c->acs_url },
                { "ACS", "Username", config_parse_string, &c->acs_username },
                { "ACS", "TrustedCertificates", config_parse_string, &c->trusted_certificates },
                { "ACS", "ClientCertificate", config_parse_string, &c->client_certificate },
                { "ACS", "BasicWithoutTLS", config_parse_bool, &c->basic_without_tls },
                { "ACS", "Discovery", config_parse_string, &c->discovery_file },
                { "ConnectionRequest", "Address", config_parse_string, &c->connection_request_address },
                { "ConnectionRequest", "Interface", config_parse_string, &c->connection_request_interface },
                { "Transfer", "MaxSize", config_parse_uint32, &c->transfer_max_mib },
                { "Transfer", "DiskFloor", config_parse_uint32, &c->transfer_floor_mib },
                { "Paths", "State", config_parse_string, &c->state_directory },
                { "Paths", "Runtime", config_parse_string, &c->runtime_directory },
                { "Paths", "SessionWorker", config_parse_string, &c->session_worker },
                { "Paths", "TransferWorker", config_parse_string, &c->transfer_worker },
                { "Paths", "Helpers", config_parse_string, &c->helper_directory },
                { "Paths", "ClockSynchronized", config_parse_string, &c->clock_file },
                { "Paths", "Documents", config_parse_string, &c->document_directory },
                { "Paths", "Providers", config_parse_strv, &c->provider_directories },
                {},
        };

        c->transfer_max_mib = TRANSFER_MAX_MIB_DEFAULT;
        c->transfer_floor_mib = TRANSFER_FLOOR_MIB_DEFAULT;
        int problems = config_read(path, items);
        if (problems < 0)
                return problems;
        int r = read_credentials(c);
        if (r >= 0)
                r = set_defaults(c);
        if (r < 0)
                return r;
        if (isempty(c->serial_number))
                return log_error_errno(-EINVAL, "SerialNumber= is missing in [Device] of %s.", path);
        r = set_root_object(c, root ?: "InternetGatewayDevice");
        return r < 0 ? r : problems;
}
