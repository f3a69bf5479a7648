/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/genieacs/bridge-config.h"

#define DATABASE "/var/lib/ispstorage-operator/genieacs/bridge.db"
#define NBI_URL "http://127.0.0.1:7557"
/* Each may hold an answer of NBI_ANSWER_MAX. */
#define REQUESTS_MAX 256U

void bridge_config_done(BridgeConfig *c) {
        c->url = mfree(c->url);
        c->nbi_ca_file = mfree(c->nbi_ca_file);
        c->database = mfree(c->database);
        broker_config_done(&c->broker);
}

static int set_default(char **p, const char *value) {
        if (!isempty(*p))
                return 0;
        free(*p);
        *p = strdup(value);
        return *p ? 0 : -ENOMEM;
}

static int apply_defaults(BridgeConfig *c) {
        int r;

        r = set_default(&c->url, NBI_URL);
        if (r >= 0)
                r = set_default(&c->database, DATABASE);
        if (r < 0)
                return log_oom();
        if (isempty(c->nbi_ca_file))
                c->nbi_ca_file = mfree(c->nbi_ca_file);
        if (endswith(c->url, "/"))
                c->url[strlen(c->url) - 1] = 0;
        return broker_config_finish(&c->broker, "ispstorage-acs");
}

static int check(const BridgeConfig *c) {
        if (!startswith(c->url, "http://") && !startswith(c->url, "https://"))
                return log_error_errno(-EINVAL, "URL=%s is neither http: nor https:.", c->url);
        if (c->requests < 2 || c->requests > REQUESTS_MAX)
                return log_error_errno(
                                -EINVAL, "Requests=%u is not between 2 and %u.", c->requests, REQUESTS_MAX);
        if (c->nbi_ca_file && access(c->nbi_ca_file, R_OK) < 0)
                return log_error_errno(-errno, "[GenieACS] CAFile=%s cannot be read: %m", c->nbi_ca_file);
        return 0;
}

int bridge_config_read(BridgeConfig *ret, const char *path) {
        BridgeConfig c = { .requests = 64, .broker = BROKER_CONFIG_INIT };
        const ConfigItem items[] = {
                { "GenieACS", "URL", config_parse_string, &c.url },
                { "GenieACS", "CAFile", config_parse_string, &c.nbi_ca_file },
                { "GenieACS", "Requests", config_parse_uint32, &c.requests },
                { "Bridge", "Database", config_parse_string, &c.database },
                BROKER_CONFIG_ITEMS(&c.broker),
                {},
        };
        int problems, r;

        r = problems = config_read(path ?: BRIDGE_CONFIG_PATH, items);
        if (r >= 0)
                r = apply_defaults(&c);
        if (r >= 0)
                r = check(&c);
        if (r < 0) {
                bridge_config_done(&c);
                return r;
        }
        *ret = c;
        return problems;
}
