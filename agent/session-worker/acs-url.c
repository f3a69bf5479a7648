/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/acs-url.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/str.h"

bool acs_url_is_https(const char *url) {
        return startswith(url, "https://");
}

bool acs_url_is_usable(const char *url) {
        return url && strlen(url) < ACS_URL_MAX && (startswith(url, "http://") || acs_url_is_https(url)) &&
               url[strcspn(url, " \t\r\n\"<>\\")] == 0;
}

char *acs_url_resolve(const char *url, const char *location) {
        const char *authority = strstr(url, "://") + strlen("://"), *path = authority + strcspn(authority, "/?");
        size_t n = strcspn(path, "?");

        if (location[strcspn(location, ":/?")] == ':')
                return strdup(location);
        if (startswith(location, "//"))
                return strfmt("%.*s%s", (int) (authority - strlen("//") - url), url, location);
        if (location[0] == '/')
                return strfmt("%.*s%s", (int) (path - url), url, location);
        /* What has no '/' before it replaces the last part of the path. */
        while (location[0] != '?' && n > 0 && path[n - 1] != '/')
                n--;
        return strfmt("%.*s%s%s", (int) (path + n - url), url, n == 0 ? "/" : "", location);
}

/* Host and port of the URL as getaddrinfo() wants them. */
static bool split_authority(const char *url, char host[static ACS_URL_MAX], char port[static 8]) {
        const char *p = strstr(url, "://") + strlen("://");
        size_t n = p[0] == '[' ? strcspn(++p, "]") : strcspn(p, ":/?");
        const char *rest = p + n + (p[n] == ']');

        if (n == 0 || n >= ACS_URL_MAX)
                return false;
        memcpy(host, p, n);
        host[n] = 0;

        if (*rest != ':') {
                (void) snprintf(port, 8, "%s", acs_url_is_https(url) ? "443" : "80");
                return true;
        }
        n = strspn(rest + 1, "0123456789");
        if (n == 0 || n > 5)
                return false;
        memcpy(port, rest + 1, n);
        port[n] = 0;
        return true;
}

int acs_url_local_address(const char *url, char **ret) {
        const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
        char host[ACS_URL_MAX], port[8], address[NI_MAXHOST];
        struct addrinfo *list;
        int r = -EHOSTUNREACH;

        if (!split_authority(url, host, port))
                return -EINVAL;
        if (getaddrinfo(host, port, &hints, &list) != 0)
                return -EHOSTUNREACH;

        /* Connecting a datagram socket sends nothing: the kernel only chooses the route. */
        for (const struct addrinfo *a = list; a && r < 0; a = a->ai_next) {
                _cleanup_close_ int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                struct sockaddr_storage own;
                socklen_t size = sizeof(own);

                if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) < 0 ||
                    getsockname(fd, (struct sockaddr *) &own, &size) < 0 ||
                    getnameinfo((struct sockaddr *) &own, size, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
                        continue;
                r = 0;
        }
        freeaddrinfo(list);
        if (r < 0)
                return r;

        char *copy = strdup(address);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}
