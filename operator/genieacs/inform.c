/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/evp.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/acs/command.h"
#include "operator/genieacs/inform.h"

static const char *member(const json_t *line, const char *key) {
        return strempty(json_string_value(json_object_get(line, key)));
}

/* The same line is the same message. */
static int make_id(const char *line, size_t size, char id[static MESSAGE_ID_SIZE]) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        if (EVP_Digest(line, size, hash, &n, EVP_sha256(), NULL) != 1 || n < (MESSAGE_ID_SIZE - 1) / 2)
                return -EIO;
        (void) format_hex(hash, (MESSAGE_ID_SIZE - 1) / 2, id);
        return 0;
}

static int read_events(const json_t *line, NameValue events[static INFORM_EVENTS_MAX], size_t *ret_n) {
        const json_t *list = json_object_get(line, "events"), *event;
        size_t i;

        if (!json_is_array(list) || json_array_size(list) > INFORM_EVENTS_MAX)
                return -EBADMSG;
        json_array_foreach(list, i, event) {
                if (!json_is_string(event))
                        return -EBADMSG;
                events[i] = (NameValue) { .name = json_string_value(event), .value = "" };
        }
        *ret_n = json_array_size(list);
        return 0;
}

static int read_parameters(
                const json_t *line, NameValue parameters[static INFORM_PARAMETERS_MAX], size_t *ret_n) {
        const json_t *object = json_object_get(line, "parameters");
        const char *name;
        json_t *value;
        size_t n = 0;

        if (!json_is_object(object) || json_object_size(object) > INFORM_PARAMETERS_MAX)
                return -EBADMSG;
        json_object_foreach((json_t *) object, name, value) {
                if (!json_is_string(value) || strlen(name) > PARAMETER_NAME_LENGTH_MAX)
                        return -EBADMSG;
                parameters[n++] = (NameValue) { .name = name, .value = json_string_value(value) };
        }
        *ret_n = n;
        return 0;
}

int inform_read(const char *line, size_t size, int64_t now, char **ret_device, Message *ret) {
        json_auto_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        NameValue events[INFORM_EVENTS_MAX], parameters[INFORM_PARAMETERS_MAX];
        _cleanup_free_ char *device = NULL;
        char id[MESSAGE_ID_SIZE];
        InformReport report = {
                .id = id,
                .root = member(root, "root"),
                .manufacturer = member(root, "manufacturer"),
                .oui = member(root, "oui"),
                .product_class = member(root, "product_class"),
                .serial_number = member(root, "serial_number"),
                .events = events,
                .parameters = parameters,
        };
        int r;

        if (!root || !json_is_integer(json_object_get(root, "session")) ||
            (!streq(report.root, "InternetGatewayDevice.") && !streq(report.root, "Device.")))
                return -EBADMSG;
        r = device_id_encode(report.oui, report.product_class, report.serial_number, &device);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        report.device = device;
        r = read_events(root, events, &report.n_events);
        if (r >= 0)
                r = read_parameters(root, parameters, &report.n_parameters);
        if (r >= 0)
                r = make_id(line, size, id);
        if (r >= 0)
                r = message_inform(ret, &report, now);
        if (r < 0)
                return r;
        *ret_device = TAKE_PTR(device);
        return 0;
}
