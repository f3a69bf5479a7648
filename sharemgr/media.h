/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of this device: what sysfs says of them, and what is on them. */
#pragma once

#include "common/base/macro.h"

/* More block devices than any gateway has; the rest is not looked at. */
#define MEDIA_MAX 32U

/* A description of one device as text. */
#define MEDIUM_TEXT_MAX 4096U

typedef enum MediumContent {
        MEDIUM_UNREADABLE, /* could not be probed */
        MEDIUM_EMPTY,      /* no file system, partition table or other signature */
        MEDIUM_VOLUME,     /* a file system with a UUID on the whole disk */
        MEDIUM_FOREIGN,    /* something else */
} MediumContent;

typedef struct Medium {
        char *name; /* of the device: "sda" */
        char *vendor, *model, *serial, *firmware;
        char *connection;         /* TR-140 ConnectionType */
        char *uuid, *file_system; /* only with MEDIUM_VOLUME */
        uint32_t capacity;        /* MB */
        MediumContent content;
        bool removable, rotational, usb;
        bool busy; /* carries something that the system uses: a mounted file system that is not a volume,
                      swap, another layer */
} Medium;

typedef struct Media {
        Medium *items;
        size_t n;
} Media;

void medium_done(Medium *m);

/* Frees the items; initialize with {}. */
void media_done(Media *media);
#define _cleanup_media_ _cleanup_(media_done)

/* Appends a medium, which is moved. 0, -ENOSPC at MEDIA_MAX, -ENOMEM. */
int media_append(Media *media, Medium *m);

/* Compares two lists in all fields. */
bool media_equal(const Media *a, const Media *b);

/* The medium that has a volume with this file system, or NULL. The list's. */
const Medium *media_find_by_uuid(const Media *media, const char *uuid) _pure_;

/* Reads the description of a disk from sysfs; class_fd is /sys/class/block. Content and busy are left to
 * others. 0; -ENOENT if it is no disk of its own (a partition, a device without a size); or a negative
 * errno. */
int medium_read_sysfs(int class_fd, const char *name, Medium *ret);

/* True if the name matches one of the patterns of glob(7), which may begin with "/dev/". */
bool medium_matches(const char *name, char *const *patterns);

/* What tells this disk from others after it was unplugged: vendor, model and serial number, or the name of
 * the device if it has no serial number. A new string; NULL if memory ran out. */
char *medium_identity(const Medium *m);

/* True for a type of file system, as the kernel calls it, that volumes may have. */
bool file_system_is_ours(const char *type);

/* What TR-140 calls a type for which file_system_is_ours() is true. */
const char *file_system_name(const char *type);

/* A medium as a text for the worker's socket, and back. 0, -ENOMEM; -EBADMSG. *ret is the caller's. */
int medium_to_text(const Medium *m, char **ret);
int medium_from_text(const char *text, Medium *ret);
