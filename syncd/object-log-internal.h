/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of object-log.h: the records of the file, and the index in memory.
 *
 *      file    = "ISPSLOG1" compacted-size:u64 record*
 *      record  = crc32:u32 payload-size:u32 content-size:u32 type:u8 encoding:u8 version:u8 zero:u8 oid:20
 * payload
 *
 * Numbers are little-endian. The checksum is of all of the record behind it. */
#pragma once

#include <sys/types.h>
#include <zlib.h>

#include "syncd/object-log.h"
#include "syncd/sync-stream.h"

#define LOG_FILE_NAME "log"
#define LOG_FILE_NAME_NEW "log.new"
#define LOG_HEADER_SIZE 16U
#define RECORD_HEADER_SIZE 36U

/* Of records only: name and id, NUL between them, for each reference that changes. All change or none. */
#define RECORD_REFERENCES 16U
/* The id of this run of the machine, then as above: references that may not be on the disk yet, nor what they vouch
 * for. They hold until the machine is started again. */
#define RECORD_PUBLISHED 17U
#define BOOT_ID_SIZE 16U

typedef enum RecordEncoding {
        ENCODING_STORED,
        ENCODING_DEFLATED, /* RFC 1951 */
        ENCODING_TREE, /* text-size:u32, size of it deflated:u32, the deflated text, the ids of the entries
                        */
        /* oid:20, size of the literals:u32, size of the steps:u32, the steps (object-log-delta.c), the
         * literals as ENCODING_STORED */
        ENCODING_DELTA,
        ENCODING_DELTA_DEFLATED, /* ... as ENCODING_DEFLATED */
        _ENCODING_MAX,
} RecordEncoding;

#define DELTA_HEADER_SIZE (SYNC_OID_SIZE + 8U)

typedef struct Record {
        uint32_t crc;
        uint32_t payload_size;
        uint32_t content_size;
        uint8_t type; /* ObjectType, RECORD_REFERENCES or RECORD_PUBLISHED */
        uint8_t encoding;
        uint8_t version; /* 0: whole; else a number above that of what it is the difference to */
        SyncOid oid;
} Record;

/* 0, -EBADMSG: nothing that a record can begin with. */
int record_parse(const uint8_t data[static RECORD_HEADER_SIZE], Record *ret);
/* True if the record that data holds has the payload it had when it was made. */
bool record_is_intact(
                const Record *r, const uint8_t data[static RECORD_HEADER_SIZE], const uint8_t *payload);
static inline bool record_is_delta(const Record *r) {
        return r->encoding == ENCODING_DELTA || r->encoding == ENCODING_DELTA_DEFLATED;
}

static inline bool record_is_object(const Record *r) {
        return r->type != RECORD_REFERENCES && r->type != RECORD_PUBLISHED;
}

/* The streams of zlib are costly to make. */
typedef struct RecordCodec {
        z_stream deflate, inflate;
        bool deflate_ready, inflate_ready;
} RecordCodec;

void record_codec_done(RecordCodec *c);
/* Appends the record of an object; base (may be NULL) is another object and its data. 0 or -ENOMEM, then to
 * is as before. */
typedef struct RecordBase {
        SyncOid oid;
        const uint8_t *data;
        size_t size;
        unsigned version; /* of the new record */
} RecordBase;
int record_append_object(
                RecordCodec *c,
                SyncWriter *to,
                const SyncOid *oid,
                ObjectType type,
                const uint8_t *data,
                size_t size,
                const RecordBase *base);
/* Appends a record with the payload as it is. 0 or -ENOMEM. */
int record_append(SyncWriter *to, const Record *r, const void *payload);

/* Appends the steps and the literals that make the data of the base. What is left of the literals at the end
 * follows the last step. 0 or -ENOMEM. */
int delta_encode(
                const RecordBase *base,
                const uint8_t *data,
                size_t size,
                SyncWriter *ops,
                SyncWriter *literals);
/* Fills size bytes. 0 or -EBADMSG. */
int delta_decode(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *ops,
                size_t ops_size,
                const uint8_t *literals,
                size_t literals_size,
                uint8_t *to,
                size_t size);

/* The object whose difference the record is. */
void record_delta_base(const uint8_t *payload, SyncOid *ret);
/* Makes the content. base is the data of the object it is the difference to, if it is one. *ret is the
 * caller's, with a NUL behind it. 0, -EBADMSG, -ENOMEM. */
int record_decode(
                RecordCodec *c,
                const Record *r,
                const uint8_t *payload,
                const uint8_t *base,
                size_t base_size,
                uint8_t **ret);

