/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be done next with a volume, from what is known about it. No state of its own: after a restart
 * in the middle of anything the same facts give the same step. */
#pragma once

#include "sharemgr/media.h"

/* A disk that fails again each time that its file system was checked has to be looked at by people. */
#define VOLUME_REPAIRS_MAX 3U

typedef struct VolumeFacts {
        bool wanted;               /* the row exists and is enabled, and so is the service */
        bool formatted;            /* mkfs is known to have succeeded for this row */
        bool mounted;              /* at its place, from a device that is still there */
        bool mounted_from_nowhere; /* at its place, but the device is gone */
        bool damaged;              /* mounted, but the kernel takes no more writes after an error, or the device
                                      was away for a while */
        unsigned n_repairs;        /* how often it was unmounted for that */
        const Medium *file_system; /* the medium that carries the volume's UUID, or NULL */
        const Medium *medium;      /* the one that PhysicalReference names, or NULL if it is not attached */
} VolumeFacts;

typedef enum VolumeStep {
        VOLUME_REST,   /* nothing to do, not in use */
        VOLUME_SERVE,  /* mounted as it should be */
        VOLUME_FORMAT, /* make the file system, on the medium */
        VOLUME_MOUNT,  /* check and mount it, from the file system's medium */
        VOLUME_UNMOUNT,
        VOLUME_WAIT,   /* the medium is not attached: Status Offline */
        VOLUME_REFUSE, /* cannot be used: Status Error; *ret_reason says why */
} VolumeStep;

/* *ret_reason is set with VOLUME_REFUSE only, to a constant text. */
VolumeStep volume_plan(const VolumeFacts *f, const char **ret_reason);

/* The name of the mount unit of an absolute path (systemd.unit(5), "String Escaping"), in a new string; NULL
 * if memory ran out. */
char *unit_name_of_path(const char *path);
