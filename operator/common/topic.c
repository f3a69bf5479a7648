/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "operator/common/topic.h"

static const char *const kind_names[_TOPIC_KIND_MAX] = {
        [TOPIC_INFORM] = "inform",
        [TOPIC_COMMAND] = "command",
        [TOPIC_RESULT] = "result",
        [TOPIC_ACK] = "ack",
};

static const char *const kind_filters[_TOPIC_KIND_MAX] = {
        [TOPIC_INFORM] = TOPIC_PREFIX "+/inform",
        [TOPIC_COMMAND] = TOPIC_PREFIX "+/command",
        [TOPIC_RESULT] = TOPIC_PREFIX "+/result",
        [TOPIC_ACK] = TOPIC_PREFIX "+/ack",
};

static const char hex_digits[] = "0123456789ABCDEF";

/* Not isalnum(): the locale has no say in identifiers. */
static bool is_plain(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Appends the encoded part at *p, which must stay below end. */
static int encode_part(const char *part, char **p, const char *end) {
        for (; *part; part++) {
                size_t n = is_plain(*part) ? 1 : 3;

                if ((size_t) (end - *p) <= n)
                        return -E2BIG;
                if (n == 1)
                        *(*p)++ = *part;
                else {
                        *(*p)++ = '%';
                        *(*p)++ = hex_digits[(unsigned char) *part >> 4];
                        *(*p)++ = hex_digits[(unsigned char) *part & 15];
                }
        }
        return 0;
}

int device_id_encode(const char *oui, const char *product_class, const char *serial_number, char **ret) {
        const char *const parts[] = { oui, product_class, serial_number };
        char buf[DEVICE_ID_LENGTH_MAX + 1], *p = buf, *copy;
        int r;

        if (isempty(oui) || isempty(serial_number))
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                if (i > 0) {
                        if (p == buf + DEVICE_ID_LENGTH_MAX)
                                return -E2BIG;
                        *p++ = '-';
                }
                r = encode_part(strempty(parts[i]), &p, buf + sizeof(buf));
                if (r < 0)
                        return r;
        }
        *p = 0;
        copy = strdup(buf);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

/* Decodes up to the separator or the end; steps over the part. */
static int decode_part(const char **id, char *buf) {
        const char *s = *id, *high, *low;

        for (; *s && *s != '-'; s++) {
                if (is_plain(*s)) {
                        *buf++ = *s;
                        continue;
                }
                if (*s != '%' || !s[1] || !s[2])
                        return -EINVAL;
                high = strchr(hex_digits, s[1]);
                low = strchr(hex_digits, s[2]);
                if (!high || !low)
                        return -EINVAL;
                *buf = (char) ((high - hex_digits) << 4 | (low - hex_digits));
                if (*buf == 0 || is_plain(*buf))
                        return -EINVAL;
                buf++;
                s += 2;
        }
        *buf = 0;
        *id = s;
        return 0;
}

int device_id_decode(const char *id, char **ret_oui, char **ret_product_class, char **ret_serial_number) {
        char parts[3][DEVICE_ID_LENGTH_MAX + 1];
        char **const rets[3] = { ret_oui, ret_product_class, ret_serial_number };
        _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
        char **const copies[3] = { &a, &b, &c };
        int r;

        if (strlen(id) > DEVICE_ID_LENGTH_MAX)
                return -E2BIG;
        for (size_t i = 0; i < 3; i++) {
                r = decode_part(&id, parts[i]);
                if (r < 0)
                        return r;
                if (*id != (i < 2 ? '-' : 0))
                        return -EINVAL;
                id++;
        }
        if (!parts[0][0] || !parts[2][0])
                return -EINVAL;
        for (size_t i = 0; i < 3; i++)
                if (rets[i]) {
                        *copies[i] = strdup(parts[i]);
                        if (!*copies[i])
                                return -ENOMEM;
                }
        for (size_t i = 0; i < 3; i++)
                if (rets[i])
                        *rets[i] = TAKE_PTR(*copies[i]);
        return 0;
}

bool device_id_is_valid(const char *id) {
        return device_id_decode(id, NULL, NULL, NULL) >= 0;
}

int topic_new(const char *device, TopicKind kind, char **ret) {
        char *topic;

        assert(kind >= 0 && kind < _TOPIC_KIND_MAX);

        topic = strfmt(TOPIC_PREFIX "%s/%s", device, kind_names[kind]);
        if (!topic)
                return -ENOMEM;
        *ret = topic;
        return 0;
}

const char *topic_filter(TopicKind kind) {
        assert(kind >= 0 && kind < _TOPIC_KIND_MAX);
        return kind_filters[kind];
}

int topic_parse(const char *topic, char **ret_device, TopicKind *ret_kind) {
        const char *rest = startswith(topic, TOPIC_PREFIX), *slash;
        _cleanup_free_ char *device = NULL;

        if (!rest)
                return -EINVAL;
        slash = strchr(rest, '/');
        if (!slash)
                return -EINVAL;
        device = strndup(rest, (size_t) (slash - rest));
        if (!device)
                return -ENOMEM;
        for (TopicKind kind = 0; kind < _TOPIC_KIND_MAX; kind++)
                if (streq(slash + 1, kind_names[kind])) {
                        int r = device_id_decode(device, NULL, NULL, NULL);

                        if (r < 0)
                                return r;
                        *ret_device = TAKE_PTR(device);
                        *ret_kind = kind;
                        return 0;
                }
        return -EINVAL;
}
