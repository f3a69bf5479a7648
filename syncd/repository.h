/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One row of X_..ISPStorage.{i}.: the state machine with its hands: folder, watch, workers, key,
 * parameters. */
#pragma once

#include <systemd/sd-event.h>

#include "common/datamodel/dm.h"
#include "syncd/hot-paths.h"
#include "syncd/repository-bandwidth.h"
#include "syncd/repository-url.h"
#include "syncd/sync-conflict.h"
#include "syncd/sync-fsm.h"
#include "syncd/sync-poison.h"
#include "syncd/sync-watch.h"
#include "syncd/worker-client.h"

#define SYNC_OBJECT_NAME "X_" MANUFACTURER_OUI "_ISPStorage"
#define SYNC_TABLE "Services." SYNC_OBJECT_NAME "."

/* The first change after a quiet time is looked at once the events of one saving have come. In a series, changes
 * are gathered for a part of the time that it has lasted, so that one that comes soon after another hardly waits,
 * and a folder that is written to without a pause does not make a commit for each file. */
#define DIRTY_MIN_USEC UINT64_C(4000)
#define DIRTY_SHARE 4U
#define DIRTY_MAX_USEC UINT64_C(2000000)
#define DIRTY_QUIET_USEC UINT64_C(500000)
/* What is waited for may come so much later, or a part of a short time, so that several timers go off together. */
#define TIMER_ACCURACY_USEC UINT64_C(250000)
/* A file that is being written is looked at after this time even if it is never closed. */
#define OPEN_FILE_USEC UINT64_C(15000000)
/* A worker or folder that failed is tried again after this. */
#define RETRY_USEC UINT64_C(1000000)
/* The whole folder is looked at once a day, or often while some directories cannot be watched. */
#define SCAN_USEC (UINT64_C(24) * 3600 * 1000000)
#define SCAN_DEGRADED_USEC (UINT64_C(600) * 1000000)
/* A request to the tree worker holds so many bytes of paths; with more, everything is scanned. */
#define DIRTY_BYTES_MAX (WORKER_MESSAGE_MAX / 2)
/* More rows are not kept in Conflict; the oldest go. */
#define CONFLICTS_MAX 256U

/* What the repository has in common with the others, and how it reaches the bus. */
typedef struct RepositoryEnvironment {
        sd_event *event;
        DmModel *model;
        const char *state_directory;
        const char *runtime_directory;
        const char *program_directory; /* where the workers are */
        /* Asks where the folder of the data model is; repository_folder_resolved() is called with the
         * answer. */
        void (*resolve)(Repository *r, const char *folder, void *userdata);
        /* A collision was registered. */
        void (*conflict)(Repository *r, const SyncConflict *conflict, void *userdata);
        /* Nothing may use the folder any more: its disk may be about to go. */
        void (*folder_stops)(Repository *r, void *userdata);
        void *userdata;
} RepositoryEnvironment;

struct Repository {
        const RepositoryEnvironment *environment;
        uint32_t instance;
        char *directory;

        SyncFsm fsm;
        SyncFacts facts;

        /* parameters */
        char *gateway_name;
        char *folder;       /* in the data model */
        char *url_text;
        char *host_keys;
        uint32_t max_delete_count;
        uint32_t max_delete_percent;

        /* the folder */
        char *path;
        char *file_system;
        char *folder_text;  /* why it is not online */
        SyncWatch *watch;
        sd_event_source *watch_source;
        sd_event_source *watch_again;
        char **dirty;
        size_t dirty_bytes;
        bool dirty_full;
        uint64_t dirty_begun; /* monotonic: the first of a series, and the last */
        uint64_t dirty_time;
        sd_event_source *dirty_timer;
        sd_event_source *open_timer;
        HotPaths hot;
        sd_event_source *hot_timer;
        sd_event_source *scan_timer;

        SyncPoison poison;  /* what the next run leaves out */

