/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the pieces of a folder. Not for others. */
#pragma once

#include "syncd/content-hash.h"
#include "syncd/folder.h"

/* In the tree of differences: base has nothing there. (A commit never has such an entry.) An entry of the index, which
 * has an inode, says the same. */
#define FOLDER_NOT_IN_BASE SYNC_SPECIAL

/* The longest value of an extended attribute, in bytes; what is larger is content (docs/repository-format.md). */
#define FOLDER_XATTR_MAX 1024U

/* Content that a plan wants: where it can be had without the network. */
typedef struct FolderSource {
        SyncOid oid;
        const SyncEntry *local; /* an entry of the index with this content, or NULL */
} FolderSource;

/* What is put in place is not main's: where it is from. */
typedef struct FolderOrigin {
        git_oid commit;
        const char *path; /* there; what goes to "to" or beneath it */
        const char *to;
} FolderOrigin;

/* Content that commits which are to be pushed need. */
typedef struct FolderNeed {
        SyncOid oid;
        uint32_t distance; /* from the chain's tip to the last commit that does: it stays when the first ones land */
} FolderNeed;

/* The chain of commits that are to be pushed (folder-chain.h) as it was last read. */
typedef struct FolderKnownChain {
        git_oid base;
        git_oid *commits; /* the oldest first */
        uint64_t *bytes;  /* what each takes to be pushed; UINT64_MAX: not counted yet */
        size_t n;
} FolderKnownChain;

/* Of the runs that do what one plan has put off: folder-round.c. */
typedef struct FolderRound {
        char *created_to, *deleted_to;   /* the next plan's windows begin behind these paths; NULL: at the beginning */
        char *created_end, *deleted_end; /* and those of the plan that is being done end with these */
        bool progress;                   /* there is reason for another round: something was done, or main has moved */
} FolderRound;

/* Of a deletion that the guard has let pass. */
typedef struct FolderGuardKey FolderGuardKey;

struct Folder {
        GitStore *store;
        ContentArea content;
        ContentHash hash;
        int state_fd;
        int root_fd;
        int volume_fd;
        int staging_fd;
        uid_t uid; /* the data user: the owner of the folder */
        gid_t gid;
        char *file_system;

        SyncTree *index;      /* as last scanned, NULL: never */
        bool index_dirty;     /* the file is older */
        char **linked;        /* what scans looked at besides what they were asked for: to be compared */
        git_oid base_commit;
        SyncTree *held;       /* changes to the base commit's tree: base is both together */
        SyncTree *differing;  /* where base and index differ: base's entries, or what says that it has none, for
                                 folder_base_of(); NULL: not compared yet */
        size_t base_files;    /* files and symlinks of base, as far as the guard must know */
        git_oid main_commit;
        SyncTree *main_from;  /* what differs between the base commit and main: the base commit's entries ... */
        SyncTree *main_to;    /* ... and main's; NULL: not compared yet */
        SyncTree *held_main;  /* main's entries at the paths of held; NULL: not looked up yet */

        /* Tests only: called before every step that a crash could follow. */
        void (*step)(void *userdata);
        void *step_userdata;

        bool xattrs_told;     /* that there are some that are too large */
        bool unsynced;        /* the commits of the last run are not durable yet */
        bool lost;            /* base: the folder and main are being united, which deletes nothing */
        bool lost_told;
        bool unfinished;      /* a run was killed in between: its target is recorded */
        SyncTree *recovered;  /* what it had put in place, or NULL */
        int64_t busy_since;   /* seconds since boot that some files are never closed; 0: none is */
        uint64_t *unread;     /* the sizes of files that the last run's scan had no time to read, or NULL; sorted */
        size_t n_unread;
        bool (*waits)(void *userdata); /* folder_set_waits() */
        void *waits_userdata;
        /* FOLDER_..., except in tests. */
        int64_t busy_sec, checkpoint_sec, read_min_msec, slice_msec;
        size_t window;       /* FOLDER_WINDOW, except in tests */
        FolderRound round;
        FolderGuardKey *passed; /* deletions that the guard has let pass and that were put off; sorted */
        size_t n_passed;
        int64_t swept;        /* seconds since boot when folder_sweep_content() did; 0: never */
        int64_t saved;        /* seconds since boot when the index was last written down while files were put off */
        git_oid counted;      /* the commit ... */
        uint64_t count;       /* ... and the length of the history that ends with it */

