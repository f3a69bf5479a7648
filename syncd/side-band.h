/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several streams in one: gitprotocol-pack(5), "side-band-64k". */
#pragma once

#include "syncd/pkt-line.h"

typedef struct SideBand {
        PktStream *stream;
        char **text; /* what the server says before it gives up */
        /* Messages for people (band 2), NULL to pass over them. They are cut anywhere. */
        void (*message)(const char *data, size_t size, void *userdata);
        void *userdata;
} SideBand;

/* Reads what comes in the band of data, up to the flush packet: a PackSource's read(), userdata is the
 * SideBand. Empty packets, the server's sign of life, are passed over. 1; 0 at the end; -EREMOTEIO if the
 * server gave up (band 3); -EBADMSG; or an error of pkt_read(). */
int side_band_read(const uint8_t **ret_data, size_t *ret_size, void *userdata);

/* Replaces *text by a copy of words of the server: valid UTF-8 of bounded length, without line ends behind
 * it and without what would disturb a terminal or a log. */
void side_band_set_text(char **text, const void *data, size_t size);
