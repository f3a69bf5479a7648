/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/object-log-internal.h"

#define MAGIC "ISPSLOG1"

static int flock_retry(int fd, int operation) {
        while (flock(fd, operation) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int object_log_write(int fd, const void *data, size_t size, uint64_t offset) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = pwrite(fd, p, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                p += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

int object_log_write_header(int fd, uint64_t compacted_size) {
        uint8_t header[LOG_HEADER_SIZE];
        uint64_t n = htole64(compacted_size);

        memcpy(header, MAGIC, 8);
        memcpy(header + 8, &n, sizeof(n));
        return object_log_write(fd, header, sizeof(header), 0);
}

/* 0, -EBADMSG, or -ENODATA: the file was made and its header did not reach the disk. */
static int read_header(int fd, uint64_t *ret_compacted_size) {
        static const uint8_t zero[LOG_HEADER_SIZE] = {};
        uint8_t header[LOG_HEADER_SIZE];
        ssize_t n = object_log_pread(fd, header, sizeof(header), 0);
        uint64_t size;

        if (n < 0)
                return (int) n;
        if (n < (ssize_t) sizeof(header) || memcmp(header, zero, sizeof(header)) == 0)
                return -ENODATA;
        if (memcmp(header, MAGIC, 8) != 0)
                return -EBADMSG;
        memcpy(&size, header + 8, sizeof(size));
        *ret_compacted_size = le64toh(size);
        return 0;
}

/* --- the lock, and what others added --- */

/* 1 if the name is that of our file, 0 if it is another's, -ESTALE if there is none. */
static int is_current(ObjectLog *l) {
        struct stat mine, named;

        if (fstat(l->fd, &mine) < 0)
                return -errno;
        if (fstatat(l->directory_fd, LOG_FILE_NAME, &named, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? -ESTALE : -errno;
        return mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

/* Opens the file that has the name now, as if nothing of it were read. */
static int reopen(ObjectLog *l) {
        _cleanup_close_ int fd = openat(l->directory_fd, LOG_FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        uint64_t compacted_size;
        int r;

        if (fd < 0)
                return errno == ENOENT ? -ESTALE : -errno;
        r = read_header(fd, &compacted_size);
        if (r < 0)
                return r == -ENODATA ? -EBADMSG : r;
        (void) safe_close(l->fd);
        l->fd = TAKE_FD(fd);
        log_index_done(&l->index);
        log_references_done(&l->references);
        log_references_done(&l->published);
        l->end = l->references_end = LOG_HEADER_SIZE;
        l->compacted_size = compacted_size;
        l->generation++;
        return 0;
}

int object_log_lock(ObjectLog *l, int operation) {
        struct stat st;
        int r;

        for (;;) {
                r = flock_retry(l->fd, operation);
                if (r < 0)
                        return r;
                r = is_current(l);
                if (r > 0)
                        break;
                object_log_unlock(l);
                if (r == 0)
                        r = reopen(l);
                if (r < 0)
                        return r;
        }
        r = object_log_load(l);
        if (r >= 0 && operation == LOCK_EX) {
                if (fstat(l->fd, &st) < 0 ||
                    ((uint64_t) st.st_size > l->end && ftruncate(l->fd, (off_t) l->end) < 0))
                        r = -errno;
        }
        if (r < 0)
                object_log_unlock(l);
        return r;
}

void object_log_unlock(ObjectLog *l) {
        (void) flock_retry(l->fd, LOCK_UN);
}

int object_log_refresh(ObjectLog *l) {
        uint64_t generation = l->generation;
        struct stat st;
        int r;

        if (l->marks)
                return 0;
        if (fstat(l->fd, &st) < 0)
                return -errno;
        r = is_current(l);
        /* Who has a store that was removed can still read it. */
        if (r == -ESTALE || (r > 0 && (uint64_t) st.st_size == l->end))
                return 0;
        if (r < 0)
                return r;
        r = object_log_lock(l, LOCK_SH);
        if (r < 0)
                return r;
        object_log_unlock(l);
        return generation != l->generation;
}

int object_log_hold(ObjectLog *l) {
        int r;

        if (l->held)
                return 0;
        r = flock_retry(l->directory_fd, LOCK_SH);
        if (r < 0)
                return r;
        l->held = true;
        /* What is known may be of before a compaction. */
        return object_log_refresh(l);
}

void object_log_release(ObjectLog *l) {
        if (l->held)
                (void) flock_retry(l->directory_fd, LOCK_UN);
        l->held = false;
}

/* --- opening --- */

static int open_directory(const char *directory, int *ret) {
        _cleanup_close_ int fd = -EBADF, parent = -EBADF;
        bool made = false;
        struct stat st;
        int r;

        fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                r = mkdir_parents(directory, 0700);
                if (r < 0)
                        return r;
                made = true;
                fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        if (made) {
                parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (parent < 0 || fsync(parent) < 0)
                        return -errno;
        }
        *ret = TAKE_FD(fd);
        return 0;
}

/* Another process may do the same at the same time. */
static int make_log(int directory_fd) {
        _cleanup_close_ int fd =
                        openat(directory_fd, LOG_FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        uint64_t compacted_size;
        int r;

        if (fd < 0)
                return -errno;
        r = flock_retry(fd, LOCK_EX);
        if (r < 0)
                return r;
        r = read_header(fd, &compacted_size);
        if (r != -ENODATA)
                return r;
        if (ftruncate(fd, 0) < 0)
                return -errno;
        r = object_log_write_header(fd, LOG_HEADER_SIZE);
        if (r < 0)
                return r;
        return fsync(fd) < 0 || fsync(directory_fd) < 0 ? -errno : 0;
}

int object_log_open(ObjectLog **ret, const char *directory) {
        _cleanup_(object_log_freep) ObjectLog *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        l->directory_fd = l->fd = -EBADF;
        r = open_directory(directory, &l->directory_fd);
        if (r < 0)
                return r;
        r = make_log(l->directory_fd);
        if (r >= 0)
                r = reopen(l);
        if (r >= 0)
                r = object_log_lock(l, LOCK_SH);
        if (r < 0)
                return r;
        object_log_unlock(l);
        *ret = TAKE_PTR(l);
        return 0;
}

ObjectLog *object_log_free(ObjectLog *l) {
        if (!l)
                return NULL;
        (void) safe_close(l->fd);
        (void) safe_close(l->directory_fd);
        log_index_done(&l->index);
        log_index_done(&l->pending_index);
        log_references_done(&l->references);
        log_references_done(&l->published);
        log_references_done(&l->pending_references);
        record_codec_done(&l->codec);
        free(l->pending.data);
        free(l->marks);
        free(l);
        return NULL;
}

/* --- adding --- */

/* Puts what is pending into the index of the file, where it was written to. There is room. */
static void take_pending(ObjectLog *l) {
        LogPlace place;
        Record record;

        for (size_t at = 0; at < l->pending.size; at += RECORD_HEADER_SIZE + record.payload_size) {
                if (record_parse(l->pending.data + at, &record) < 0)
                        break;
                if (record.type == RECORD_REFERENCES)
                        l->references_end = l->end + at + RECORD_HEADER_SIZE + record.payload_size;
                else if (record_is_object(&record) && object_log_find_in_file(l, &record.oid, &place) == -ENOENT)
                        log_index_insert(&l->index, &record.oid, l->end + at);
        }
        l->end += l->pending.size;
        l->pending.size = 0;
        if (l->pending.allocated > 2 * OBJECT_LOG_PENDING_MAX) {
                free(l->pending.data);
                l->pending = (SyncWriter) {};
        }
        log_index_done(&l->pending_index);
}

static int write_locked(ObjectLog *l, bool durable) {
        int r;

        r = log_index_reserve(&l->index, l->pending_index.n);
        if (r >= 0 && durable)
                r = log_references_reserve(&l->references, l->pending_references.n);
        if (r < 0)
                return r;
        r = object_log_write(l->fd, l->pending.data, l->pending.size, l->end);
        if (r >= 0 && durable && fdatasync(l->fd) < 0)
                r = -errno;
        if (r < 0) {
                /* Nobody has seen it: the lock is ours. */
                (void) ftruncate(l->fd, (off_t) l->end);
                return r;
        }
        return 0;
}

/* boot_id: to publish the references; they stay pending. May be NULL. */
static int flush(ObjectLog *l, bool durable, const uint8_t boot_id[BOOT_ID_SIZE]) {
        size_t before = l->pending.size;
        int r;

        r = object_log_lock(l, LOCK_EX);
        if (r < 0)
                return r;
        if ((durable || boot_id) && l->pending_references.n > 0)
                r = log_references_write(&l->pending, &l->pending_references, boot_id);
        if (r >= 0)
                r = write_locked(l, durable);
        if (r >= 0) {
                take_pending(l);
                if (durable)
                        log_references_apply(&l->references, &l->pending_references);
                l->dirty = !durable;
        } else
                l->pending.size = before;
        object_log_unlock(l);
        return r;
}

/* Finds what a new version of the object is to be stored as the difference to. *ret_data is the caller's. */
static int read_base(
                ObjectLog *l, const SyncOid *similar, ObjectType type, uint8_t **ret_data, RecordBase *ret) {

        SyncOid oid = *similar;
        unsigned version, before;
        LogPlace place;
        int r;

        r = object_log_find(l, &oid, &place);
        if (r < 0)
                return r;
        version = place.record.version + 1U;
        if (version > OBJECT_LOG_VERSIONS_MAX || place.record.type != type)
                return -ENOENT;
        while (place.record.version > (version & (version - 1))) {
                _cleanup_free_ uint8_t *payload = NULL;

                r = object_log_read_payload(l, &place, &payload);
                if (r < 0)
                        return r;
                record_delta_base(payload, &oid);
                before = place.record.version;
                r = object_log_find_base(l, payload, &place);
                if (r < 0)
                        return r;
                if (place.record.version >= before)
                        return -EBADMSG;
        }
        r = object_log_read_at(l, &place, OBJECT_LOG_DELTA_DEPTH_MAX, ret_data);
        if (r < 0)
                return r;
        *ret = (RecordBase) {
                .oid = oid,
                .data = *ret_data,
                .size = place.record.content_size,
                .version = version,
        };
        return 0;
}

int object_log_add(
                ObjectLog *l,
                const SyncOid *oid,
                ObjectType type,
                const void *data,
                size_t size,
                const SyncOid *similar) {

        _cleanup_free_ uint8_t *base_data = NULL;
        RecordBase base = {};
        size_t at;
        int r;

        if (size > OBJECT_LOG_OBJECT_MAX)
                return -E2BIG;
        r = object_log_hold(l);
        if (r < 0)
                return r;
        if (object_log_has(l, oid))
                return 0;
        if (l->pending.size > 0 && l->pending.size + size > OBJECT_LOG_PENDING_MAX) {
                r = flush(l, false, NULL);
                if (r < 0)
                        return r;
        }
        /* Without it, whatever the reason, the object is just larger. */
        if (similar)
                (void) read_base(l, similar, type, &base_data, &base);
        r = log_index_reserve(&l->pending_index, 1);
        if (r < 0)
                return r;
        at = l->pending.size;
        r = record_append_object(&l->codec, &l->pending, oid, type, data, size, base.data ? &base : NULL);
        if (r < 0)
                return r;
        log_index_insert(&l->pending_index, oid, at);
        l->unreferenced = true;
        return 0;
}

int object_log_publish(ObjectLog *l) {
        uint8_t boot_id[BOOT_ID_SIZE];

        if (l->pending.size == 0 && l->pending_references.n == 0)
                return 0;
        return flush(l, false, log_boot_id(boot_id) < 0 ? NULL : boot_id);
}

bool object_log_adopt(ObjectLog *l) {
        if (l->published.n == 0)
                return false;
        log_references_done(&l->pending_references);
        l->pending_references = l->published;
        l->published = (LogReferences) {};
        return true;
}

int object_log_sync(ObjectLog *l) {
        bool references = l->pending_references.n > 0;
        int r = 0;

        if (l->pending.size > 0 || references || l->dirty)
                r = flush(l, true, NULL);
        if (r < 0)
                return r;
        /* What no reference names yet is to stay until one does. */
        l->unreferenced = l->unreferenced && !references;
        if (!l->unreferenced)
                object_log_release(l);
        return 0;
}

uint64_t object_log_size(const ObjectLog *l) {
        return l->end;
}

uint64_t object_log_compacted_size(const ObjectLog *l) {
        return l->compacted_size;
}
