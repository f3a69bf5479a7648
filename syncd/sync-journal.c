/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/sync-journal-internal.h"
#include "syncd/sync-stream.h"

#define JOURNAL_NAME SYNC_JOURNAL_NAME
/* Reserved at once, so that deletions can still be journaled when the disk is full. */
#define RESERVED_BYTES (256U << 10)
/* Fewer intents are not worth another file. */
#define COMPACT_MIN 1024U

char *sync_staged_name(uint64_t number, char buf[static SYNC_STAGED_NAME_SIZE]) {
        (void) snprintf(buf, SYNC_STAGED_NAME_SIZE, "s%" PRIu64, number);
        return buf;
}

static void write_entry(SyncWriter *w, const SyncEntry *e) {
        sync_write_number(w, e ? e->kind : SYNC_ABSENT);
        if (!e || e->kind == SYNC_ABSENT)
                return;
        sync_write_number(w, (unsigned) e->certainty << 1 | e->executable);
        sync_write_bytes(w, e->oid.bytes, SYNC_OID_SIZE);
        sync_write_number(w, e->size);
        sync_write_signed(w, e->mtime_ns);
        sync_write_signed(w, e->ctime_ns);
        sync_write_number(w, e->inode);
}

/* What follows a torn record would never be read again: it is all or nothing. */
static int write_whole(SyncJournal *j, const void *data, size_t size) {
        int r = loop_write(j->fd, data, size);

        if (r < 0) {
                /* If not even that is possible, nothing more may follow. */
                if (ftruncate(j->fd, j->size) < 0)
                        j->fd = safe_close(j->fd);
                return r;
        }
        j->size += (off_t) size;
        return 0;
}

static int open_file(SyncJournal *j) {
        struct stat st;

        j->fd = openat(j->staging_fd, JOURNAL_NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (j->fd < 0 || fstat(j->fd, &st) < 0)
                return -errno;
        j->size = st.st_size;
        return 0;
}

static void reserve(const SyncJournal *j) {
        (void) fallocate(j->fd, FALLOC_FL_KEEP_SIZE, 0, RESERVED_BYTES);
}

static int read_journal(SyncJournal *j) {
        _cleanup_close_ int fd = openat(j->staging_fd, JOURNAL_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        off_t valid;
        struct stat st;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > (off_t) SYNC_JOURNAL_MAX)
                return -EFBIG;
        r = sync_journal_read_records(j, fd, &valid);
        if (r < 0)
                return r;
        j->interrupted = valid < st.st_size;
        for (size_t i = 0; i < j->n_intents; i++)
                j->interrupted |= !j->intents[i].finished;

        r = open_file(j);
        if (r < 0)
                return r;
        if (ftruncate(j->fd, valid) < 0)
                return -errno;
        /* Behind ftruncate(), which gives back what is reserved. */
        reserve(j);
        j->size = valid;
        return valid == 0 ? write_whole(j, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC)) : 0;
}

int sync_journal_open(SyncJournal **ret, int staging_fd) {
        _cleanup_sync_journal_free_ SyncJournal *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        j->staging_fd = staging_fd;
        j->fd = -EBADF;
        j->next_number = 1;
        r = read_journal(j);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(j);
        return 0;
}

static void clear_intent(SyncIntent *i) {
        free(i->path);
        free(i->renamed_to);
        free(i->moved_from);
}

static void forget_intents(SyncJournal *j) {
        for (size_t i = 0; i < j->n_intents; i++)
                clear_intent(j->intents + i);
        j->n_intents = 0;
}

SyncJournal *sync_journal_free(SyncJournal *j) {
        if (!j)
                return NULL;
        forget_intents(j);
        free(j->intents);
        safe_close(j->fd);
        free(j);
        return NULL;
}

static int make_file(SyncJournal *j) {
        int r;

        if (j->fd >= 0)
                return 0;
        j->fd = openat(j->staging_fd, JOURNAL_NAME, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (j->fd < 0)
                return -errno;
        reserve(j);
        r = write_whole(j, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC));
        if (r < 0)
                return r;
        return fsync(j->staging_fd) < 0 ? -errno : 0;
}

/* With its length and checksum; frees the record. */
static void frame(SyncWriter *w, SyncWriter *record) {
        _cleanup_free_ _unused_ uint8_t *payload = record->data;
        uint32_t crc = sync_crc32(record->data, record->size);

        sync_write_number(w, record->size);
        sync_write_bytes(w, record->data, record->size);
        for (unsigned i = 0; i < 4; i++, crc >>= 8)
                sync_write_bytes(w, &(uint8_t) { crc & 0xFF }, 1);
        w->failed |= record->failed;
}

static void write_intent(SyncWriter *w, const SyncIntent *i) {
        SyncWriter record = {};

        sync_write_number(&record, i->moved_from ? RECORD_MOVE : RECORD_INTENT);
        sync_write_number(&record, i->number);
        sync_write_number(&record, i->kind);
        sync_write_number(&record, i->kept);
        sync_write_string(&record, i->path);
        sync_write_string(&record, strempty(i->moved_from ?: i->renamed_to));
        write_entry(&record, &i->local);
        write_entry(&record, &i->wanted);
        frame(w, &record);
}