        /* hands */
        TreeClient *tree;
        TransferClient *transfer;
        TransferClient *prefetcher;
        TransferClient *restorer;   /* belongs to who restores: what its limits are is told here, too */
        uint64_t progress_reported; /* monotonic */
        char *push;          /* the commit that main is to be moved to next, or NULL */
        bool push_last;      /* nothing is to be pushed after it */
        bool changed;        /* what was to be pushed is not what it was */
        bool hurried;        /* the run that goes on was told that somebody waits */
        Worker *key_maker;
        bool key_maker_next; /* it makes the next key, not the first */
        bool rotate;         /* another one is to be made */
        char *public_key;
        sd_event_source *timer; /* the state machine's */
        sd_event_source *retry; /* of what failed outside it */

        /* to be reported */
        char *text;             /* behind the word of LastError */
        char *held;
        char *confirmed;
        uint64_t pending;       /* changes that are not on main */
        uint64_t unplaced;      /* changes of main that are not in the folder */
        bool synchronized;
        SyncConflictList conflicts;
        uint32_t conflict_opseq;
        uint64_t sent;
        uint64_t received;
        RepositoryBandwidth bandwidth;
};

/* Reads the parameters of the row and begins. The environment must outlive it. 0 or a negative errno. */
int repository_new(Repository **ret, const RepositoryEnvironment *environment, uint32_t instance);
/* Stops all it has. With remove, its state is deleted as well. Returns NULL. */
Repository *repository_free(Repository *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(Repository *, repository_free);
/* The row is gone: stops what runs, deletes the key, and puts the state aside, in the directory *ret_state.
 * *ret_folder is the path of the folder as last known, or NULL. Both are the caller's. The repository is to be freed
 * then. 0 or a negative errno. */
int repository_remove_state(Repository *r, char **ret_state, char **ret_folder);

/* Parameters other than the following were written. */
void repository_configure(Repository *r);
void repository_status_written(Repository *r, SyncStatus status);
void repository_order(Repository *r, SyncOp op);
void repository_rotate_key(Repository *r);
void repository_confirm(Repository *r, const char *id);

/* The answer of sharemgr; status "Online", or a reason. error is not 0 if there was no answer. */
void repository_folder_resolved(
                Repository *r, int error, const char *path, const char *file_system, const char *status);
/* The folder may be elsewhere now, or sharemgr has come: asks again. */
void repository_folder_changed(Repository *r);

/* For the files of this module. */
void repository_step(Repository *r);            /* lets the state machine go on, and reports */
void repository_report(Repository *r);          /* writes what changed to the data model */
int repository_start_transfer(Repository *r, SyncActionKind kind); /* FETCH, CONTENT or PUSH */
void repository_stop_transfer(Repository *r);
int repository_start_prefetch(Repository *r);
void repository_stop_prefetch(Repository *r);
void repository_stop_transfers(Repository *r);  /* ends both workers, whatever they do */
int repository_new_transfer(Repository *r, TransferClient **ret); /* a client of its own, for the bus */
char *repository_staging_directory(const Repository *r); /* the caller's; NULL: no memory */
bool repository_set_push(Repository *r, char *const *message); /* of the tree worker; returns whether there is one */
int repository_start_run(Repository *r, bool full);
void repository_hurry_run(Repository *r);       /* if another step waits for the end of the one that goes on */
void repository_stop_folder(Repository *r);
int repository_check_keys(Repository *r);       /* reads or makes the key */
void repository_take_conflict(Repository *r, char *const *message); /* event=conflict of the tree worker */
void repository_count_bytes(Repository *r, const TransferAnswer *answer); /* and the key that was accepted */
void repository_mark_dirty(Repository *r, const char *path);
/* In place of sync_fsm_pushed(), for a push that was refused because of that version (hexadecimal) at the path. */
void repository_push_poisoned(Repository *r, const char *version, const char *path);
/* Appends a field poison for each entry of SyncPoison, which a run is to leave out. 0 or -ENOMEM. */
int repository_add_poison(Repository *r, char ***message);
void repository_limits_changed(Repository *r);  /* tells the transfer that runs */
char *repository_make_utf8(const char *s);      /* file names are bytes, parameters are UTF-8; the caller's */
