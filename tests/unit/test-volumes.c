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
                                             "disk/device/model", "disk/device/serial", "part/size",
                                             "part/partition" };
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
        write_attribute(fd, "part/size", "2048\n");
        write_attribute(fd, "part/partition", "1\n");

        assert_int_equal(medium_read_sysfs(fd, "disk", &m), 0);
        assert_int_equal(m.capacity, 10);
        assert_true(m.removable);
        assert_false(m.rotational);
        assert_string_equal(m.vendor, "ACME");
        assert_string_equal(m.model, "Disk ?? 2000");
        _cleanup_free_ char *identity = medium_identity(&m);
        assert_string_equal(identity, "serial ACME/Disk ?? 2000/S1");
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
                "{\"name\":\"a\",\"vendor\":\"\",\"model\":\"\",\"serial\":\"\",\"firmware\":\"\","
                "\"capacity\":-1,\"content\":1,"
                "\"removable\":true,\"rotational\":true,\"usb\":true,\"busy\":true}",
                "{\"name\":\"a\",\"vendor\":\"\",\"model\":\"\",\"serial\":\"\",\"firmware\":\"\","
                "\"capacity\":1,\"content\":2,"
                "\"removable\":true,\"rotational\":true,\"usb\":true,\"busy\":true}",
        };
        Medium m = { (char *) "sda", (char *) "v", (char *) "m",    (char *) "",
                     (char *) "f",   (char *) "u", (char *) "ext4", 7,
                     MEDIUM_VOLUME,  true,         false,           true,
                     false };
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plan),  cmocka_unit_test(test_unit_names),
                cmocka_unit_test(test_sysfs), cmocka_unit_test(test_matches),
                cmocka_unit_test(test_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
