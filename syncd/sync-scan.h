/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the folder: reading it without following a link, leaving it, or taking an error for a
 * deletion. */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* Time stamps younger than this may still hide another change: the coarsest clock of a supported file
 * system and kernel (one jiffy at HZ=100 is 10 ms; ext4, XFS and btrfs store nanoseconds), doubled. */
#define SYNC_RACY_NS (20 * INT64_C(1000000))
/* A file that changes in each of so many readings is busy and left for later. */
#define SYNC_READ_TRIES 3U
/* A file that somebody has open for writing is busy until nothing was written for so long. */
#define SYNC_QUIET_NS (10 * INT64_C(1000000000))
/* Only files of more bytes may be read in parts (SyncHasher), and are not read while they are racy. */
#define SYNC_LARGE_BYTES (UINT64_C(1) << 20)
/* An index of at least so many entries does not become empty in an ordinary way: that is a missing disk,
 * or needs confirmation. */
#define SYNC_EMPTIED_MIN 4U

typedef enum SyncScanResult {
        SYNC_SCAN_OK,
        SYNC_SCAN_ROOT_MISSING, /* another file system, or not the expected marker: halt */
        SYNC_SCAN_ROOT_EMPTIED, /* the folder held something and holds nothing now: halt until confirmed */
} SyncScanResult;

/* Neither file, directory nor symlink: it is not looked into, and never travels. */
#define SYNC_PROBLEM_KIND 1
/* True for the problem_error of what can never travel, as it is now: by its kind, or where it lies. */
bool sync_problem_is_lasting(int error) _pure_;

typedef struct SyncScan {
        int root_fd;                    /* the folder, a directory opened for reading */
        int staging_fd;                 /* where the marker is (sync-apply.h), -1: not checked */
        const char *file_system_uuid;   /* content of the marker, when staging_fd is given */
        bool accept_empty;              /* the operator confirmed that the folder is empty */
        bool take_open_files;           /* read files that are being written, too: busy for too long already */
        SyncHasher hasher;              /* called with store = true */
        /* Asked before a file is read: true puts off all of them, as unknown, so that the scan comes to its end soon,
         * but for those in urgent (sorted; NULL: none) and what is beneath. May be NULL. */
        bool (*interrupted)(void *userdata);
        const SyncTree *urgent;
        /* Called now and then with the changes to the index so far, sorted if everything is scanned; non-zero cancels
         * (-ECANCELED). Made to the index (sync_tree_patch(); none is an empty one) they spare the next scan, should
         * this one not come to its end, to read the same again. May be NULL. */
        int (*progress)(const SyncTree *so_far, void *userdata);
        void *userdata;
} SyncScan;

typedef struct SyncScanReport {
        size_t n_entries, n_hashed, n_racy, n_busy, n_unknown, n_special, n_ignored;
        size_t n_believed; /* of the racy ones: files that only seem to have another name, and were not read yet */
        size_t n_put_off; /* of the unknown ones: only for want of time, to be scanned again at once */
        uint64_t bytes_hashed;
        /* The first entry that could not be taken, for LastError: the path and its errno. NULL, 0 if
         * there is none. */
        char *problem_path;
        int problem_error;              /* a negative errno, or SYNC_PROBLEM_KIND */
        char *busy_path;                /* the first entry that is changing, or NULL */
        char **linked;                  /* paths that were looked at besides those that were asked for: other names of
                                           files, and directories above that were not known yet; or NULL */
} SyncScanReport;

/* Frees the content, and leaves it zeroed. */
void sync_scan_report_clear(SyncScanReport *r);

/* Reads the whole folder. index is the last result (NULL for none): what has the same identity there is
 * not read again. The root is checked before and after. A path that is too deep or too long is not in the
 * tree; the problem is its directory, with ENAMETOOLONG. Returns a SyncScanResult, and *ret (sorted, the
 * caller's) only with SYNC_SCAN_OK; or -ENOMEM, -E2BIG (SYNC_ENTRIES_MAX), -ECANCELED, an error of the
 * hasher for lack of space (-ENOSPC, -EDQUOT), or -EIO and the like if the folder itself cannot be
 * listed. report is filled in any case. */
int sync_scan_full(const SyncScan *scan, const SyncTree *index, SyncTree **ret, SyncScanReport *report);

/* The same, but only for the given paths, what is beneath them, and the other names of files that have changed; "" is
 * everything. *ret is index with what was found. Paths may be absent, equal, nested, in any order. */
int sync_scan_dirty(const SyncScan *scan, const SyncTree *index, char *const *paths, SyncTree **ret,
                    SyncScanReport *report);

/* The tree in a file, versioned, machine-independent and with a checksum; about 50 bytes an entry.
 * Also good for the base's held entries. Written atomically and durably. 0 or a negative errno. */
int sync_index_save(int dir_fd, const char *name, const SyncTree *t);
/* The tree stays in the file, which is mapped and may be replaced, not written to; what is asked for is in memory
 * until sync_tree_rest(). 0, -ENOENT, -EBADMSG (damaged or of an unknown version: go on without one), -EIO (the disk
 * does not give it back), -ENOMEM or another negative errno. If the disk does not give something back later, that is a
 * SIGBUS, and one of these errors for the process that comes next. */
int sync_index_load(int dir_fd, const char *name, SyncTree **ret);
