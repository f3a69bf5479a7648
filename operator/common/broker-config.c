/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/common/broker-config.h"

#define PASSWORD_FILE_MAX 1024U

void broker_config_done(BrokerConfig *c) {
        char **const strings[] = { &c->host, &c->user, &c->password_file, &c->ca_file, &c->password };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *strings[i] = mfree(*strings[i]);
}

static int set_default(char **p, const char *value) {
        return isempty(*p) ? free_and_strdup(p, value) : 0;
}

/* The first line of the file. */
static int read_password(BrokerConfig *c) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        int r;

        if (isempty(c->password_file)) {
                if (!credentials)
                        return 0;
                free(c->password_file);
                c->password_file = strfmt("%s/broker-password", credentials);
                if (!c->password_file)
                        return log_oom();
        }
        r = read_file(AT_FDCWD, c->password_file, PASSWORD_FILE_MAX, &c->password, NULL);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", c->password_file);
        c->password[strcspn(c->password, "\r\n")] = 0;
        return 0;
}

int broker_config_finish(BrokerConfig *c, const char *user) {
        if (set_default(&c->host, "127.0.0.1") < 0 || set_default(&c->user, user) < 0)
                return log_oom();
        if (c->port == 0 || c->port > UINT16_MAX)
                return log_error_errno(-EINVAL, "[Broker] Port=%u is not between 1 and 65535.", c->port);
        if (isempty(c->ca_file))
                c->ca_file = mfree(c->ca_file);
        else if (access(c->ca_file, R_OK) < 0)
                return log_error_errno(-errno, "[Broker] CAFile=%s cannot be read: %m", c->ca_file);
        return read_password(c);
}

MqttSettings broker_config_settings(const BrokerConfig *c, const char *client_id) {
        return (MqttSettings) {
                .client_id = client_id,
                .host = c->host,
                .port = (uint16_t) c->port,
                .username = c->password ? c->user : NULL,
                .password = c->password,
                .ca_file = c->ca_file,
        };
}
