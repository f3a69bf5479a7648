/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/http-get.h"

#include <strings.h>

#include "common/base/str.h"

/* Where the empty line behind the headers begins, or NULL. */
static char *find_end(char *buffer, size_t size) {
        for (size_t i = 0; i + 4 <= size; i++)
                if (memcmp(buffer + i, "\r\n\r\n", 4) == 0)
                        return buffer + i;
        return NULL;
}

static bool is_clean(const char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) p[i] < 0x20 && p[i] != '\r' && p[i] != '\n' && p[i] != '\t')
                        return false;
        return true;
}

/* "GET /path HTTP/1.1": false if it is anything else. */
static bool parse_request_line(char *line, char **ret_path) {
        char *path = line + strlen("GET "), *version = strchr(path, ' ');

        if (!version || (!streq(version, " HTTP/1.1") && !streq(version, " HTTP/1.0")))
                return false;
        *version = 0;
        if (path[0] != '/')
                return false;

        path[strcspn(path, "?#")] = 0;
        *ret_path = path;
        return true;
}

HttpGetResult http_get_parse(char *buffer, size_t size, HttpGet *ret) {
        HttpGet get = {};
        char *end = find_end(buffer, size);

        if (!is_clean(buffer, size))
                return HTTP_GET_BAD_REQUEST;
        /* Whoever speaks something else is told at once, not after the time-out. */
        if (memcmp(buffer, "GET ", MIN(size, strlen("GET "))) != 0)
                return HTTP_GET_BAD_METHOD;
        if (!end)
                return size >= HTTP_GET_REQUEST_MAX ? HTTP_GET_BAD_REQUEST : HTTP_GET_INCOMPLETE;
        *end = 0;

        char *next = strstr(buffer, "\r\n");
        if (next)
                *next = 0;
        if (!parse_request_line(buffer, &get.path))
                return HTTP_GET_BAD_REQUEST;

        while (next) {
                char *line = next + 2;
                next = strstr(line, "\r\n");
                if (next)
                        *next = 0;

                char *value = strchr(line, ':');
                if (!value)
                        return HTTP_GET_BAD_REQUEST;
                *value++ = 0;
                value += strspn(value, " \t");
                if (strcasecmp(line, "Authorization") == 0) {
                        if (get.authorization)
                                return HTTP_GET_BAD_REQUEST;
                        get.authorization = value;
                }
        }

        *ret = get;
        return HTTP_GET_COMPLETE;
}
