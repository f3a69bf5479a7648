/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel says that something changed: a disk came or went, an interface got an address.
 *
 * What changed is not read from the messages, which can be lost: the handler looks for itself. Where udevd
 * runs, its rules are not waited for; nothing of what they add is used. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct KernelMonitor KernelMonitor;

typedef enum KernelMonitorKind {
        KERNEL_MONITOR_BLOCK_DEVICES,
        KERNEL_MONITOR_ADDRESSES,
} KernelMonitorKind;

typedef void (*KernelMonitorHandler)(void *userdata);

/* *ret is the caller's. 0 or a negative errno. */
int kernel_monitor_new(
                KernelMonitor **ret,
                sd_event *event,
                KernelMonitorKind kind,
                KernelMonitorHandler handler,
                void *userdata);

/* NULL is allowed; returns NULL. */
KernelMonitor *kernel_monitor_free(KernelMonitor *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(KernelMonitor *, kernel_monitor_free);