static void write_outcome(
                SyncWriter *w, uint64_t number, bool succeeded, const SyncEntry *displaced, int64_t displaced_ns) {
        SyncWriter record = {};

        sync_write_number(&record, RECORD_OUTCOME);
        sync_write_number(&record, number);
        sync_write_number(&record, succeeded);
        sync_write_signed(&record, displaced_ns);
        write_entry(&record, displaced);
        frame(w, &record);
}

static void write_base_recorded(SyncWriter *w) {
        SyncWriter record = {};

        sync_write_number(&record, RECORD_BASE_RECORDED);
        frame(w, &record);
}

/* Frees the records. */
static int append(SyncJournal *j, SyncWriter *records) {
        _cleanup_free_ uint8_t *data = records->data;
        int r = records->failed ? -ENOMEM : make_file(j);

        return r < 0 ? r : write_whole(j, data, records->size);
}

int sync_journal_intend(
                SyncJournal *j,
                const SyncOperation *o,
                const char *moved_from,
                bool kept,
                uint64_t number,
                uint64_t new_inode,
                size_t *ret) {

        const SyncEntry absent = {};
        SyncIntent *i = sync_journal_new_intent(j);
        SyncWriter w = {};

        if (!i)
                return -ENOMEM;
        i->number = number;
        i->kind = o->kind;
        i->kept = kept;
        i->path = strdup(o->path);
        i->renamed_to = o->renamed_to ? strdup(o->renamed_to) : NULL;
        i->moved_from = moved_from ? strdup(moved_from) : NULL;
        i->local = o->local ? *o->local : absent;
        i->wanted = o->wanted ? *o->wanted : absent;
        i->wanted.inode = new_inode;
        i->local.path = i->wanted.path = NULL;
        j->next_number = number + 1;
        if (!i->path || (o->renamed_to && !i->renamed_to) || (moved_from && !i->moved_from))
                return -ENOMEM;

        write_intent(&w, i);
        *ret = i - j->intents;
        return append(j, &w);
}

int sync_journal_sync(SyncJournal *j) {
        return j->fd >= 0 && fdatasync(j->fd) < 0 ? -errno : 0;
}

int sync_journal_finish(SyncJournal *j, size_t i, bool succeeded, const SyncEntry *displaced, int64_t displaced_ns) {
        SyncIntent *intent = j->intents + i;
        SyncWriter w = {};
        int r;

        write_outcome(&w, intent->number, succeeded, displaced, displaced_ns);
        r = append(j, &w);
        if (r < 0)
                return r;
        intent->finished = true;
        intent->succeeded = succeeded;
        intent->displaced = displaced ? *displaced : (SyncEntry) {};
        intent->displaced_ns = displaced_ns;
        return 0;
}

int sync_journal_record(SyncJournal *j) {
        SyncWriter w = {};
        int r;

        if (j->fd < 0)
                return 0;
        write_base_recorded(&w);
        r = append(j, &w);
        if (r < 0)
                return r;
        for (size_t i = 0; i < j->n_intents; i++)
                j->intents[i].recorded = true;
        return sync_journal_sync(j);
}

static bool is_settled(const SyncIntent *i) {
        return i->finished && i->recorded && i->displaced.kind == SYNC_ABSENT;
}

static size_t count_settled(const SyncJournal *j) {
        size_t n = 0;

        for (size_t i = 0; i < j->n_intents; i++)
                n += is_settled(j->intents + i);
        return n;
}

/* Writes down the intents that are not settled, as if there had been no others. */
static int write_anew(SyncJournal *j) {
        _cleanup_free_ uint8_t *data = NULL;
        SyncWriter w = {};

        sync_write_bytes(&w, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC));
        for (size_t i = 0; i < j->n_intents; i++) {
                const SyncIntent *intent = j->intents + i;

                if (is_settled(intent))
                        continue;
                write_intent(&w, intent);
                write_outcome(
                                &w,
                                intent->number,
                                intent->succeeded,
                                &intent->displaced,
                                intent->displaced_ns);
        }
        write_base_recorded(&w);
        data = w.data;
        if (w.failed)
                return -ENOMEM;
        /* What is told of no more is gone for good. */
        if (fsync(j->staging_fd) < 0)
                return -errno;
        return write_file_atomic(j->staging_fd, JOURNAL_NAME, data, w.size, 0600);
}

int sync_journal_compact(SyncJournal *j) {
        size_t n = 0;
        int r;

        assert(!j->interrupted);
        if (count_settled(j) < MAX((size_t) COMPACT_MIN, j->n_intents / 2))
                return 0;
        r = write_anew(j);
        /* Then it stays as it is. */
        if (r == -ENOSPC || r == -EDQUOT)
                return 0;
        if (r < 0)
                return r;
        for (size_t i = 0; i < j->n_intents; i++)
                if (is_settled(j->intents + i))
                        clear_intent(j->intents + i);
                else
                        j->intents[n++] = j->intents[i];
        j->n_intents = n;
        safe_close(j->fd);
        r = open_file(j);
        if (r >= 0)
                reserve(j);
        return r;
}

int sync_journal_remove(SyncJournal *j) {
        forget_intents(j);
        if (j->fd < 0)
                return 0;
        j->fd = safe_close(j->fd);
        return unlinkat(j->staging_fd, JOURNAL_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}
