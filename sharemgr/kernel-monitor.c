/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "sharemgr/kernel-monitor.h"

/* A uevent is at most 2048 bytes of environment and its header; an address message is smaller. */
#define MESSAGE_MAX 8192U

/* The multicast group of the kernel's own uevents; 2 is udevd's. */
#define UEVENT_GROUP_KERNEL 1U

struct KernelMonitor {
        int fd;
        KernelMonitorKind kind;
        sd_event_source *source;
        KernelMonitorHandler handler;
        void *userdata;
};

KernelMonitor *kernel_monitor_free(KernelMonitor *m) {
        if (!m)
                return NULL;
        sd_event_source_unref(m->source);
        safe_close(m->fd);
        return mfree(m);
}

/* The kernel is port 0: other processes cannot make us look. */
static bool is_interesting(
                const KernelMonitor *m, const struct sockaddr_nl *sender, const char *buf, size_t n) {
        static const char block[] = "SUBSYSTEM=block";

        return sender->nl_pid == 0 &&
               (m->kind == KERNEL_MONITOR_ADDRESSES || memmem(buf, n, block, sizeof(block)));
}

static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        KernelMonitor *m = userdata;
        bool changed = false;

        for (;;) {
                struct sockaddr_nl sender = {};
                socklen_t length = sizeof(sender);
                char buf[MESSAGE_MAX];
                ssize_t n = recvfrom(
                                fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *) &sender, &length);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != ENOBUFS)
                        break;
                changed = n < 0 || changed || is_interesting(m, &sender, buf, (size_t) n); /* lost: look */
        }
        if (changed)
                m->handler(m->userdata);
        return 0;
}

int kernel_monitor_new(
                KernelMonitor **ret,
                sd_event *event,
                KernelMonitorKind kind,
                KernelMonitorHandler handler,
                void *userdata) {
        _cleanup_(kernel_monitor_freep) KernelMonitor *m = calloc(1, sizeof(KernelMonitor));
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        int r;

        if (!m)
                return -ENOMEM;
        *m = (KernelMonitor){ .kind = kind, .handler = handler, .userdata = userdata };
        address.nl_groups = kind == KERNEL_MONITOR_BLOCK_DEVICES
                                            ? UEVENT_GROUP_KERNEL
                                            : RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
        m->fd = socket(AF_NETLINK,
                       SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       kind == KERNEL_MONITOR_BLOCK_DEVICES ? NETLINK_KOBJECT_UEVENT : NETLINK_ROUTE);
        if (m->fd < 0 || bind(m->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        r = sd_event_add_io(event, &m->source, m->fd, EPOLLIN, on_message, m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}
