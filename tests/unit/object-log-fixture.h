/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A log in a directory of its own. Every failure fails the test. */
#pragma once

#include <sys/types.h>

#include "syncd/object-log-internal.h"

#define LOG_TREE_ENTRIES 300U

typedef struct LogFixture {
        char *directory;
        char *file;
        ObjectLog *log;
} LogFixture;

ObjectLog *log_open(LogFixture *f);
void log_reopen(LogFixture *f);
int log_setup(void **state);
int log_teardown(void **state);
/* Any 20 bytes name an object: the log does not hash. */
SyncOid log_oid(unsigned n);
/* A tree of LOG_TREE_ENTRIES files, of which one changed with each version. */
size_t log_make_tree(unsigned version, uint8_t *to);
void log_add_text(ObjectLog *l, unsigned n, const char *text);
void log_assert_text(ObjectLog *l, unsigned n, const char *text);
int log_has(ObjectLog *l, unsigned n);
void log_set(ObjectLog *l, const char *name, unsigned n);
/* The number of the object that the reference names, or -1. */
int log_get(ObjectLog *l, const char *name);
off_t log_file_size(const char *file);
char *log_read_file(LogFixture *f, size_t *ret_size);
void log_write_file(LogFixture *f, const char *data, size_t size);
/* One sync, then a second one of two objects and two references. Returns the size after the first. */
size_t log_two_syncs(LogFixture *f);
/* Either all of the second sync or none of its references; and the log takes more. */
void log_assert_consistent(LogFixture *f, bool whole);
void log_mark(ObjectLog *l, unsigned n, int expected);
