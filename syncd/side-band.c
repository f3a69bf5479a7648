/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/str.h"
#include "syncd/side-band.h"
#include "syncd/transfer-result.h"

enum {
        BAND_DATA = 1,
        BAND_MESSAGE = 2,
        BAND_ERROR = 3,
};

void side_band_set_text(char **text, const void *data, size_t size) {
        const char *p = data;
        char *copy;

        size = MIN(size, TRANSFER_TEXT_MAX);
        while (size > 0 && strchr("\r\n ", p[size - 1]))
                size--;
        copy = strndup(p, size);
        bool valid = copy && utf8_is_valid(copy);

        for (char *c = copy; c && *c; c++)
                if (((unsigned char) *c < ' ' && *c != '\n') || (!valid && (unsigned char) *c > '~'))
                        *c = '?';
        free(*text);
        *text = copy;
}

int side_band_read(const uint8_t **ret_data, size_t *ret_size, void *userdata) {
        SideBand *b = userdata;

        for (;;) {
                const uint8_t *data;
                PktType type;
                size_t size;
                int r;

                r = pkt_read(b->stream, &type, &data, &size);
                if (r < 0)
                        return r;
                if (type == PKT_FLUSH)
                        return 0;
                if (type != PKT_DATA || size == 0)
                        return -EBADMSG;
                switch (data[0]) {
                case BAND_DATA:
                        if (size == 1)
                                break;
                        *ret_data = data + 1;
                        *ret_size = size - 1;
                        return 1;
                case BAND_MESSAGE:
                        if (b->message)
                                b->message((const char *) data + 1, size - 1, b->userdata);
                        break;
                case BAND_ERROR:
                        side_band_set_text(b->text, data + 1, size - 1);
                        return -EREMOTEIO;
                default:
                        return -EBADMSG;
                }
        }
}
