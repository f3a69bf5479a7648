/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "common/base/str.h"
#include "sharemgr/manager.h"

void share_network_done(ShareNetwork *n) {
        n->interfaces = strv_free(n->interfaces);
        n->addresses = strv_free(n->addresses);
}

/* RFC 4193. Other IPv6 addresses of the LAN can be reached from the access network. */
static bool is_unique_local(const struct in6_addr *a) {
        return (a->s6_addr[0] & 0xfe) == 0xfc;
}

/* The address of a family that servers listen on, or NULL. */
static const void *address_of(const struct ifaddrs *a) {
        const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) a->ifa_addr;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) a->ifa_addr;

        if (!a->ifa_addr)
                return NULL;
        if (a->ifa_addr->sa_family == AF_INET)
                return &in->sin_addr;
        return a->ifa_addr->sa_family == AF_INET6 && is_unique_local(&in6->sin6_addr) ? &in6->sin6_addr : NULL;
}

static int add_address(ShareNetwork *n, const struct ifaddrs *a) {
        char buf[INET6_ADDRSTRLEN];
        int r;

        r = strv_contains(n->interfaces, a->ifa_name) ? 0 : strv_extend(&n->interfaces, a->ifa_name);
        if (r < 0 || !inet_ntop(a->ifa_addr->sa_family, address_of(a), buf, sizeof(buf)))
                return r;
        return strv_extend(&n->addresses, buf);
}

int share_network_read(char *const *interfaces, ShareNetwork *ret) {
        ShareNetwork n = {};
        struct ifaddrs *list;
        int r = 0;

        if (getifaddrs(&list) < 0)
                return -errno;
        for (struct ifaddrs *a = list; a && r >= 0; a = a->ifa_next)
                if (address_of(a) && strv_contains(interfaces, a->ifa_name))
                        r = add_address(&n, a);
        freeifaddrs(list);
        if (r < 0) {
                share_network_done(&n);
                return r;
        }
        /* In an order of their own, so that equal networks are equal. */
        strv_sort(n.interfaces);
        strv_sort(n.addresses);
        *ret = n;
        return 0;
}
