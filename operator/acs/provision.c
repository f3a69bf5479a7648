/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/rand.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/acs/provision.h"

#define SECRET_SIZE 16U
/* Username, password, enable, interval, compression. */
#define VALUES_MAX 5U

static int random_text(char ret[static 2 * SECRET_SIZE + 1]) {
        uint8_t random[SECRET_SIZE];

        if (RAND_bytes(random, sizeof(random)) != 1)
                return -EIO;
        (void) format_hex(random, sizeof(random), ret);
        return 0;
}

/* The credentials stay the same for a device, so that an answer that got lost does no harm. */
static int get_credentials(Store *store, const char *device, DeviceAccess *ret) {
        char username[2 * SECRET_SIZE + 1], password[2 * SECRET_SIZE + 1];
        _cleanup_device_access_ DeviceAccess a = {};
        int r;

        r = store_device_get_access(store, device, &a);
        if (r < 0)
                return r;
        if (!a.username || !a.password) {
                r = random_text(username);
                if (r >= 0)
                        r = random_text(password);
                if (r >= 0)
                        r = store_device_set_access(store, device, username, password);
                if (r < 0)
                        return r;
                device_access_done(&a);
                r = store_device_get_access(store, device, &a);
                if (r < 0)
                        return r;
        }
        *ret = a;
        a = (DeviceAccess) {};
        return 0;
}

static int add_value(Command *c, const char *root, const char *name, const char *type, const char *value) {
        CommandValue *v = &c->values[c->n_values++];

        assert(c->n_values <= VALUES_MAX);
        *v = (CommandValue) { .name = strfmt("%s%s", root, name), .type = type, .value = strdup(value) };
        return v->name && v->value ? 0 : -ENOMEM;
}

static int fill_set(Command *c, const char *root, const DeviceAccess *a, const SessionSettings *settings, bool gzip) {
        _cleanup_free_ char *interval = strfmt("%u", settings->periodic_inform_interval);
        int r;

        c->kind = COMMAND_SET;
        c->values = calloc(VALUES_MAX, sizeof(CommandValue));
        if (!c->values || !interval)
                return -ENOMEM;
        r = add_value(c, root, "ManagementServer.ConnectionRequestUsername", "xsd:string", a->username);
        if (r >= 0)
                r = add_value(c, root, "ManagementServer.ConnectionRequestPassword", "xsd:string", a->password);
        if (r >= 0 && settings->periodic_inform_interval > 0) {
                r = add_value(c, root, "ManagementServer.PeriodicInformEnable", "xsd:boolean", "1");
                if (r >= 0)
                        r = add_value(c, root, "ManagementServer.PeriodicInformInterval", "xsd:unsignedInt", interval);
        }
        if (r >= 0 && gzip)
                r = add_value(c, root, "ManagementServer.HTTPCompression", "xsd:string", "GZIP");
        return r;
}

int provision_command(
                Provision step,
                Store *store,
                const char *device,
                const char *root,
                const SessionSettings *settings,
                Command **ret) {
        _cleanup_(command_freep) Command *c = calloc(1, sizeof(*c));
        _cleanup_device_access_ DeviceAccess access = {};
        int r;

        assert(step != PROVISION_DONE);

        if (!c)
                return -ENOMEM;
        if (step == PROVISION_ASK) {
                c->kind = COMMAND_GET;
                r = strv_consume(&c->names, strfmt("%s" PROVISION_COMPRESSION_SUPPORTED, root));
        } else {
                r = get_credentials(store, device, &access);
                if (r >= 0)
                        r = fill_set(c, root, &access, settings, step == PROVISION_SET_GZIP);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}
