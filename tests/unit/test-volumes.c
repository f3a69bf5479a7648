/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done next with a volume, and what is known of a disk. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "sharemgr/smart.h"
#include "sharemgr/volume-plan.h"

static Medium empty = { .content = MEDIUM_EMPTY }, volume = { .content = MEDIUM_VOLUME },
              foreign = { .content = MEDIUM_FOREIGN }, unreadable = { .content = MEDIUM_UNREADABLE },
              busy = { .content = MEDIUM_VOLUME, .busy = true },
              busy_empty = { .content = MEDIUM_EMPTY, .busy = true };

static void test_plan(void **state) {
        static const struct {
                VolumeFacts facts;
                VolumeStep step;
        } table[] = {
                { {}, VOLUME_REST },
                { { .mounted = true }, VOLUME_UNMOUNT },
                { { .mounted_from_nowhere = true }, VOLUME_UNMOUNT },
                { { .wanted = true, .mounted_from_nowhere = true }, VOLUME_UNMOUNT },
                { { .wanted = true, .mounted = true, .file_system = &volume }, VOLUME_SERVE },
                /* The device went away and came back, or the disk has errors: checked before it is served again,
                   but not for ever. */
                { { .wanted = true, .mounted = true, .damaged = true, .file_system = &volume }, VOLUME_UNMOUNT },
                { { .wanted = true, .n_repairs = VOLUME_REPAIRS_MAX, .file_system = &volume }, VOLUME_MOUNT },
                { { .wanted = true, .n_repairs = VOLUME_REPAIRS_MAX + 1, .file_system = &volume }, VOLUME_REFUSE },
                { { .wanted = true }, VOLUME_WAIT },
                { { .wanted = true, .formatted = true }, VOLUME_WAIT },
                { { .wanted = true, .medium = &empty }, VOLUME_FORMAT },
                { { .wanted = true, .medium = &volume, .file_system = &volume }, VOLUME_MOUNT },
                /* Killed between the end of mkfs and its being recorded. */
                { { .wanted = true, .formatted = false, .file_system = &volume }, VOLUME_MOUNT },
                /* On another disk than the one it was made on: the file system counts. */
                { { .wanted = true, .formatted = true, .medium = &empty, .file_system = &volume },
                  VOLUME_MOUNT },
                /* Data of others is never formatted; nor is the system's disk; nor what once was this
                   volume. */
                { { .wanted = true, .medium = &volume }, VOLUME_REFUSE },
                { { .wanted = true, .medium = &foreign }, VOLUME_REFUSE },
                { { .wanted = true, .medium = &unreadable }, VOLUME_REFUSE },
                { { .wanted = true, .medium = &busy_empty }, VOLUME_REFUSE },
                { { .wanted = true, .file_system = &busy }, VOLUME_REFUSE },
                { { .wanted = true, .formatted = true, .medium = &empty }, VOLUME_REFUSE },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                const char *reason = NULL;

                assert_int_equal(volume_plan(&table[i].facts, &reason), table[i].step);
                assert_int_equal(reason != NULL, table[i].step == VOLUME_REFUSE);
        }
}

static void test_unit_names(void **state) {
        _cleanup_free_ char *a = unit_name_of_path("/srv/ispstorage/home"),
                            *b = unit_name_of_path("/srv/ispstorage/My-disk_1.x");

        assert_string_equal(a, "srv-ispstorage-home.mount");
        assert_string_equal(b, "srv-ispstorage-My\\x2ddisk_1.x.mount");
}

static void write_attribute(int fd, const char *name, const char *text) {
        assert_int_equal(write_file_atomic(fd, name, text, strlen(text), 0644), 0);
}

