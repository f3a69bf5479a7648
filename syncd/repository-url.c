/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/repository-url.h"

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define PART_CHARACTERS LETTERS_AND_DIGITS "._-"
#define ADDRESS6_CHARACTERS "ABCDEFabcdef0123456789:."
#define BASE64_CHARACTERS LETTERS_AND_DIGITS "+/="

#define SSH_PORT 22U

/* Copies n characters, all of them of the set. The first must not make the word an option or a hidden
 * file. */
static int take_part(const char *s, size_t n, const char *set, char *buf, size_t max) {
        if (n == 0 || n > max || strspn(s, set) < n || *s == '-' || *s == '.')
                return -EINVAL;
        memcpy(buf, s, n);
        buf[n] = 0;
        return 0;
}

static int parse_port(const char *s, size_t n, uint16_t *ret) {
        char buf[6];
        uint32_t port;

        if (take_part(s, n, "0123456789", buf, sizeof(buf) - 1) < 0 || parse_uint32(buf, &port) < 0)
                return -EINVAL;
        if (port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) port;
        return 0;
}

/* "host", "host:port", "[address]" or "[address]:port", up to end. */
static int parse_host(const char *s, const char *end, RepositoryUrl *url) {
        const char *host_end;
        int r;

        if (*s == '[') {
                host_end = memchr(s, ']', (size_t) (end - s));
                if (!host_end)
                        return -EINVAL;
                r = take_part(s + 1,
                              (size_t) (host_end - s - 1),
                              ADDRESS6_CHARACTERS,
                              url->host,
                              REPOSITORY_HOST_MAX);
                host_end++;
        } else {
                host_end = memchr(s, ':', (size_t) (end - s)) ?: end;
                r = take_part(s, (size_t) (host_end - s), PART_CHARACTERS, url->host, REPOSITORY_HOST_MAX);
        }
        if (r < 0)
                return r;
        url->port = SSH_PORT;
        if (host_end == end)
                return 0;
        if (*host_end != ':')
                return -EINVAL;
        return parse_port(host_end + 1, (size_t) (end - host_end - 1), &url->port);
}

int repository_url_parse(const char *s, RepositoryUrl *ret) {
        RepositoryUrl url = {};
        const char *at, *slash;

        s = startswith(s, "ssh://");
        if (!s)
                return -EINVAL;
        slash = strchr(s, '/');
        at = strchr(s, '@');
        if (!slash || !at || at > slash)
                return -EINVAL;
        if (take_part(s, (size_t) (at - s), PART_CHARACTERS, url.user, REPOSITORY_USER_MAX) < 0 ||
            parse_host(at + 1, slash, &url) < 0 ||
            take_part(slash + 1, strlen(slash + 1), PART_CHARACTERS, url.name, REPOSITORY_NAME_MAX) < 0)
                return -EINVAL;
        *ret = url;
        return 0;
}

static bool is_host_key_type(const char *s) {
        static const char *const types[] = {
                "ssh-ed25519",
                "ecdsa-sha2-nistp256",
                "ecdsa-sha2-nistp384",
                "ecdsa-sha2-nistp521",
                "ssh-rsa",
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(s, types[i]))
                        return true;
        return false;
}

int repository_host_keys_to_known_hosts(const char *keys, const char *alias, char **ret) {
        _cleanup_strv_free_ char **list = NULL, **lines = NULL;
        char *joined;
        int r;

        r = strv_split(keys, ",\r\n", &list);
        if (r < 0)
                return r;
        if ((size_t) r > REPOSITORY_HOST_KEYS_MAX)
                return -EINVAL;
        STRV_FOREACH(key, list) {
                _cleanup_strv_free_ char **words = NULL;

                if (strlen(*key) > REPOSITORY_HOST_KEY_SIZE_MAX)
                        return -EINVAL;
                r = strv_split(*key, " \t", &words);
                if (r == -ENOMEM)
                        return r;
                if (r == 0)
                        continue;
                if (r < 2 || !is_host_key_type(words[0]) || words[1][strspn(words[1], BASE64_CHARACTERS)])
                        return -EINVAL;
                r = strv_consume(&lines, strfmt("%s %s %s\n", alias, words[0], words[1]));
                if (r < 0)
                        return r;
        }
        joined = strv_join(lines, "");
        if (!joined)
                return -ENOMEM;
        *ret = joined;
        return 0;
}
