/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/cookie-jar.h"

#include <strings.h>

#include "common/base/parse.h"
#include "common/base/str.h"

static void cookie_done(Cookie *c) {
        free(c->pair);
        free(c->host);
        free(c->path);
        *c = (Cookie) {};
}
#define _cleanup_cookie_ _cleanup_(cookie_done)

void cookie_jar_done(CookieJar *j) {
        for (size_t i = 0; i < j->n; i++)
                cookie_done(j->cookies + i);
        j->n = 0;
}

/* The part of s up to the separator, without blanks around it; *s moves behind the separator. */
static const char *take_part(const char **s, char separator, size_t *ret_size) {
        const char *p = *s + strspn(*s, " \t");
        size_t n = strcspn(p, (char[]) { separator, 0 });

        *s = p + n + (p[n] != 0);
        while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
                n--;
        *ret_size = n;
        return p;
}

static size_t name_size(const char *pair) {
        return strcspn(pair, "=");
}

/* RFC 6265 section 5.1.4: up to the last '/' of the request's path, but for the first one. */
static char *default_path(const char *target) {
        size_t n = strcspn(target, "?");

        while (n > 0 && target[n - 1] != '/')
                n--;
        return target[0] == '/' && n > 1 ? strndup(target, n - 1) : strdup("/");
}

/* The same section: the path itself, or one below it. */
static bool path_matches(const char *path, const char *target) {
        const char *rest = startswith(target, path);

        return rest && (!rest[0] || strchr("/?", rest[0]) || endswith(path, "/"));
}

/* One attribute. *expired is set by a Max-Age that is over. 0 or -ENOMEM. */
static int take_attribute(Cookie *c, const char *text, bool *expired) {
        const char *p = text;
        size_t n, size;
        int64_t seconds;

        const char *name = take_part(&p, '=', &n), *value = take_part(&p, 0, &size);
        if (n == strlen("Secure") && strncasecmp(name, "Secure", n) == 0)
                c->secure = true;
        if (n == strlen("Path") && strncasecmp(name, "Path", n) == 0 && value[0] == '/') {
                free(c->path);
                c->path = strndup(value, size);
                return c->path ? 0 : -ENOMEM;
        }
        if (n == strlen("Max-Age") && strncasecmp(name, "Max-Age", n) == 0)
                *expired = parse_int64(value, &seconds) >= 0 && seconds <= 0;
        return 0;
}

static bool is_pair(const char *pair, size_t n) {
        if (n == 0 || n > COOKIE_SIZE_MAX || pair[0] == '=' || !memchr(pair, '=', n))
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) pair[i] < ' ' || pair[i] == 0x7f)
                        return false;
        return true;
}

/* Removes the cookie with the name, host and path of c. */
static void forget(CookieJar *j, const Cookie *c) {
        size_t n = name_size(c->pair);

        for (size_t i = 0; i < j->n; i++) {
                Cookie *old = j->cookies + i;
                if (name_size(old->pair) != n || strncmp(old->pair, c->pair, n) != 0 || !streq(old->host, c->host) ||
                    !streq(old->path, c->path))
                        continue;
                cookie_done(old);
                memmove(old, old + 1, (--j->n - i) * sizeof(*old));
                return;
        }
}

int cookie_jar_take(CookieJar *j, const char *host, const char *target, const char *set_cookie) {
        _cleanup_cookie_ Cookie c = {};
        const char *p = set_cookie;
        bool expired = false;
        size_t n;

        const char *pair = take_part(&p, ';', &n);
        if (!is_pair(pair, n))
                return 0;
        c.pair = strndup(pair, n);
        c.host = strdup(host);
        c.path = default_path(target);
        if (!c.pair || !c.host || !c.path)
                return -ENOMEM;

        while (*p) {
                const char *attribute = take_part(&p, ';', &n);
                _cleanup_free_ char *text = strndup(attribute, n);
                int r = text ? take_attribute(&c, text, &expired) : -ENOMEM;
                if (r < 0)
                        return r;
        }

        forget(j, &c);
        if (!expired && j->n < COOKIES_MAX) {
                j->cookies[j->n++] = c;
                c = (Cookie) {};
        }
        return 0;
}

int cookie_jar_header(const CookieJar *j, const char *host, const char *target, bool tls, char **ret) {
        _cleanup_strv_free_ char **pairs = NULL;

        for (size_t i = 0; i < j->n; i++) {
                const Cookie *c = j->cookies + i;
                if ((tls || !c->secure) && strcasecmp(c->host, host) == 0 && path_matches(c->path, target) &&
                    strv_extend(&pairs, c->pair) < 0)
                        return -ENOMEM;
        }
        *ret = pairs ? strv_join(pairs, "; ") : NULL;
        return pairs && !*ret ? -ENOMEM : 0;
}