/* A device of 10 MB in a directory that looks like sysfs. */
static void test_sysfs(void **state) {
        static const char *const files[] = { "disk/size",         "disk/removable",     "disk/device/vendor",
                                             "disk/device/model", "disk/device/serial", "disk/device/firmware_rev",
                                             "part/size",         "part/partition" };
        char directory[] = "/tmp/test-volumes-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        Medium m = {};

        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(
                        mkdirat(fd, "disk", 0755) | mkdirat(fd, "disk/device", 0755) |
                                        mkdirat(fd, "part", 0755),
                        0);
        write_attribute(fd, "disk/size", "20480\n");
        write_attribute(fd, "disk/removable", "1\n");
        write_attribute(fd, "disk/device/vendor", "ACME    \n");
        write_attribute(fd, "disk/device/model", "Disk \xff\x01 2000\n");
        write_attribute(fd, "disk/device/serial", "S1\n");
        write_attribute(fd, "disk/device/rev", "1.0 \n");
        write_attribute(fd, "part/size", "2048\n");
        write_attribute(fd, "part/partition", "1\n");

        assert_int_equal(medium_read_sysfs(fd, "disk", &m), 0);
        assert_int_equal(m.capacity, 10);
        assert_true(m.removable);
        assert_false(m.rotational);
        assert_string_equal(m.connection, "SATA/600");
        assert_string_equal(m.vendor, "ACME");
        assert_string_equal(m.model, "Disk ?? 2000");
        assert_string_equal(m.firmware, "1.0");
        _cleanup_free_ char *identity = medium_identity(&m);
        assert_string_equal(identity, "serial ACME/Disk ?? 2000/S1");
        medium_done(&m);
        write_attribute(fd, "disk/device/firmware_rev", "2B\n");
        assert_int_equal(unlinkat(fd, "disk/device/rev", 0), 0);
        assert_int_equal(medium_read_sysfs(fd, "disk", &m), 0);
        assert_string_equal(m.firmware, "2B");
        medium_done(&m);
        assert_int_equal(medium_read_sysfs(fd, "part", &m), -ENOENT);
        assert_int_equal(medium_read_sysfs(fd, "none", &m), -ENOENT);

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                assert_int_equal(unlinkat(fd, files[i], 0), 0);
        assert_int_equal(
                        unlinkat(fd, "disk/device", AT_REMOVEDIR) | unlinkat(fd, "disk", AT_REMOVEDIR) |
                                        unlinkat(fd, "part", AT_REMOVEDIR),
                        0);
        assert_int_equal(rmdir(directory), 0);
}

static void test_matches(void **state) {
        char *patterns[] = { (char *) "/dev/sd[a-c]", (char *) "loop7", NULL };

        assert_true(medium_matches("sda", patterns));
        assert_true(medium_matches("loop7", patterns));
        assert_false(medium_matches("sdd", patterns));
        assert_false(medium_matches("sda1", patterns));
        assert_false(medium_matches("sda", NULL));
}

