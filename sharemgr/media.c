/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/media.h"

/* An attribute of sysfs is at most a page. */
#define SYSFS_MAX 4096U

/* /sys/block/<name>/size counts these, whatever the disk's own sectors are. */
#define SECTOR_SIZE 512U
#define MEGABYTE (1024U * 1024U)

/* From a disk up to its controller there are fewer directories. */
#define SYSFS_DEPTH_MAX 16U

void medium_done(Medium *m) {
        free(m->name);
        free(m->vendor);
        free(m->model);
        free(m->serial);
        free(m->firmware);
        free(m->connection);
        free(m->uuid);
        free(m->file_system);
        *m = (Medium){};
}

void media_done(Media *media) {
        for (size_t i = 0; i < media->n; i++)
                medium_done(media->items + i);
        media->items = mfree(media->items);
        media->n = 0;
}

int media_append(Media *media, Medium *m) {
        Medium *grown;

        if (media->n >= MEDIA_MAX)
                return -ENOSPC;
        grown = reallocarray(media->items, media->n + 1, sizeof(Medium));
        if (!grown)
                return -ENOMEM;
        media->items = grown;
        media->items[media->n++] = *m;
        *m = (Medium){};
        return 0;
}

static bool medium_equal(const Medium *a, const Medium *b) {
        return streq_ptr(a->name, b->name) && streq_ptr(a->vendor, b->vendor) &&
               streq_ptr(a->model, b->model) && streq_ptr(a->serial, b->serial) &&
               streq_ptr(a->firmware, b->firmware) && streq_ptr(a->uuid, b->uuid) &&
               streq_ptr(a->file_system, b->file_system) &&
               streq_ptr(a->connection, b->connection) && a->capacity == b->capacity &&
               a->content == b->content && a->removable == b->removable && a->rotational == b->rotational &&
               a->usb == b->usb && a->busy == b->busy;
}

bool media_equal(const Media *a, const Media *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!medium_equal(a->items + i, b->items + i))
                        return false;
        return true;
}

const Medium *media_find_by_uuid(const Media *media, const char *uuid) {
        for (size_t i = 0; i < media->n; i++)
                if (media->items[i].content == MEDIUM_VOLUME && streq(media->items[i].uuid, uuid))
                        return media->items + i;
        return NULL;
}

/* Reads an attribute as text without blanks around and without what is not printable ASCII; "" if there is
 * none. */
