/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The share manager: brings disks, mounts, accounts and servers to what the data model says.
 *
 * Level-triggered: whatever happens (a request of the ACS, a disk, a job that ended) leads to
 * manager_schedule(), and one pass compares what is wanted with what is and starts the next steps. So a
 * restart needs no recovery of its own. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/bus/dm-bus.h"
#include "common/datamodel/dm.h"
#include "common/daemon/worker.h"
#include "sharemgr/kernel-monitor.h"
#include "sharemgr/media.h"
#include "sharemgr/render.h"
#include "sharemgr/row-store.h"
#include "sharemgr/servers.h"
#include "sharemgr/unit-jobs.h"
#include "sharemgr/volumes.h"

#define SHARE_BUS_NAME "org.ispstorage.Share1"
#define SHARE_OBJECT_PATH "/org/ispstorage/Share1"

typedef struct Manager Manager;
typedef struct SessionQuery SessionQuery;
typedef struct FolderUsage FolderUsage;

typedef struct ManagerConfig {
        char **media;        /* [Media] Match= */
        char *file_system;   /* [Media] FileSystem= */
        char **interfaces;   /* [Network] Interfaces= */
        bool http_writing;   /* [HTTP] Writing= */
        ShareTls ftp_tls;    /* [FTP] TLS= */
        ShareSmbOptions smb; /* [SMB] */
        char *certificate;   /* [TLS] Certificate=, NULL: one of our own */
} ManagerConfig;

void manager_config_done(ManagerConfig *config);

struct Manager {
        const ManagerConfig *config;
        sd_event *event;
        sd_bus *bus;
        sd_bus_slot *vtable;
        DmModel *model;
        DmBus *dm_bus;
        UnitJobs *jobs;
        int state_fd;          /* STATE_DIRECTORY */
        RowStore *credentials; /* of UserAccount rows */
        RowStore *provisioned; /* LogicalVolume and Folder rows that were enabled once; of a volume its UUID
                                  and whether it is formatted */
        RowStore *identities;  /* of PhysicalMedium rows */
        uid_t data_uid, sync_uid;
        gid_t data_gid, sync_gid;

        KernelMonitor *block_monitor, *address_monitor;
        sd_event_source *pass, *clock;
        sd_event_source *import_again; /* of the accounts, by Samba */
        size_t n_imports;
        Worker *media_worker;
        sd_event_source *media_input;
        int media_fd;
        bool media_again; /* something changed while the worker was looking */
        Media media, media_found;
        bool media_known;
        uint64_t smart_usec; /* when the disks were asked for their health; 0: not yet */

        bool settled;  /* the first volumes are up, or took too long: servers may run */
        ShareSet *set; /* of the last pass */
        ShareNetwork network;
        Volume *volumes;
        Server servers[_SERVER_MAX];
        SessionQuery *query; /* somebody asked for the sessions */
        Worker *ending;      /* tells Samba to end one */
        sd_bus_message *ending_call;
        sd_bus_message *wipe_call; /* a medium is being wiped */
        sd_bus_slot *eviction; /* FTP sessions are looked for that lost their rights, */
        char **evicted;        /* of these users */
        char **lowered;        /* users whose SMB sessions end when Samba has its next configuration */
        FolderUsage *usages;   /* of folders with a quota */
        size_t n_usages;
        Worker *usage_worker;
        Worker *certificate_worker;
        sd_event_source *usage_input;
        int usage_fd;
        char *answered; /* folders and answers of ResolveFolder at the last pass, one a line */
};

/* Opens state and model, creates what has to be there; nothing acts before manager_start(). event, bus and
 * config must outlive *ret. 0 or a negative errno, which is logged. */
int manager_new(Manager **ret, sd_event *event, sd_bus *bus, const ManagerConfig *config);