static void test_text(void **state) {
        static const char *const bad[] = {
                "",
                "{}",
                "[]",
                "{\"connection\":\"c\",\"name\":\"a\",\"vendor\":\"\",\"model\":\"\",\"serial\":\"\",\"firmware\":\"\","
                "\"capacity\":-1,\"content\":1,"
                "\"removable\":true,\"rotational\":true,\"usb\":true,\"busy\":true}",
                "{\"connection\":\"c\",\"name\":\"a\",\"vendor\":\"\",\"model\":\"\",\"serial\":\"\",\"firmware\":\"\","
                "\"capacity\":1,\"content\":2,"
                "\"removable\":true,\"rotational\":true,\"usb\":true,\"busy\":true}",
        };
        Medium m = { .name = (char *) "sda",
                     .vendor = (char *) "v",
                     .model = (char *) "m",
                     .serial = (char *) "",
                     .firmware = (char *) "f",
                     .connection = (char *) "USB 3.0",
                     .uuid = (char *) "u",
                     .file_system = (char *) "ext4",
                     .capacity = 7,
                     .content = MEDIUM_VOLUME,
                     .removable = true,
                     .usb = true };
        _cleanup_media_ Media list = {};
        _cleanup_free_ char *text = NULL;
        Medium back = {};

        assert_int_equal(medium_to_text(&m, &text), 0);
        assert_int_equal(medium_from_text(text, &back), 0);
        assert_int_equal(media_append(&list, &back), 0);
        assert_true(media_equal(&list, &(Media){ &m, 1 }));
        assert_ptr_equal(media_find_by_uuid(&list, "u"), list.items);
        assert_null(media_find_by_uuid(&list, "x"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(medium_from_text(bad[i], &back), -EBADMSG);
}

/* The directories of a disk on USB, and of one on SATA, as in /sys. */
static void test_connections(void **state) {
        char directory[] = "/tmp/test-volumes-XXXXXX";
        _cleanup_free_ char *remove = NULL;
        _cleanup_close_ int fd = -EBADF, class_fd = -EBADF;
        static const struct {
                const char *name, *speed_file, *speed, *connection;
        } table[] = {
                { "sda", "devices/usb2/2-1/speed", "5000\n", "USB 3.0" },
                { "sda", "devices/usb2/2-1/speed", "480\n", "USB 2.0" },
                { "sda", "devices/usb2/2-1/speed", "10000\n", "USB 3.1" },
                { "sdb", "class/ata_link/link3/sata_spd", "3.0 Gbps\n", "SATA/300" },
                { "sdb", "class/ata_link/link3/sata_spd", "6.0 Gbps\n", "SATA/600" },
                { "nvme0n1", "devices/nvme0n1/x", "\n", "SATA/1969" },
        };

        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                static const char *const paths[] = { "class/block",
                                                     "class/ata_link/link3",
                                                     "devices/usb2/2-1/host0/sda",
                                                     "devices/ata3/host1/sdb",
                                                     "devices/nvme0n1" };
                Medium m = {};

                for (size_t k = 0; i == 0 && k < ELEMENTSOF(paths); k++) {
                        _cleanup_free_ char *path = strfmt("%s/%s", directory, paths[k]);

                        assert_int_equal(mkdir_parents(path, 0755), 0);
                }
                if (i == 0) {
                        assert_int_equal(
                                        symlinkat("../../devices/usb2/2-1/host0/sda", fd, "class/block/sda"),
                                        0);
                        assert_int_equal(
                                        symlinkat("../../devices/ata3/host1/sdb", fd, "class/block/sdb"), 0);
                        assert_int_equal(symlinkat("../../devices/nvme0n1", fd, "class/block/nvme0n1"), 0);
                        write_attribute(fd, "devices/usb2/2-1/host0/sda/size", "20480\n");
                        write_attribute(fd, "devices/ata3/host1/sdb/size", "20480\n");
                        write_attribute(fd, "devices/nvme0n1/size", "20480\n");
                        class_fd = openat(fd, "class/block", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                }
                write_attribute(fd, table[i].speed_file, table[i].speed);
                assert_int_equal(medium_read_sysfs(class_fd, table[i].name, &m), 0);
                assert_string_equal(m.connection, table[i].connection);
                medium_done(&m);
        }
        remove = strfmt("rm -r %s", directory);
        assert_int_equal(system(remove), 0);
}

/* As smartctl 7.3 writes it, without what is not read. */
static void test_smart(void **state) {
        SmartData d;

        assert_int_equal(
                        smart_from_json("{\"smart_support\": {\"available\": true, \"enabled\": true},"
                                        "\"smart_status\": {\"passed\": false}, \"power_on_time\": "
                                        "{\"hours\": 4711},"
                                        "\"power_cycle_count\": 12, \"temperature\": {\"current\": 37},"
                                        "\"ata_smart_attributes\": {\"table\": ["
                                        "{\"id\": 5, \"raw\": {\"value\": 3}}, {\"id\": 197, \"raw\": "
                                        "{\"value\": 4294967298}},"
                                        "{\"id\": 999, \"raw\": 1}, 7]}}",
                                        &d),
                        0);
        assert_true(d.capable && d.failing);
        assert_int_equal(d.power_on_hours, 4711);
        assert_int_equal(d.power_cycles, 12);
        assert_int_equal(d.temperature, 37);
        assert_int_equal(d.reallocated_sectors, 3);
        assert_int_equal(d.pending_sectors, 2);
        assert_int_equal(
                        smart_from_json("{\"smart_status\": {\"passed\": true}, "
                                        "\"nvme_smart_health_information_log\":"
                                        "{\"available_spare\": 98, \"media_errors\": 1}}",
                                        &d),
                        0);
        assert_true(d.capable && !d.failing);
        assert_int_equal(d.spares_remaining, 98);
        assert_int_equal(d.uncorrectable_sectors, 1);
        /* smartctl 7.0 does not say that SMART is supported. */
        assert_int_equal(smart_from_json("{\"smart_status\": {\"passed\": true}}", &d), 0);
        assert_true(d.capable && !d.failing);
        /* A disk that sleeps, or cannot be opened, keeps the values that it had. */
        assert_int_equal(smart_from_json("{\"smartctl\": {\"exit_status\": 2}}", &d), -ENODATA);
        /* Some attributes are bad, in the past: the disk answered. */
        assert_int_equal(smart_from_json("{\"smartctl\": {\"exit_status\": 32},"
                                         "\"smart_status\": {\"passed\": true}}",
                                         &d),
                         0);
        assert_true(d.capable);
        /* A loop device. */
        assert_int_equal(smart_from_json("{\"smartctl\": {\"exit_status\": 1}}", &d), 0);
        assert_false(d.capable || d.failing);
        assert_int_equal(smart_from_json("{}", &d), 0);
        assert_false(d.capable || d.failing);
        assert_int_equal(smart_from_json("no json", &d), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections), cmocka_unit_test(test_smart),
                cmocka_unit_test(test_plan),        cmocka_unit_test(test_unit_names),
                cmocka_unit_test(test_sysfs),       cmocka_unit_test(test_matches),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
