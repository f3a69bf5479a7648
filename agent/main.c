/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-agent: the CWMP client of the gateway (TR-069). */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "agent/agent-manager.h"
#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/daemon-run.h"

/* ManagementServer.Password has 256 characters. */
#define CREDENTIAL_MAX 1024U

static const char *arg_config = "/etc/ispstorage/agent.conf";
static bool arg_check_config = false, arg_inform_now = false;

static int help(void) {
        printf("ispstorage-agent [OPTIONS]\n\n"
               "The CWMP client of the gateway.\n\n"
               "  -h --help          Show this help\n"
               "     --version       Show the version\n"
               "     --config=FILE   Read this configuration instead of %s\n"
               "     --check-config  Read the configuration, say what is wrong with it, and end\n"
               "     --inform-now    Have the running agent open a session with the ACS, and end\n",
               arg_config);
        return 0;
}

static int parse_argv(int argc, char *argv[]) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_CHECK_CONFIG, ARG_INFORM_NOW };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "check-config", no_argument, NULL, ARG_CHECK_CONFIG },
                { "inform-now", no_argument, NULL, ARG_INFORM_NOW },
                {},
        };

        for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;)
                switch (c) {
                case 'h':
                        return help();
                case ARG_VERSION:
                        puts("ispstorage-agent " PROJECT_VERSION);
                        return 0;
                case ARG_CONFIG:
                        arg_config = optarg;
                        break;
                case ARG_CHECK_CONFIG:
                        arg_check_config = true;
                        break;
                case ARG_INFORM_NOW:
                        arg_inform_now = true;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                return log_error_errno(-EINVAL, "Unexpected argument: %s", argv[optind]);
        return 1;
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

static int set_default(char **value, const char *text) {
        return *value ? 0 : free_and_strdup(value, text);
}

static int load_config(AgentConfig *c) {
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
        int problems = config_read(arg_config, items);
        if (problems < 0)
                return problems;
        int r = read_credentials(c);
        if (r < 0)
                return r;

        if (set_default(&c->manufacturer, "ISPStorage") < 0 || set_default(&c->model_name, "ISPStorage gateway") < 0 ||
            set_default(&c->product_class, "Gateway") < 0 || set_default(&c->hardware_version, "1") < 0 ||
            set_default(&root, "InternetGatewayDevice") < 0 ||
            set_default(&c->trusted_certificates, "/etc/ispstorage/acs-ca.pem") < 0 ||
            set_default(&c->state_directory, "/var/lib/ispstorage/agent") < 0 ||
            set_default(&c->runtime_directory, "/run/ispstorage-agent") < 0 ||
            set_default(&c->session_worker, LIBEXECDIR "/ispstorage-agent-session") < 0 ||
            set_default(&c->discovery_file, "/run/ispstorage/acs-discovery.conf") < 0 ||
            set_default(&c->clock_file, "/run/systemd/timesync/synchronized") < 0 ||
            set_default(&c->transfer_worker, LIBEXECDIR "/ispstorage-agent-transfer") < 0 ||
            set_default(&c->helper_directory, "/run/ispstorage/agent") < 0 ||
            set_default(&c->document_directory, PKGDATADIR "/datamodel") < 0 ||
            (!c->provider_directories && (strv_extend(&c->provider_directories, PROVIDERSDIR) < 0 ||
                                          strv_extend(&c->provider_directories, "/etc/ispstorage/providers.d") < 0)))
                return log_oom();

        if (isempty(c->serial_number))
                return log_error_errno(-EINVAL, "SerialNumber= is missing in [Device] of %s.", arg_config);
        r = set_root_object(c, root);
        return r < 0 ? r : problems;
}

static int inform_now(void) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        int r = sd_bus_open_system(&bus);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus: %m");
        r = sd_bus_call_method(bus, AGENT_BUS_NAME, AGENT_OBJECT_PATH, AGENT_BUS_NAME ".Manager", "Inform", &error,
                               NULL, NULL);
        if (r < 0)
                log_error("The agent does not open a session: %s", error.message ?: strerror(-r));
        return r;
}

static int run(int argc, char *argv[]) {
        _cleanup_(agent_freep) Agent *agent = NULL;
        _cleanup_agent_config_ AgentConfig config = {};

        int r = parse_argv(argc, argv);
        if (r <= 0)
                return r;
        if (arg_inform_now)
                return inform_now();
        r = load_config(&config);
        if (r < 0)
                return r;
        if (arg_check_config)
                return r > 0 ? -EINVAL : 0;

        r = agent_new(&agent, &config);
        if (r < 0)
                return r;
        r = agent_start(agent);
        return r < 0 ? r : daemon_loop(agent->event);
}

int main(int argc, char *argv[]) {
        log_open();
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
