/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/acs-config.h"
#include "operator/acs/server.h"

#define DATABASE "/var/lib/ispstorage-operator/acs/acs.db"
#define TLS_DIRECTORY "/etc/ispstorage-operator/tls/"
#define COMMAND_LINGER_MAX 10000U

void acs_config_done(AcsConfig *c) {
        char **const strings[] = {
                &c->listen, &c->certificate, &c->key, &c->database, &c->realm, &c->client_ca_file,
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *strings[i] = mfree(*strings[i]);
        c->parameters = strv_free(c->parameters);
        broker_config_done(&c->broker);
}

static int set_default(char **p, const char *value) {
        if (*p)
                return 0;
        *p = strdup(value);
        return *p ? 0 : -ENOMEM;
}

/* The service manager hands secrets over, where the unit says so (LoadCredential=). */
static int set_default_credential(char **p, const char *name) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;

        if (!isempty(*p) || !directory)
                return 0;
        path = strfmt("%s/%s", directory, name);
        if (!path)
                return -ENOMEM;
        if (access(path, R_OK) >= 0) {
                free(*p);
                *p = TAKE_PTR(path);
        }
        return 0;
}

static int apply_defaults(AcsConfig *c) {
        int r;

        r = set_default_credential(&c->key, "acs.key");
        if (r >= 0)
                r = set_default(&c->key, TLS_DIRECTORY "acs.key");
        if (r >= 0)
                r = set_default(&c->certificate, TLS_DIRECTORY "acs.pem");
        if (r >= 0)
                r = set_default(&c->listen, "");
        if (r >= 0)
                r = set_default(&c->database, DATABASE);
        if (r >= 0)
                r = set_default(&c->realm, "ispstorage");
        if (r < 0)
                return r;
        if (isempty(c->client_ca_file))
                c->client_ca_file = mfree(c->client_ca_file);
        return broker_config_finish(&c->broker, "ispstorage-acs");
}

static int check(const AcsConfig *c) {
        const struct {
                const char *name;
                uint32_t value, min, max;
        } ranges[] = {
                { "Port", c->port, 0, UINT16_MAX },
                { "HTTPPort", c->http_port, 0, UINT16_MAX },
                { "Workers", c->workers, 1, WORKERS_MAX },
                { "CommandLinger", c->command_linger, 0, COMMAND_LINGER_MAX },
                { "NonceLifetime", c->nonce_lifetime, 1, INT32_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
                        return log_error_errno(
                                        -EINVAL,
                                        "%s=%u is not between %u and %u.",
                                        ranges[i].name,
                                        ranges[i].value,
                                        ranges[i].min,
                                        ranges[i].max);
        if (strpbrk(c->realm, "\"\\"))
                return log_error_errno(-EINVAL, "Realm= must not have a quote or a backslash.");
        if (c->port == 0 && c->http_port == 0)
                return log_error_errno(-EINVAL, "Neither Port= nor HTTPPort= is set.");
        return 0;
}

int acs_config_read(AcsConfig *ret, const char *path) {
        AcsConfig c = {
                .port = 7547,
                .workers = 64,
                .command_linger = 500,
                .nonce_lifetime = 3600,
                .broker = BROKER_CONFIG_INIT,
                .periodic_inform_interval = 3600,
                .http_compression = true,
        };
        const ConfigItem items[] = {
                { "Server", "Listen", config_parse_string, &c.listen },
                { "Server", "Port", config_parse_uint32, &c.port },
                { "Server", "HTTPPort", config_parse_uint32, &c.http_port },
                { "Server", "Certificate", config_parse_string, &c.certificate },
                { "Server", "Key", config_parse_string, &c.key },
                { "Server", "ClientCAFile", config_parse_string, &c.client_ca_file },
                { "Server", "BasicAuthentication", config_parse_bool, &c.basic_authentication },
                { "Server", "Database", config_parse_string, &c.database },
                { "Server", "Realm", config_parse_string, &c.realm },
                { "Server", "Workers", config_parse_uint32, &c.workers },
                { "Server", "CommandLinger", config_parse_uint32, &c.command_linger },
                { "Server", "NonceLifetime", config_parse_uint32, &c.nonce_lifetime },
                BROKER_CONFIG_ITEMS(&c.broker),
                { "Provisioning", "PeriodicInformInterval", config_parse_uint32, &c.periodic_inform_interval },
                { "Provisioning", "HTTPCompression", config_parse_bool, &c.http_compression },
                { "Registry", "Parameters", config_parse_strv, &c.parameters },
                {},
        };
        int problems, r;

        r = problems = config_read(path ?: ACS_CONFIG_PATH, items);
        if (r >= 0)
                r = apply_defaults(&c);
        if (r >= 0)
                r = check(&c);
        if (r < 0) {
                acs_config_done(&c);
                return r;
        }
        *ret = c;
        return problems;
}
