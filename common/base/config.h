/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files in the form of systemd's: [Section], Key=value, '#' or ';' comments, drop-ins beside. */
#pragma once

#include "common/base/macro.h"

/* A line longer, or a file larger, is refused. */
#define CONFIG_LINE_MAX 4096U
#define CONFIG_FILE_MAX (1024U * 1024U)

typedef struct ConfigItem ConfigItem;

/* Stores one value. data is the item's. 0 or a negative errno; -EINVAL for a value that is not understood. */
typedef int (*ConfigParser)(const char *value, void *data);

struct ConfigItem {
        const char *section;
        const char *key;
        ConfigParser parse;
        void *data;
};

/* Ready parsers: data is a char **, a bool *, a uint32_t *, a char *** (appends; an empty value clears). */
int config_parse_string(const char *value, void *data);
int config_parse_bool(const char *value, void *data);
int config_parse_uint32(const char *value, void *data);
int config_parse_strv(const char *value, void *data);

/* Reads path and then path.d/ *.conf in the order of their names; later values win. A missing file is an empty
 * one. items ends with a NULL key. An unknown key or a value that is not understood is logged with file and line
 * as a warning and skipped, so that a new file does not stop an old daemon. Returns the number of such lines, or
 * a negative errno if a file could not be read. This function logs. */
int config_read(const char *path, const ConfigItem *items);
