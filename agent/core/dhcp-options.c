/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/dhcp-options.h"

#include "common/base/parse.h"
#include "common/base/str.h"

/* IANA: the Broadband Forum. */
#define ENTERPRISE 3561U

/* TR-069 tables 1 and 2. */
enum {
        OPTION_URL = 1,
        OPTION_PROVISIONING_CODE = 2,
        OPTION_RETRY_MINIMUM = 3,
        OPTION_RETRY_MULTIPLIER = 4,
};

typedef struct Bytes {
        unsigned char data[DHCP_OPTION_TEXT_MAX / 2U];
        size_t size, position;
} Bytes;

static int read_hex(const char *text, Bytes *ret) {
        if (strlen(text) > DHCP_OPTION_TEXT_MAX)
                return -EINVAL;

        ret->size = ret->position = 0;
        while (*text) {
                char byte[3] = { text[0], text[1] };

                if (!text[1] || parse_hex(byte, ret->data + ret->size, 1) < 0)
                        return -EINVAL;
                ret->size++;
                text += 2;
                if (*text == ':')
                        text++;
        }
        return 0;
}

/* A number of so many bytes, in network order. */
static int get_number(Bytes *b, size_t n, uint32_t *ret) {
        uint32_t v = 0;

        if (b->size - b->position < n)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                v = v << 8 | b->data[b->position++];
        *ret = v;
        return 0;
}

/* Text that fits and is printable ASCII; some servers put a NUL behind it. */
static void take_text(const unsigned char *data, size_t n, char *ret, size_t max) {
        while (n > 0 && data[n - 1] == 0)
                n--;
        for (size_t i = 0; i < n; i++)
                if (data[i] <= ' ' || data[i] >= 0x7f)
                        return;
        if (n == 0 || n > max)
                return;
        memcpy(ret, data, n);
        ret[n] = 0;
}

/* Ranges of ManagementServer.CWMPRetryMinimumWaitInterval and CWMPRetryIntervalMultiplier. */
static void take_number(const unsigned char *data, size_t n, uint32_t minimum, uint32_t *ret) {
        char text[16] = "";
        uint32_t v;

        take_text(data, n, text, sizeof(text) - 1);
        if (parse_uint32(text, &v) >= 0 && v >= minimum && v <= UINT16_MAX)
                *ret = v;
}

static void take(uint32_t code, const unsigned char *data, size_t n, DhcpOptions *o) {
        char url[DHCP_URL_MAX + 1] = "";

        switch (code) {
        case OPTION_URL:
                take_text(data, n, url, DHCP_URL_MAX);
                if (startswith(url, "http://") || startswith(url, "https://"))
                        memcpy(o->url, url, sizeof(url));
                break;
        case OPTION_PROVISIONING_CODE:
                take_text(data, n, o->provisioning_code, DHCP_PROVISIONING_CODE_MAX);
                break;
        case OPTION_RETRY_MINIMUM:
                take_number(data, n, 1, &o->retry_minimum);
                break;
        case OPTION_RETRY_MULTIPLIER:
                take_number(data, n, 1000, &o->retry_multiplier);
                break;
        default:
                break;
        }
}

static int read_options(Bytes *b, size_t width, DhcpOptions *ret) {
        while (b->position < b->size) {
                uint32_t code, n;

                if (get_number(b, width, &code) < 0 || get_number(b, width, &n) < 0 || n > b->size - b->position)
                        return -EINVAL;
                take(code, b->data + b->position, n, ret);
                b->position += n;
        }
        return 0;
}

int dhcp_option_43(const char *text, DhcpOptions *ret) {
        Bytes b;

        int r = read_hex(text, &b);
        return r < 0 ? r : read_options(&b, 1, ret);
}

int dhcp_option_17(const char *text, DhcpOptions *ret) {
        uint32_t enterprise;
        Bytes b;

        int r = read_hex(text, &b);
        if (r >= 0)
                r = get_number(&b, 4, &enterprise);
        if (r < 0 || enterprise != ENTERPRISE)
                return r;
        return read_options(&b, 2, ret);
}