        FolderSource *sources; /* sorted; while a plan is applied */
        size_t n_sources;
        const FolderOrigin *origin; /* NULL: it is main's */
        bool may_not_move;     /* a rename within the folder was refused: what only moves is copied */
        size_t n_moved;        /* files that got another name since the folder was opened */
        bool distrust;         /* a file did not hold what the index says: content is fetched, not copied */
        SyncTree *waiting;     /* the local side of collisions that wait for main's: in no commit yet; or NULL */
        SyncOid *on_main;      /* sorted; content that main has, of what is being applied */
        size_t n_on_main;
        bool kept_released;    /* looked for, once: folder_release_kept() */
        FolderKnownChain chain;
        FolderNeed *needs;     /* sorted by oid; of so many commits, the last of which is the tip */
        size_t n_needs;
        size_t needs_commits;  /* 0: nothing is known */
        git_oid needs_tip;
};

/* --- folder.c --- */

/* Where a test may cut the run (Folder.step). */
void folder_step(Folder *f);
/* Gives back memory that is free, and packs base and main, and the index if folder_packs_index() or as far as it is in
 * its file: no pointers into them are kept. */
void folder_trim(Folder *f);
/* True while so much of main is still to be put in place that the memory for it and the index counts more than the time
 * to pack the index, and to unpack it in the next run. */
bool folder_packs_index(const Folder *f) _pure_;
/* The zero id if there is none. 0 or a negative errno. */
int folder_get_reference(Folder *f, const char *name, git_oid *ret);
/* Nothing is written if it is that already. 0 or a negative errno. */
int folder_set_reference(Folder *f, const char *name, const git_oid *id);
/* What all that apply is asked for has in common; borrows from f and gateway_name. */
void folder_apply_init(Folder *f, const char *gateway_name, SyncApply *ret);
/* The index follows what apply has put in place. 0 or a negative errno. */
int folder_take_placed(Folder *f, const SyncApplyReport *report);
/* The number of the commit in main's history. 0 or a negative errno. */
int folder_revision(Folder *f, const git_oid *commit, SyncRevision *ret);

/* --- folder-scan.c --- */

typedef struct FolderScan {
        bool full;
        char *const *paths;  /* if not full */
        char *const *urgent; /* small files there are read in any case, and the others wait, nearly all; without one a
                                full scan stays in the background */
        bool accept_empty;
        bool in_parts;       /* files may be put off: for want of time, or if somebody waits (folder_set_waits()) */
} FolderScan;

/* The index becomes what is in the folder. As sync_scan_full(). */
int folder_scan(Folder *f, const FolderScan *q, SyncScanReport *report);
int64_t folder_seconds_since_boot(void);
/* Of Folder.unread, for bsearch(3). */
int folder_compare_sizes(const void *a, const void *b);

/* --- folder-oids.c: what content there is in a tree --- */

typedef struct FolderOids {
        SyncOid *items; /* sorted */
        size_t n;
} FolderOids;

/* Of the files and symlinks. *ret must be done with. 0 or -ENOMEM. */
int folder_oids_of(const SyncTree *t, FolderOids *ret);
/* After items were appended. */
void folder_oids_sort(FolderOids *set);
bool folder_oids_have(const FolderOids *set, const SyncOid *oid) _pure_;
void folder_oids_done(FolderOids *set);

/* --- folder-base.c: base, main and the index, known by their differences --- */

/* Reads which commit is base, and what is held; loses it if that is damaged. 0 or a negative errno. */
int folder_load_base(Folder *f);
/* Base is not known any more, as the state is lost or damaged: from now on it is empty. */
int folder_lose_base(Folder *f);
/* Records a new base: the commit with the held changes. Takes held on success only; it may be the present one. */
int folder_set_base(Folder *f, const git_oid *commit, SyncTree *held);
/* The entry of a set of changes; NULL if it is SYNC_ABSENT. */
const SyncEntry *folder_null_if_absent(const SyncEntry *change) _pure_;
/* What the commit has at the paths of held, if it is main and that was looked up; else NULL. */
const SyncTree *folder_held_main(const Folder *f, const git_oid *commit);
/* Main has moved, to the commit or the zero id. */
void folder_set_main(Folder *f, const git_oid *commit);
/* Compares base and index at the paths and beneath them, and where scans have looked besides; NULL: everywhere. */
int folder_compare(Folder *f, char *const *paths);
/* Base's entry where the folder has the local one (or NULL); differing is the one at the path in the tree of
 * differences, or NULL. */
const SyncEntry *folder_base_of(const SyncEntry *differing, const SyncEntry *local) _pure_;
/* The entry that a commit, which may be zero, has at a path: *ret is valid as long as buf and path; NULL if there is
 * none. 0 or a negative errno. */