/* --- the index: where the record of an object may be. A slot has the first bytes of the id and the offset;
 * whether it is the object is to be seen in the record. It takes 11 to 21 bytes an object. */

typedef struct LogIndex {
        uint64_t *slots;
        size_t n_slots; /* a power of 2, or 0 */
        size_t n;
} LogIndex;

void log_index_done(LogIndex *x);
/* Room for n more. 0, -ENOMEM or -E2BIG. */
int log_index_reserve(LogIndex *x, size_t n);
/* There is room. The object is not there yet. */
void log_index_insert(LogIndex *x, const SyncOid *oid, uint64_t offset);
/* The next slot that may be the object's, beginning with *cursor = 0. */
bool log_index_next(
                const LogIndex *x,
                const SyncOid *oid,
                size_t *cursor,
                size_t *ret_slot,
                uint64_t *ret_offset);

/* --- the log --- */

typedef struct LogReference {
        char *name;
        SyncOid oid;
} LogReference;

typedef struct LogReferences {
        LogReference *items;
        size_t n;
} LogReferences;

void log_references_done(LogReferences *l);
/* Room for n more. 0 or -ENOMEM. */
int log_references_reserve(LogReferences *l, size_t n);
/* Makes the changes, for which there is room, and empties them. A zero id removes. */
void log_references_apply(LogReferences *l, LogReferences *changes);
/* Appends the record of the references; that of published ones if boot_id is not NULL. 0 or -ENOMEM. */
int log_references_write(
                SyncWriter *to, const LogReferences *references, const uint8_t boot_id[BOOT_ID_SIZE]);
/* 0, or a negative errno where the kernel does not tell. */
int log_boot_id(uint8_t ret[static BOOT_ID_SIZE]);

struct ObjectLog {
        int directory_fd; /* locked: shared from the first question or addition to the sync; exclusive to
                             compact */
        int fd;
        bool held;
        bool unreferenced;       /* we added objects since we last changed a reference */
        uint64_t end;            /* of what is in the index */
        uint64_t generation;     /* grows with everything that is read of the file */
        uint64_t references_end; /* of the last record of references */
        uint64_t compacted_size;
        LogIndex index;
        LogReferences references;
        LogReferences published; /* of these, those that are not durable, as they were read */

        SyncWriter pending;
        LogIndex pending_index; /* offsets in pending */
        LogReferences pending_references;
        bool dirty; /* something of ours is in the file and not synced */

        RecordCodec codec;

        uint8_t *marks; /* a bit for each slot of the index, while it is being compacted */
        uint64_t marked_size;
};

/* Where a record is: in the file or in what is pending. */
typedef struct LogPlace {
        bool pending;
        uint64_t offset;
        size_t slot; /* in the index of the file */
        Record record;
} LogPlace;

/* Looks the object up in what this process knows, or in what it knows of the file. 0, -ENOENT or another
 * negative errno. */
int object_log_find(ObjectLog *l, const SyncOid *oid, LogPlace *ret);
int object_log_find_in_file(ObjectLog *l, const SyncOid *oid, LogPlace *ret);
/* Reads the payload and checks it. *ret is the caller's. 0, -EBADMSG or another negative errno. */
int object_log_read_payload(ObjectLog *l, const LogPlace *place, uint8_t **ret);
/* Where the object is that the record with this payload is the difference to. 0, -EBADMSG or another
 * negative errno. */
int object_log_find_base(ObjectLog *l, const uint8_t *payload, LogPlace *ret);
/* The content, made of at most depth differences. *ret is the caller's. The same errors. */
int object_log_read_at(ObjectLog *l, const LogPlace *place, unsigned depth, uint8_t **ret);

/* Locks (LOCK_SH or LOCK_EX) the file that has the name now, and reads what is new in it. With LOCK_EX it
 * also cuts what is no whole record. 0 or a negative errno. */
int object_log_lock(ObjectLog *l, int operation);
void object_log_unlock(ObjectLog *l);
/* Reads what is new in the file. It is locked. 0 or a negative errno. */
int object_log_load(ObjectLog *l);
/* The same of the file that has the name now, if there is anything new: 1, else 0, or a negative errno. */
int object_log_refresh(ObjectLog *l);
/* Keeps others from compacting. 0 or a negative errno. */
int object_log_hold(ObjectLog *l);
void object_log_release(ObjectLog *l);

/* pread(2) of all that there is, up to size. Returns how much, or a negative errno. */
ssize_t object_log_pread(int fd, void *buf, size_t size, uint64_t offset);
/* pwrite(2) of all. 0 or a negative errno. */
int object_log_write(int fd, const void *data, size_t size, uint64_t offset);
int object_log_write_header(int fd, uint64_t compacted_size);
