/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal as it was left. */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-journal-internal.h"
#include "syncd/sync-stream.h"

#define RECORD_MAX (4U * (SYNC_PATH_MAX + 1))
/* A record's length and checksum. */
#define FRAME_MAX 14U
/* The file is read in pieces: there may be megabytes of it beside what a plan takes. */
#define READ_SIZE (64U << 10)

SyncIntent *sync_journal_new_intent(SyncJournal *j) {
        if (j->n_intents == j->n_allocated) {
                size_t wanted = MAX(2 * j->n_allocated, (size_t) 64);
                SyncIntent *p = reallocarray(j->intents, wanted, sizeof(*p));

                if (!p)
                        return NULL;
                j->intents = p;
                j->n_allocated = wanted;
        }
        j->intents[j->n_intents] = (SyncIntent) {};
        return j->intents + j->n_intents++;
}

/* Intents are in the order of their numbers. */
static SyncIntent *find_intent(SyncJournal *j, uint64_t number) {
        for (size_t low = 0, high = j->n_intents; low < high;) {
                size_t middle = low + (high - low) / 2;

                if (j->intents[middle].number == number)
                        return j->intents + middle;
                if (j->intents[middle].number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

static void read_entry(SyncReader *r, SyncEntry *e) {
        uint64_t kind = sync_read_number(r), flags;
        const void *oid;

        *e = (SyncEntry) { .kind = kind & 0xF };
        if (e->kind == SYNC_ABSENT)
                return;
        flags = sync_read_number(r);
        e->certainty = flags >> 1 & 7;
        e->executable = flags & 1;
        oid = sync_read_bytes(r, SYNC_OID_SIZE);
        if (oid)
                memcpy(e->oid.bytes, oid, SYNC_OID_SIZE);
        e->size = sync_read_number(r);
        e->mtime_ns = sync_read_signed(r);
        e->ctime_ns = sync_read_signed(r);
        e->inode = sync_read_number(r);
        if (kind >= _SYNC_KIND_MAX)
                r->failed = true;
}

static int read_intent(SyncJournal *j, SyncReader *r, bool move) {
        char path[SYNC_PATH_MAX + 1], other[SYNC_PATH_MAX + 1], *copy;
        SyncIntent *i = sync_journal_new_intent(j);

        if (!i)
                return -ENOMEM;
        i->number = sync_read_number(r);
        i->kind = sync_read_number(r) & 0xFF;
        i->kept = sync_read_number(r) == 1;
        sync_read_string(r, path, sizeof(path));
        sync_read_string(r, other, sizeof(other));
        read_entry(r, &i->local);
        read_entry(r, &i->wanted);
        if (r->failed || i->kind >= _SYNC_OPERATION_KIND_MAX || i->number < j->next_number ||
            !sync_path_is_valid(path) || ((other[0] || move) && !sync_path_is_valid(other))) {
                j->n_intents--;
                return -EBADMSG;
        }
        i->path = strdup(path);
        copy = other[0] ? strdup(other) : NULL;
        if (move)
                i->moved_from = copy;
        else
                i->renamed_to = copy;
        j->next_number = i->number + 1;
        return i->path && (copy || !other[0]) ? 0 : -ENOMEM;
}

static int read_outcome(SyncJournal *j, SyncReader *r) {
        SyncIntent *i = find_intent(j, sync_read_number(r));
        bool succeeded = sync_read_number(r) == 1;
        int64_t when = sync_read_signed(r);
        SyncEntry displaced;

        read_entry(r, &displaced);
        if (r->failed || !i)
                return -EBADMSG;
        i->finished = true;
        i->succeeded = succeeded;
        i->displaced = displaced;
        i->displaced_ns = when;
        return 0;
}

static int read_record(SyncJournal *j, SyncReader *r) {
        switch (sync_read_number(r)) {
        case RECORD_INTENT:
                return read_intent(j, r, false);
        case RECORD_MOVE:
                return read_intent(j, r, true);
        case RECORD_OUTCOME:
                return read_outcome(j, r);
        case RECORD_BASE_RECORDED:
                for (size_t i = 0; i < j->n_intents; i++)
                        j->intents[i].recorded = true;
                return 0;
        default:
                return -EBADMSG;
        }
}

/* The file, of which a piece is in memory. */
typedef struct JournalReader {
        int fd;
        uint8_t *buffer; /* READ_SIZE */
        SyncReader piece;
        bool ended;
} JournalReader;

/* The next record is in the piece as a whole, unless the file ends before. */
static int fill(JournalReader *r) {
        size_t left = r->piece.size - r->piece.at;
        ssize_t n;

        if (r->ended || left >= RECORD_MAX + FRAME_MAX)
                return 0;
        memmove(r->buffer, r->buffer + r->piece.at, left);
        n = loop_read(r->fd, r->buffer + left, READ_SIZE - left);
        if (n < 0)
                return (int) n;
        r->ended = (size_t) n < READ_SIZE - left;
        r->piece = (SyncReader) { .data = r->buffer, .size = left + (size_t) n };
        return 0;
}

/* 1, 0 at the end or at a damaged record, or a negative errno. */
static int read_framed(SyncJournal *j, SyncReader *r) {
        uint64_t length = sync_read_number(r);
        const uint8_t *record = length <= RECORD_MAX ? sync_read_bytes(r, length) : NULL,
                      *crc = record ? sync_read_bytes(r, 4) : NULL;
        SyncReader one = { .data = record, .size = length };
        uint32_t wanted = 0;
        int k;

        for (unsigned i = 0; crc && i < 4; i++)
                wanted |= (uint32_t) crc[i] << (8 * i);
        if (!crc || sync_crc32(record, length) != wanted)
                return 0;
        k = read_record(j, &one);
        return k == -EBADMSG ? 0 : k < 0 ? k : 1;
}

int sync_journal_read_records(SyncJournal *j, int fd, off_t *ret_size) {
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        JournalReader r = { .fd = fd, .buffer = buffer };
        off_t size = 0;
        int k;

        if (!buffer)
                return -ENOMEM;
        k = fill(&r);
        if (k < 0)
                return k;
        if (r.piece.size >= strlen(JOURNAL_MAGIC) && memcmp(buffer, JOURNAL_MAGIC, strlen(JOURNAL_MAGIC)) == 0)
                size = (off_t) (r.piece.at = strlen(JOURNAL_MAGIC));
        while (size > 0 && (k = fill(&r)) >= 0 && r.piece.at < r.piece.size) {
                size_t at = r.piece.at;

                k = read_framed(j, &r.piece);
                if (k <= 0)
                        break;
                size += (off_t) (r.piece.at - at);
        }
        *ret_size = size;
        return MIN(k, 0);
}
