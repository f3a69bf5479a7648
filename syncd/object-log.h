/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects and references of one synchronized folder in one append-only file, shared by several processes.
 * Blocks.
 *
 * The file is <directory>/log. Every record has a checksum; what a crash left behind the last whole record
 * is cut by the next process that appends. Appending takes an exclusive lock on the file, reading the end of
 * it a shared one. What a process added is in its memory until object_log_sync(); more than
 * OBJECT_LOG_PENDING_MAX bytes of it go to the file earlier, without references.
 *
 * Trees are stored as their text, deflated, and their ids, which do not compress; an object that resembles
 * one that is there, as the difference. */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* In bytes. Larger objects are refused; GIT_STORE_OBJECT_MAX says why. */
#define OBJECT_LOG_OBJECT_MAX (64U << 20)
#define OBJECT_LOG_PENDING_MAX (1U << 20)
/* So many versions of an object are differences, to one of those before it; then one is whole. Version n
 * differs from the one whose number is n without its lowest bit, so that a reader needs at most eight others
 * (the "skip-deltas" of Subversion); some more if processes added the same object at the same time, as
 * different versions. */
#define OBJECT_LOG_VERSIONS_MAX 255U
#define OBJECT_LOG_DELTA_DEPTH_MAX 32U
/* The folder has four references; the name of one is a path below "refs/". */
#define OBJECT_LOG_REFERENCES_MAX 64U
#define OBJECT_LOG_NAME_MAX 255U

/* As in git. */
typedef enum ObjectType {
        OBJECT_COMMIT = 1,
        OBJECT_TREE = 2,
        OBJECT_BLOB = 3,
} ObjectType;

typedef struct ObjectLog ObjectLog;

/* Opens the log, and makes the directory and an empty log if they are not there. 0, -EPERM if it belongs to
 * another user, -EBADMSG if the file is no log of this version, or another negative errno. */
int object_log_open(ObjectLog **ret, const char *directory);
/* What is pending is lost. */
ObjectLog *object_log_free(ObjectLog *l);
DEFINE_TRIVIAL_CLEANUP_FUNC(ObjectLog *, object_log_free);

/* Reads an object. *ret_data is the caller's, with a NUL behind it. 0, -ENOENT, -EBADMSG (damaged), -ENOMEM,
 * or an errno of read(2). */
int object_log_read(
                ObjectLog *l, const SyncOid *oid, ObjectType *ret_type, void **ret_data, size_t *ret_size);
/* Type and size of an object, if this process has it in its index: what others added since it last looked is
 * not searched for. 0, -ENOENT or another error as above. */
int object_log_stat(ObjectLog *l, const SyncOid *oid, ObjectType *ret_type, size_t *ret_size);

/* True if the object is there. From then on no other process can compact the log, until an object_log_sync()
 * after which nothing that this one added waits for a reference: one that changes a reference, or one with
 * nothing added since. */
bool object_log_has(ObjectLog *l, const SyncOid *oid);

/* Adds an object under its name, unless it is there. similar (may be NULL) names an object that it may be
 * stored as the difference to. Until an object_log_sync() as above no other process can compact the
 * log. 0, -E2BIG, -ENOMEM, -ESTALE (the directory was removed), or an errno of write(2): then it was not
 * added. */
int object_log_add(
                ObjectLog *l,
                const SyncOid *oid,
                ObjectType type,
                const void *data,
                size_t size,
                const SyncOid *similar);

/* 0 or -ENOENT; or, when the end of the file has to be read, a negative errno. */
int object_log_get_reference(ObjectLog *l, const char *name, SyncOid *ret);
/* The zero id removes it. 0, -EINVAL (the name is empty or too long), -E2BIG or -ENOMEM. */
int object_log_set_reference(ObjectLog *l, const char *name, const SyncOid *oid);

/* Hands what is pending to the kernel, so that other processes see it. The references stay pending, too: those that
 * are published hold if this process ends, but not beyond the run of the machine. 0 or a negative errno, then all is
 * pending still. */
int object_log_publish(ObjectLog *l);
/* Makes pending, in the place of what is, the references that a process published and did not live to make durable.
 * False if there are none. Only right behind object_log_open(), by the process that takes the other's place. */
bool object_log_adopt(ObjectLog *l);

/* Writes what is pending, all references as one record, and waits until it is on the disk. 0 or a negative
 * errno; then the file is as it was, and all stays pending. */
int object_log_sync(ObjectLog *l);

/* Bytes of the file, and how many it had when it was last compacted. */
uint64_t object_log_size(const ObjectLog *l) _pure_;
uint64_t object_log_compacted_size(const ObjectLog *l) _pure_;

/* Begins to compact: locks the log, until one of the two functions below ends it. Only the objects marked
 * between, those added after the last change of a reference, and all references stay. 1, 0 if another
 * process may add or has asked for objects, or a negative errno. Nothing may be pending. */
int object_log_compact_begin(ObjectLog *l);
/* 1, 0 if it was marked already, -ENOENT, or another negative errno. */
int object_log_mark(ObjectLog *l, const SyncOid *oid);
/* Bytes that the marked objects take in the file. */
uint64_t object_log_marked_size(const ObjectLog *l) _pure_;
/* Replaces the file, durably. Damaged objects are left out. 0 or a negative errno, then the log is as
 * before. */
int object_log_compact_finish(ObjectLog *l);
void object_log_compact_abort(ObjectLog *l);