/* NULL is allowed; returns NULL. What runs and is mounted stays. */
Manager *manager_free(Manager *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(Manager *, manager_free);

/* Exports the objects, requests the bus name and begins to act. 0 or a negative errno, which is logged. */
int manager_start(Manager *m);

/* Makes a pass soon. */
void manager_schedule(Manager *m);

/* Looks at the disks again, in a worker, and makes a pass when they differ. manager-media.c */
void manager_scan_media(Manager *m);
void manager_media_done(Manager *m);

/* Brings the rows of PhysicalMedium to what was found. 0 or a negative errno. manager-media.c */
int manager_update_media_rows(Manager *m);

/* Has the disks asked for their health, if it is time again. 0 or a negative errno. manager-media.c */
int manager_ask_health(Manager *m);

/* The attached medium that a PhysicalMedium row stands for, or NULL. manager-media.c */
const Medium *manager_medium_of_row(Manager *m, const char *path);

/* Writes the file, in a runtime directory, if it differs. 1 if it did, 0, or a negative errno.
 * manager-accounts.c */
int manager_write_if_changed(const char *path, const char *text, mode_t mode);

/* Writes user records, smbpasswd, htpasswd and vsftpd's lists, and removes what is stale. 0 or a negative
 * errno. manager-accounts.c */
int manager_apply_accounts(Manager *m, const ShareSet *s);

/* The users of the set that have a password, in s->users; the others are taken out. manager-accounts.c */
void manager_drop_users_without_password(Manager *m, ShareSet *s);

/* True if the name is in /etc/passwd, or is that of a record of userdb(8) that is not ours, or of a dynamic user; or
 * if that could not be found out. Not by NSS, whose modules would stay in memory. userdata: the Manager.
 * manager-accounts.c */
bool manager_user_name_is_taken(const char *name, void *userdata);

/* Makes the directories of folders on mounted volumes and marks those folders as online. manager-folders.c
 */
void manager_prepare_folders(Manager *m, ShareSet *s);

/* Marks the folders that are full, tells Samba what is left, and measures what has to be measured. 0 or a
 * negative errno. manager-quota.c */
int manager_apply_quotas(Manager *m, ShareSet *s);
int manager_measure_folders(Manager *m);

/* Quota.UsedSpace and Quota.ThresholdReached. manager-quota.c */
int manager_report_quotas(Manager *m, DmUpdate *update);
void manager_quota_done(Manager *m);

/* Brings the rows of Folder that users made to what is at the top of the volumes. 0 or a negative errno.
 * manager-found.c */
int manager_find_folders(Manager *m);

/* Answers ResolveFolder. *ret_status is the caller's, also the others, which are "" unless it is Online. 0;
 * -EINVAL if path is not the path name of a Folder row; -ENOMEM. manager-folders.c */
int manager_resolve_folder(
                Manager *m, const char *path, char **ret_directory, char **ret_uuid, char **ret_status);

/* Emits FolderChanged for each folder whose answer is another than at the last pass. manager-folders.c */
int manager_announce_folders(Manager *m);

/* Answers the call, later, with all sessions; manager-sessions.c. 0; -EBUSY if another one is being
 * answered; or a negative errno. */
int manager_list_sessions(Manager *m, sd_bus_message *call);

/* Ends a session and answers the call, later. 0; -EINVAL if id is not one that manager_list_sessions() gave;
 * -EBUSY; or a negative errno. */
int manager_end_session(Manager *m, const char *id, sd_bus_message *call);

SessionQuery *session_query_free(SessionQuery *q);

/* Has Samba end what is connected to the shares that are gone, the sessions of these users, and what has no right any
 * more. As worker_spawn(). */
int manager_close_shares(
                Manager *m,
                Worker **ret,
                char *const *gone,
                char *const *users,
                WorkerExitHandler handler,
                void *userdata);

/* Ends the FTP sessions of those who may do less than before, and those that nobody has logged in to, as
 * they would still see the old folders. 0 or a negative errno. */
int manager_evict_ftp_users(Manager *m, const ShareSet *before, const ShareSet *now);

/* Whether a medium may be wiped, and why not. */
typedef enum WipeAnswer {
        WIPE_ALLOWED,
        WIPE_NO_MEDIUM,      /* no such row, or it is not attached */
        WIPE_OTHER_NAME,     /* the name given is not its */
        WIPE_USED_BY_SYSTEM, /* a mounted file system, swap, another layer */
        WIPE_USED_BY_VOLUME, /* mounted, or enabled and on it */
        WIPE_BUSY,           /* something is being wiped, looked at, formatted, checked, mounted or unmounted */
} WipeAnswer;

/* row: the path name of a PhysicalMedium row; name: its Name, as the one who orders believes it to be. *ret is
 * set if the answer is WIPE_ALLOWED, and is valid until the event loop goes on. manager-wipe.c */
WipeAnswer manager_may_wipe(Manager *m, const char *row, const char *name, const Medium **ret);

/* Has the medium emptied, which manager_may_wipe() allowed, and answers the call when that is done. 0 or a
 * negative errno. manager-wipe.c */
int manager_wipe(Manager *m, const Medium *medium, sd_bus_message *call);

/* The control interface. manager-bus.c */
int manager_bus_export(Manager *m);
int manager_bus_emit_folder_changed(Manager *m, const char *path);

/* Fixes the identity of rows that are enabled, where a predecessor was killed between storing that and doing this. 0 or
 * a negative errno. manager-model.c */
int manager_provision_rows(Manager *m);

/* The rules and reactions that the model calls. manager-model.c */
extern const DmProvider manager_provider;

/* The names and addresses of the LAN interfaces that are there. manager-network.c */
int share_network_read(char *const *interfaces, ShareNetwork *ret);
void share_network_done(ShareNetwork *n);