int folder_find_in_commit(
                Folder *f, const git_oid *commit, const char *path, SyncEntry *buf, const SyncEntry **ret);

/* --- folder-round.c: which part of a plan is done in which run --- */

void folder_round_done(FolderRound *r);
/* Where the windows of a plan end; before any of it is done. 0 or -ENOMEM. */
int folder_round_note(Folder *f, const SyncPlan *plan);
/* After what could be done was; progress: something was. The next plan's windows are the next ones, unless content is
 * missing. Sets outcome.rest if there is something to be tried at once. */
void folder_round_go_on(Folder *f, const SyncPlan *plan, bool progress, FolderResult *result);

/* --- folder-held.c --- */

/* Moves base to the commit, of main, that the folder was brought to as far as it could be; placed is what was put in
 * place since the index was made, or NULL. 0 or a negative errno. */
int folder_advance_base(Folder *f, const git_oid *commit, const SyncTree *placed);

/* --- folder-rows.c: what there is to plan from --- */

/* Compares base and main. */
int folder_compare_main(Folder *f);
/* What differs between the base commit and another one, as git_store_diff(): of main it is known after that. */
int folder_diff_from_base(Folder *f, const git_oid *commit, SyncTree **ret_from, SyncTree **ret_to);
/* The same without the directories that both have, and only if fewer than max entries differ. 1, 0 if there are more,
 * or a negative errno. */
int folder_diff_if_few(Folder *f, const git_oid *commit, size_t max, SyncTree **ret_from, SyncTree **ret_to);
/* Main's entry at a path, once base is main's tip; NULL if there is none. Belongs to the folder. */
const SyncEntry *folder_main_entry(const Folder *f, const char *path);

/* The rows of a plan. userdata of rows is the FolderRows. */
typedef struct FolderRows {
        Folder *folder;
        SyncWalk walk;
        const SyncEntry *entries[SYNC_WALK_MAX]; /* of the last row */
        SyncRows rows;
} FolderRows;
void folder_rows_init(FolderRows *rows, Folder *f);

/* --- folder-guard.c: the mass-delete guard --- */

/* 1 if the plan may be done; 0 if it deletes more than the limits of the request allow, and nobody has confirmed just
 * these deletions: *ret_where and *ret_n tell how many files and where; or -ENOMEM. Sets held or confirmed in the
 * result. Deletions on main that wait, folder_deletion_waits(), are taken from those that the plan counts, and those
 * here that a plan before was allowed to do and has put off. */
int folder_guard_check(
                Folder *f,
                const FolderRequest *request,
                SyncPlan *plan,
                FolderResult *result,
                const char **ret_where,
                size_t *ret_n);
/* The id of a folder that is empty and was not: all that base has. Confirmed, it covers the deletion on main, too. */
void folder_guard_name_emptied(Folder *f, char ret[static FOLDER_HELD_SIZE]);

/* --- folder-content.c: content that a plan wants --- */

typedef struct FolderLack {
        uint64_t bytes;       /* to be fetched, at least 1 for each file; 0: nothing is missing */
        const char *no_space; /* the path of a file that there is no space for, or NULL; valid as long as the plan */
        char **malformed;     /* the paths of files whose chunk trees are none */
} FolderLack;

void folder_lack_done(FolderLack *l);

/* Finds out what content of the plan is at hand, copies what is in the folder already, and writes the list
 * (WANTED_MAIN, ...) of what has to be fetched. What cannot be done without is taken out of the plan. *ret must be done
 * with. 0 or a negative errno. */
int folder_prepare_content(Folder *f, SyncPlan *plan, const char *list, FolderLack *ret);
void folder_forget_sources(Folder *f);
/* True if main is known to have the content, of a local entry of the plan that content was prepared for. */
bool folder_is_on_main(const Folder *f, const SyncOid *oid);
/* write_content() of SyncApply. */
int folder_write_content(const SyncOid *oid, uint64_t size, int fd, void *userdata);

/* --- folder-chunks.c: the chunks of large files --- */

/* True for a file that is stored in chunks. */
bool folder_is_chunked(const SyncEntry *e) _pure_;

/* A chunk that is not in its part yet. */
typedef struct FolderChunk {
        SyncOid oid;
        uint32_t file;   /* number of the file in the list */
        uint32_t length;
        uint64_t offset;
        bool found;
} FolderChunk;

typedef struct FolderChunks {
        FolderChunk *items;
        size_t n;
} FolderChunks;

/* Appends the chunks of a file that its part does not hold; new: it holds none. At most max are appended. 1 if all
 * were, 0 if there are more, or a negative errno. */
