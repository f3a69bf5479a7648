/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/common/retention-policy.h"
#include "operator/frontend/frontend-config.h"

#define HOST_KEYS_FILE_MAX 16384U
/* A certificate with its chain. */
#define PEM_FILE_MAX 65536U

static int set_defaults(FrontendConfig *c) {
        const struct {
                char **field;
                const char *value;
        } defaults[] = {
                { &c->database, "/var/lib/ispstorage-operator/frontend/frontend.sqlite" },
                { &c->repositories, "/srv/ispstorage-repositories" },
                { &c->mirror_config_file, "/etc/ispstorage-operator/rclone.conf" },
                { &c->api_address, "127.0.0.1" },
                { &c->ssh_host, "localhost" },
                { &c->ssh_user, "ispstorage-git" },
                { &c->host_keys_file, "/etc/ssh/ssh_host_ed25519_key.pub" },
                { &c->hooks, LIBEXECDIR "/hooks" },
                { &c->hook_socket, "/run/ispstorage-operator/repository.socket" },
                { &c->repository_command, LIBEXECDIR "/ispstorage-repository" },
                { &c->retention, "all" },
                { &c->profile, "/usr/share/ispstorage-operator/profiles/default.json" },
        };

        c->broker = (BrokerConfig) BROKER_CONFIG_INIT;
        c->ssh_port = 22;
        c->maintenance_interval_sec = 86400;
        for (size_t i = 0; i < ELEMENTSOF(defaults); i++)
                if (free_and_strdup(defaults[i].field, defaults[i].value) < 0)
                        return log_oom();
        return 0;
}

static int read_pem(const char *path, char **ret) {
        int r;

        if (isempty(path))
                return 0;
        r = read_file(AT_FDCWD, path, PEM_FILE_MAX, ret, NULL);
        return r < 0 ? log_error_errno(r, "Failed to read %s: %m", path) : 0;
}

/* Each line "<type> <base64> [comment]" becomes "<type> <base64>". */
static int read_host_keys(FrontendConfig *c) {
        _cleanup_strv_free_ char **lines = NULL, **keys = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file(AT_FDCWD, c->host_keys_file, HOST_KEYS_FILE_MAX, &text, NULL);
        if (r < 0)
                return log_error_errno(
                                r, "Failed to read the storage host's keys from %s: %m", c->host_keys_file);
        r = strv_split(text, "\r\n", &lines);
        if (r < 0)
                return log_oom();
        STRV_FOREACH(line, lines) {
                _cleanup_strv_free_ char **words = NULL;

                r = strv_split(*line, " \t", &words);
                if (r < 0)
                        return log_oom();
                if (r < 2 || words[0][0] == '#')
                        continue;
                if (strv_consume(&keys, strfmt("%s %s", words[0], words[1])) < 0)
                        return log_oom();
        }
        if (!keys)
                return log_error_errno(-EINVAL, "%s has no public key.", c->host_keys_file);
        c->host_keys = strv_join(keys, "\n");
        return c->host_keys ? 0 : log_oom();
}

int frontend_config_load(FrontendConfig *c, const char *path) {
        uint32_t quota_mib = 0;
        RetentionPolicy policy;
        const ConfigItem items[] = {
                { "Database", "Path", config_parse_string, &c->database },
                BROKER_CONFIG_ITEMS(&c->broker),
                { "Storage", "Repositories", config_parse_string, &c->repositories },
                { "Storage", "SSHHost", config_parse_string, &c->ssh_host },
                { "Storage", "SSHPort", config_parse_uint32, &c->ssh_port },
                { "Storage", "SSHUser", config_parse_string, &c->ssh_user },
                { "Storage", "HostKeysFile", config_parse_string, &c->host_keys_file },
                { "Storage", "QuotaMiB", config_parse_uint32, &quota_mib },
                { "Storage", "RepositoryCommand", config_parse_string, &c->repository_command },
                { "Storage", "GitShell", config_parse_string, &c->git_shell },
                { "Storage", "SessionsPerKey", config_parse_uint32, &c->sessions_per_key },
                { "Storage", "Hooks", config_parse_string, &c->hooks },
                { "Storage", "HookSocket", config_parse_string, &c->hook_socket },
                { "API", "Address", config_parse_string, &c->api_address },
                { "API", "Port", config_parse_uint32, &c->api_port },
                { "API", "CertificateFile", config_parse_string, &c->api_certificate_file },
                { "API", "KeyFile", config_parse_string, &c->api_key_file },
                { "Maintenance", "IntervalSec", config_parse_uint32, &c->maintenance_interval_sec },
                { "Retention", "Policy", config_parse_string, &c->retention },
                { "Mirror", "Remote", config_parse_string, &c->mirror_remote },
                { "Mirror", "ConfigFile", config_parse_string, &c->mirror_config_file },
                { "Provisioning", "Profile", config_parse_string, &c->profile },
                {},
        };
        int r;

        r = set_defaults(c);
        if (r < 0)
                return r;
        int problems = config_read(path, items);
        if (problems < 0)
                return problems;
        c->quota_mib = quota_mib;
        if (retention_policy_parse(c->retention, &policy) < 0)
                return log_error_errno(-EINVAL, "%s: " RETENTION_RULE, path);
        if (c->ssh_port == 0 || c->ssh_port > UINT16_MAX || c->api_port > UINT16_MAX)
                return log_error_errno(-ERANGE, "A port in %s is not one.", path);
        r = broker_config_finish(&c->broker, "ispstorage-frontend");
        if (r >= 0)
                r = read_pem(c->api_certificate_file, &c->api_certificate);
        if (r >= 0)
                r = read_pem(c->api_key_file, &c->api_key);
        if (r >= 0)
                r = read_host_keys(c);
        return r < 0 ? r : problems;
}

void frontend_config_done(FrontendConfig *c) {
        char *fields[] = {
                c->database,        c->repositories,         c->ssh_host,           c->ssh_user,
                c->host_keys_file,  c->host_keys,            c->repository_command, c->git_shell,
                c->hooks,           c->hook_socket,          c->profile,            c->api_address,
                c->api_certificate, c->api_certificate_file, c->api_key,            c->api_key_file,
                c->mirror_remote,   c->mirror_config_file,   c->retention,
        };

        broker_config_done(&c->broker);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                free(fields[i]);
}
