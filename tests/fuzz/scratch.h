/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory for fuzz targets of what is read from files by name. */
#pragma once

#include <stddef.h>

typedef struct Scratch {
        char path[64];
        int fd;
} Scratch;

/* Makes an empty directory in memory. A failure aborts. */
void scratch_open(Scratch *ret);
/* Removes the directory and the files in it. */
void scratch_close(Scratch *s);
/* Writes a file: the magic, the data, and with crc set their CRC-32 as the core's files end with it (sync-stream.h). */
void scratch_write(const Scratch *s, const char *name, const char *magic, const void *data, size_t size, int crc);
