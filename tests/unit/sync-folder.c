/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "tests/unit/sync-folder.h"

int folder_setup(void **state) {
        Folder *f = calloc(1, sizeof(*f));
        const char *base = getenv("TMPDIR") ?: "/tmp";

        f->volume = strfmt("%s/test-sync.XXXXXX", base);
        assert_non_null(mkdtemp(f->volume));
        f->volume_fd = open(f->volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->volume_fd >= 0);
        assert_int_equal(mkdirat(f->volume_fd, "folder", 0755), 0);
        f->root_fd = openat(f->volume_fd, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->root_fd >= 0);
        assert_int_equal(sync_staging_open(f->volume_fd, "1", &f->staging_fd), 0);
        assert_int_equal(sync_marker_write(f->staging_fd, FOLDER_UUID), 0);
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int folder_teardown(void **state) {
        Folder *f = *state;

        safe_close(f->root_fd);
        safe_close(f->staging_fd);
        safe_close(f->volume_fd);
        (void) nftw(f->volume, remove_one, 32, FTW_DEPTH | FTW_PHYS);
        free(f->volume);
        free(f);
        return 0;
}

static void put(int dir_fd, const char *path, const char *content, int flags) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0644);

        if (fd < 0)
                fail_msg("%s: %m", path);
        assert_int_equal(loop_write(fd, content, strlen(content)), 0);
}

void folder_write(int dir_fd, const char *path, const char *content) {
        put(dir_fd, path, content, O_TRUNC);
}

void folder_append(int dir_fd, const char *path, const char *content) {
        put(dir_fd, path, content, O_APPEND);
}

void folder_mkdir(int dir_fd, const char *path) {
        if (mkdirat(dir_fd, path, 0755) < 0)
                fail_msg("%s: %m", path);
}

void folder_age(int dir_fd, const char *path) {
        const struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
        struct timespec now;
        struct stat st;

        assert_int_equal(utimensat(dir_fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        do
                clock_gettime(CLOCK_REALTIME, &now);
        while ((now.tv_sec - st.st_ctim.tv_sec) * INT64_C(1000000000) + now.tv_nsec - st.st_ctim.tv_nsec <=
               SYNC_RACY_NS);
}

char *folder_read(int dir_fd, const char *path) {
        char *content = NULL;

        if (read_file(dir_fd, path, 1U << 20, &content, NULL) < 0)
                fail_msg("%s: cannot be read", path);
        return content;
}

bool folder_has(int dir_fd, const char *path) {
        return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

size_t folder_count(int dir_fd, const char *path) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *d = fdopendir(fd);
        size_t n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        return n - 2;
}

/* FNV-1a over 64 bits, five times with other starts. */
static void hash_more(uint64_t state[static 3], const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                for (unsigned k = 0; k < 3; k++)
                        state[k] = (state[k] ^ data[i]) * UINT64_C(0x100000001b3);
}

static int hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        uint64_t state[3] = { UINT64_C(0xcbf29ce484222325), 1, 2 };

        hash_more(state, data, size);
        memcpy(ret->bytes, state, SYNC_OID_SIZE);
        return 0;
}

static int hash_file(int fd, bool store, SyncOid *ret, void *userdata) {
        uint64_t state[3] = { UINT64_C(0xcbf29ce484222325), 1, 2 };
        uint8_t buffer[4096];
        ssize_t n;

        while ((n = loop_read(fd, buffer, sizeof(buffer))) > 0)
                hash_more(state, buffer, n);
        if (n < 0)
                return (int) n;
        memcpy(ret->bytes, state, SYNC_OID_SIZE);
        return 0;
}

const SyncHasher folder_hasher = { .file = hash_file, .bytes = hash_bytes };

SyncOid folder_oid(const char *content) {
        SyncOid oid;

        (void) hash_bytes(content, strlen(content), false, &oid, NULL);
        return oid;
}

SyncScan folder_scan_of(const Folder *f) {
        return (SyncScan) {
                .root_fd = f->root_fd,
                .staging_fd = f->staging_fd,
                .file_system_uuid = FOLDER_UUID,
                .hasher = folder_hasher,
        };
}

SyncTree *folder_scan(const Folder *f, const SyncTree *index) {
        SyncScan scan = folder_scan_of(f);
        SyncScanReport report = {};
        SyncTree *t = NULL;

        scan.accept_empty = true;
        assert_int_equal(sync_scan_full(&scan, index, &t, &report), SYNC_SCAN_OK);
        sync_scan_report_clear(&report);
        return t;
}

SyncTree *folder_scan_dirty(
                const SyncScan *scan, const SyncTree *index, const char *const *paths, SyncScanReport *report) {
        SyncTree *t = NULL;

        assert_int_equal(sync_scan_dirty(scan, index, (char *const *) paths, &t, report), SYNC_SCAN_OK);
        return t;
}

char *folder_listing(const SyncTree *t) {
        char *text = strdup("");

        SYNC_TREE_FOREACH(e, t) {
                char *longer = strfmt("%s%s%s", text, text[0] ? " " : "", e->path);

                free(text);
                text = longer;
        }
        return text;
}

void folder_assert_listing(const SyncTree *t, const char *expected) {
        _cleanup_free_ char *text = folder_listing(t);

        assert_string_equal(text, expected);
}