static int read_attribute(int device_fd, const char *attribute, char **ret) {
        _cleanup_free_ char *text = NULL;
        char *s, *end;
        int r;

        r = read_file(device_fd, attribute, SYSFS_MAX, &text, NULL);
        if (r == -ENOMEM)
                return r;
        s = r < 0 ? (char *) "" : text + strspn(text, " \t\n");
        end = s + strlen(s);
        while (end > s && strchr(" \t\n", end[-1]))
                *--end = 0;
        for (char *p = s; *p; p++)
                if (*p < 0x20 || *p >= 0x7f)
                        *p = '?';
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

/* The attribute that has the firmware's version: of SCSI and SATA, NVMe, or MMC. */
static const char *firmware_attribute(int device_fd) {
        static const char *const others[] = { "device/firmware_rev", "device/fwrev" };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (faccessat(device_fd, others[i], F_OK, 0) >= 0)
                        return others[i];
        return "device/rev";
}

static uint64_t read_number(int device_fd, const char *attribute) {
        _cleanup_free_ char *text = NULL;
        uint64_t n;

        return read_attribute(device_fd, attribute, &text) >= 0 && parse_uint64(text, &n) >= 0 ? n : 0;
}

/* Where TR-140 has no word for the connection (virtio, MMC, loop devices). */
static const char connection_default[] = "SATA/600";

/* A device on USB is below the directory of its port, which has the speed in Mbit/s. */
static const char *usb_connection(int device_fd) {
        _cleanup_close_ int fd = openat(device_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t speed = 0;

        for (unsigned i = 0; i < SYSFS_DEPTH_MAX && fd >= 0 && speed == 0; i++) {
                int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                speed = read_number(fd, "speed");
                (void) close(fd);
                fd = up;
        }
        return speed > 5000 ? "USB 3.1" : speed > 480 ? "USB 3.0" : speed > 12 || speed == 0 ? "USB 2.0" : "USB 1.1";
}

/* The port's link has its present speed as "6.0 Gbps". */
static const char *sata_connection(int class_fd, const char *port) {
        _cleanup_free_ char *path = NULL, *speed = NULL;
        unsigned number;

        if (sscanf(port, "/ata%u/", &number) != 1)
                return connection_default;
        path = strfmt("../ata_link/link%u/sata_spd", number);
        if (!path || read_attribute(class_fd, path, &speed) < 0)
                return connection_default;
        return startswith(speed, "1.5") ? "SATA/150" : startswith(speed, "3.0") ? "SATA/300" : "SATA/600";
}

static const char *read_connection(int class_fd, int device_fd, const char *name, bool *ret_usb) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(class_fd, name, target, sizeof(target) - 1);
        const char *port;

        target[MAX(n, (ssize_t) 0)] = 0;
        *ret_usb = strstr(target, "/usb") != NULL;
        if (*ret_usb)
                return usb_connection(device_fd);
        port = strstr(target, "/ata");
        if (port)
                return sata_connection(class_fd, port);
        /* The speed of PCI Express under this name. */
        return startswith(name, "nvme") ? "SATA/1969" : strstr(target, "/end_device-") ? "SAS-3" : connection_default;
}

int medium_read_sysfs(int class_fd, const char *name, Medium *ret) {
        _cleanup_close_ int fd = openat(class_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(medium_done) Medium m = {};
        uint64_t sectors;
        int r;

        if (fd < 0)
                return -errno;
        sectors = read_number(fd, "size");
        if (sectors == 0 || faccessat(fd, "partition", F_OK, 0) >= 0 || read_number(fd, "ro") != 0)
                return -ENOENT;
        m.capacity = (uint32_t) MIN(sectors / (MEGABYTE / SECTOR_SIZE), (uint64_t) UINT32_MAX);
        m.removable = read_number(fd, "removable") != 0;
        m.rotational = read_number(fd, "queue/rotational") != 0;
        m.connection = strdup(read_connection(class_fd, fd, name, &m.usb));
        m.name = strdup(name);
        if (!m.name || !m.connection)
                return -ENOMEM;
        if ((r = read_attribute(fd, "device/vendor", &m.vendor)) < 0 ||
            (r = read_attribute(fd, "device/model", &m.model)) < 0 ||
            (r = read_attribute(fd, "device/serial", &m.serial)) < 0 ||
            (r = read_attribute(fd, firmware_attribute(fd), &m.firmware)) < 0)
                return r;
        *ret = m;
        m = (Medium){};
        return 0;
}

bool medium_matches(const char *name, char *const *patterns) {
        STRV_FOREACH (p, patterns)
                if (fnmatch(startswith(*p, "/dev/") ?: *p, name, 0) == 0)
                        return true;
        return false;
}

char *medium_identity(const Medium *m) {
        return isempty(m->serial) ? strfmt("device %s", m->name)
                                  : strfmt("serial %s/%s/%s", m->vendor, m->model, m->serial);
}

static const struct {
        const char *type, *name;
} file_systems[] = {
        { "ext4", "ext4" },
        { "btrfs", "btrfs" },
        { "xfs", "XFS" },
};

bool file_system_is_ours(const char *type) {
        for (size_t i = 0; i < ELEMENTSOF(file_systems); i++)
                if (streq(type, file_systems[i].type))
                        return true;
        return false;
}

const char *file_system_name(const char *type) {
        for (size_t i = 0; i < ELEMENTSOF(file_systems); i++)
                if (streq(type, file_systems[i].type))
                        return file_systems[i].name;
        return type;
}

int medium_to_text(const Medium *m, char **ret) {
        json_t *o =
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:I, s:i, s:b, s:b, s:b, s:b}",
                                  "connection",
                                  m->connection ?: connection_default,
                                  "name",
                                  m->name,
                                  "vendor",
                                  m->vendor,
                                  "model",
                                  m->model,
                                  "serial",
                                  m->serial,
                                  "firmware",
                                  m->firmware,
                                  "uuid",
                                  m->uuid,
                                  "file_system",
                                  m->file_system,
                                  "capacity",
                                  (json_int_t) m->capacity,
                                  "content",
                                  (int) m->content,
                                  "removable",
                                  m->removable,
                                  "rotational",
                                  m->rotational,
                                  "usb",
                                  m->usb,
                                  "busy",
                                  m->busy);
        char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

        json_decref(o);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static int copy_string(char **p, const char *s) {
        *p = s ? strdup(s) : NULL;
        return s && !*p ? -ENOMEM : 0;
}

static int unpack(json_t *o, Medium *ret) {
        const char *name, *connection, *vendor, *model, *serial, *firmware, *uuid = NULL, *file_system = NULL;
        _cleanup_(medium_done) Medium m = {};
        int content, removable, rotational, usb, busy;
        json_int_t capacity;
        int r;

        if (json_unpack(o,
                        "{s:s, s:s, s:s, s:s, s:s, s:s, s?s, s?s, s:I, s:i, s:b, s:b, s:b, s:b}",
                        "connection",
                        &connection,
                        "name",
                        &name,
                        "vendor",
                        &vendor,
                        "model",
                        &model,
                        "serial",
                        &serial,
                        "firmware",
                        &firmware,
                        "uuid",
                        &uuid,
                        "file_system",
                        &file_system,
                        "capacity",
                        &capacity,
                        "content",
                        &content,
                        "removable",
                        &removable,
                        "rotational",
                        &rotational,
                        "usb",
                        &usb,
                        "busy",
                        &busy) < 0)
                return -EBADMSG;
        if (content < MEDIUM_UNREADABLE || content > MEDIUM_FOREIGN || capacity < 0 ||
            capacity > UINT32_MAX || (content == MEDIUM_VOLUME && (!uuid || !file_system)))
                return -EBADMSG;
        m.capacity = (uint32_t) capacity;
        m.content = (MediumContent) content;
        m.removable = removable;
        m.rotational = rotational;
        m.usb = usb;
        m.busy = busy;
        if ((r = copy_string(&m.name, name)) < 0 || (r = copy_string(&m.vendor, vendor)) < 0 ||
            (r = copy_string(&m.model, model)) < 0 || (r = copy_string(&m.serial, serial)) < 0 ||
            (r = copy_string(&m.firmware, firmware)) < 0 || (r = copy_string(&m.uuid, uuid)) < 0 ||
            (r = copy_string(&m.file_system, file_system)) < 0 ||
            (r = copy_string(&m.connection, connection)) < 0)
                return r;
        *ret = m;
        m = (Medium){};
        return 0;
}

int medium_from_text(const char *text, Medium *ret) {
        json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        int r = o ? unpack(o, ret) : -EBADMSG;

        json_decref(o);
        return r;
}
