/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/genieacs/bridge-config.h"

#define DATABASE "/var/lib/ispstorage-operator/genieacs/bridge.db"
#define NBI_URL "http://127.0.0.1:7557"
#define PASSWORD_FILE_MAX 4096U
/* Each may hold an answer of NBI_ANSWER_MAX. */
#define REQUESTS_MAX 256U

void bridge_config_done(BridgeConfig *c) {
        char **const strings[] = {
                &c->url,         &c->nbi_ca_file,          &c->database,        &c->broker_host,
                &c->broker_user, &c->broker_password_file, &c->broker_password, &c->broker_ca_file,
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *strings[i] = mfree(*strings[i]);
}

static int set_default(char **p, const char *value) {
        if (!isempty(*p))
                return 0;
        free(*p);
        *p = strdup(value);
        return *p ? 0 : -ENOMEM;
}

/* The service manager hands the secret over, where the unit says so (LoadCredential=). */
static int find_password(BridgeConfig *c) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;
        int r;

        if (isempty(c->broker_password_file) && directory) {
                path = strfmt("%s/broker-password", directory);
                if (!path)
                        return -ENOMEM;
                if (access(path, R_OK) >= 0) {
                        free(c->broker_password_file);
                        c->broker_password_file = TAKE_PTR(path);
                }
        }
        if (isempty(c->broker_password_file))
                return 0;
        r = read_file(AT_FDCWD, c->broker_password_file, PASSWORD_FILE_MAX, &c->broker_password, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", c->broker_password_file);
        c->broker_password[strcspn(c->broker_password, "\n")] = 0;
        return 0;
}

static int apply_defaults(BridgeConfig *c) {
        int r;

        r = set_default(&c->url, NBI_URL);
        if (r >= 0)
                r = set_default(&c->database, DATABASE);
        if (r >= 0)
                r = set_default(&c->broker_host, "127.0.0.1");
        if (r >= 0)
                r = set_default(&c->broker_user, "ispstorage-acs");
        if (r < 0)
                return log_oom();
        if (isempty(c->nbi_ca_file))
                c->nbi_ca_file = mfree(c->nbi_ca_file);
        if (isempty(c->broker_ca_file))
                c->broker_ca_file = mfree(c->broker_ca_file);
        if (endswith(c->url, "/"))
                c->url[strlen(c->url) - 1] = 0;
        return find_password(c);
}

static int check_range(const char *name, uint32_t value, uint32_t min, uint32_t max) {
        if (value >= min && value <= max)
                return 0;
        return log_error_errno(-EINVAL, "%s=%u is not between %u and %u.", name, value, min, max);
}

static int check_file(const char *name, const char *path) {
        if (!path || access(path, R_OK) >= 0)
                return 0;
        return log_error_errno(-errno, "%s=%s cannot be read: %m", name, path);
}

static int check(const BridgeConfig *c) {
        int r;

        if (!startswith(c->url, "http://") && !startswith(c->url, "https://"))
                return log_error_errno(-EINVAL, "URL=%s is neither http: nor https:.", c->url);
        r = check_range("Requests", c->requests, 2, REQUESTS_MAX);
        if (r >= 0)
                r = check_range("[Broker] Port", c->broker_port, 1, UINT16_MAX);
        if (r >= 0)
                r = check_file("[GenieACS] CAFile", c->nbi_ca_file);
        if (r >= 0)
                r = check_file("[Broker] CAFile", c->broker_ca_file);
        return r;
}

int bridge_config_read(BridgeConfig *ret, const char *path) {
        BridgeConfig c = { .requests = 64, .broker_port = 1883 };
        const ConfigItem items[] = {
                { "GenieACS", "URL", config_parse_string, &c.url },
                { "GenieACS", "CAFile", config_parse_string, &c.nbi_ca_file },
                { "GenieACS", "Requests", config_parse_uint32, &c.requests },
                { "Bridge", "Database", config_parse_string, &c.database },
                { "Broker", "Host", config_parse_string, &c.broker_host },
                { "Broker", "Port", config_parse_uint32, &c.broker_port },
                { "Broker", "User", config_parse_string, &c.broker_user },
                { "Broker", "PasswordFile", config_parse_string, &c.broker_password_file },
                { "Broker", "CAFile", config_parse_string, &c.broker_ca_file },
                {},
        };
        int r;

        r = config_read(path ?: BRIDGE_CONFIG_PATH, items);
        if (r >= 0)
                r = apply_defaults(&c);
        if (r >= 0)
                r = check(&c);
        if (r < 0) {
                bridge_config_done(&c);
                return r;
        }
        *ret = c;
        return 0;
}
