/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include "common/base/str.h"
#include "sharemgr/manager.h"

void share_network_done(ShareNetwork *n) {
        n->interfaces = strv_free(n->interfaces);
        n->addresses = strv_free(n->addresses);
}

static int add_address(ShareNetwork *n, const struct ifaddrs *a) {
        const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) a->ifa_addr;
        char buf[INET_ADDRSTRLEN];
        int r;

        r = strv_contains(n->interfaces, a->ifa_name) ? 0 : strv_extend(&n->interfaces, a->ifa_name);
        if (r < 0 || !inet_ntop(AF_INET, &in->sin_addr, buf, sizeof(buf)))
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
                if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
                    strv_contains(interfaces, a->ifa_name))
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
