/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real volume in a temporary directory for the tests of scan, apply and watch: "folder" with its
 * staging directory beside it. */
#pragma once

#include <sys/stat.h>

#include "syncd/sync-apply.h"
#include "syncd/sync-scan.h"

#define FOLDER_UUID "0b5a2a4e-6f0c-4a57-9a52-7c1b3ad1f6a5"

typedef struct Folder {
        char *volume; /* path */
        int volume_fd, root_fd, staging_fd;
} Folder;

/* For cmocka's setup and teardown: *state is a Folder. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* All paths are relative to dir_fd; each fails the test on an error. */
void folder_write(int dir_fd, const char *path, const char *content);
void folder_append(int dir_fd, const char *path, const char *content);
void folder_mkdir(int dir_fd, const char *path);
/* Moves the file's mtime to the past and waits for its ctime to be old enough not to be racy. */
void folder_age(int dir_fd, const char *path);
char *folder_read(int dir_fd, const char *path);
bool folder_has(int dir_fd, const char *path);
/* Number of entries in a directory, "." and ".." apart. */
size_t folder_count(int dir_fd, const char *path);

/* Names content by a hash of its own; a test needs no git. */
extern const SyncHasher folder_hasher;
SyncOid folder_oid(const char *content);

/* What a scan of the folder needs, for tests that change something of it. */
SyncScan folder_scan_of(const Folder *f);
/* A full scan that must succeed, also of an empty folder. The caller frees the tree. */
SyncTree *folder_scan(const Folder *f, const SyncTree *index);
/* What a scan of the paths makes of the index; it must succeed. */
SyncTree *folder_scan_dirty(
                const SyncScan *scan, const SyncTree *index, const char *const *paths, SyncScanReport *report);
/* The paths of a tree: "a b b/c". The caller frees it. */
char *folder_listing(const SyncTree *t);
/* Fails the test unless these are the paths of the tree. */
void folder_assert_listing(const SyncTree *t, const char *expected);