int folder_list_chunks(
                Folder *f, const SyncOid *oid, uint32_t number, int part_fd, bool new, size_t max, FolderChunks *ret);
/* Copies chunks that files of the folder hold to the parts. wanted are the files of main, by number. Sorts the
 * chunks by oid. 0 or -ENOMEM. */
int folder_copy_chunks(Folder *f, const SyncEntry wanted[], size_t n_wanted, FolderChunks *chunks);
/* The bytes of a file that the other, an older one (or NULL), does not have; all, if that one's chunk trees are none. 0
 * or a negative errno. */
int folder_new_bytes(Folder *f, const SyncEntry *file, const SyncEntry *old, uint64_t *ret);

/* is_content() of SyncApply. Of a large file the chunk trees here are a hint of what to name, so that nothing needs to
 * look for the ends of chunks; a collision attack is what the transfer worker looks for in all that arrives. */
int folder_is_content(const SyncEntry *wanted, int fd, void *userdata);

/* --- folder-leftover.c --- */

/* When main and the folder are equal: removes what was kept aside in the staging directory after a crash, as far as
 * main's tip has it, too. Once for each folder_open(). 0 or -ENOMEM. */
int folder_release_kept(Folder *f);

/* --- folder-restore.c --- */

/* The path in the commit of what goes to a path; the caller's. NULL: no memory. */
char *folder_origin_path(const FolderOrigin *origin, const char *path);

/* --- folder-tell.c: what is told of a run --- */

/* Of a run that goes on; the first word of a run counts, but for what is minor. The outcome's no_pull and no_push
 * follow the rule in docs/sync-decisions.md, "Orders". */

/* What a scan met, what could not be put in place, and what content could not be had. */
void folder_tell_scan(const SyncScanReport *report, FolderResult *result);
void folder_tell_failures(Folder *f, const SyncApplyReport *report, FolderResult *result);
void folder_tell_lack(const FolderLack *lack, FolderResult *result);
/* Why the folder does not have all of base yet (Folder.held). */
void folder_tell_unplaced(const Folder *f, FolderResult *result);
/* What main refuses. */
void folder_tell_refused(const FolderRequest *request, FolderResult *result);
/* Whose metadata on main, of what the run has looked at, are malformed. */
void folder_tell_malformed(Folder *f, FolderResult *result);
/* That the state was lost, if there is nothing worse to be told. */
void folder_tell_loss(FolderResult *result);

/* --- folder-commit.c --- */

/* Once base is main's tip: makes the commits of what is left, the local changes. 0 with result filled in, or a
 * negative errno. */
int folder_commit(Folder *f, const FolderRequest *request, FolderResult *result);
/* What the changes make of the path: their entry there, or the one that removes a directory above it; NULL if it stays
 * as it is. */
const SyncEntry *folder_change_at(const SyncTree *changes, const char *path);
/* True if the deletion, one of the changes (sorted), may be half of a move to what is still to be read: apart, the
 * content would travel again. It is committed once that was read. */
bool folder_deletion_waits(const Folder *f, const SyncTree *changes, const char *path);
/* True if main refuses the entry. */
bool folder_is_refused(const FolderRequest *request, const SyncEntry *e) _pure_;

/* --- folder-chain-list.c, folder-chain.c: commits that main does not have yet --- */

/* Brings the commits that are to be pushed up to date with the changes from main's tip to what is in the folder;
 * plan is what they are from: its collisions wait. Older versions are dropped whose snapshot is damaged, if the
 * request says that content has changed, and those that main refuses. 0 with result filled in, or a negative errno. */
int folder_update_chain(
                Folder *f,
                const SyncPlan *plan,
                const SyncTree *changes,
                const FolderRequest *request,
                FolderResult *result);
/* Takes those of these commits off that are on main already, with the next git_store_sync(). *ret is the last of them,
 * the zero id if there is none. */
int folder_accept_commits(Folder *f, const git_oid *tip, git_oid *ret);
/* The commit to be pushed next, the zero id if there is none, and what it takes. */
int folder_next_push(Folder *f, git_oid *ret, uint64_t *ret_bytes);
void folder_known_chain_done(FolderKnownChain *k);

/* --- folder-pending.c --- */

/* Removes content that is older than FOLDER_CONTENT_AGE_SEC and that main, once compared, does not want to be put in
 * place: at the first call, and again after that time. 0 or -ENOMEM. */
int folder_sweep_content(Folder *f);
/* Removes the snapshots that no commit to be pushed needs. */
int folder_sweep_pending(Folder *f);
void folder_forget_needs(Folder *f);
