/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be shared, as plain data: the enabled rows of Services.StorageService.1. with references
 * resolved.
 *
 * The renderers make the servers' configuration from a ShareSet alone, so that a set written by a test and
 * one read from the data model give the same files. */
#pragma once

#include <sys/types.h>

#include "common/base/macro.h"

typedef enum ShareProtocol {
        SHARE_SMB,
        SHARE_FTP,
        SHARE_HTTP,
        SHARE_HTTPS,
        _SHARE_PROTOCOL_MAX,
} ShareProtocol;

typedef enum ShareAccess {
        SHARE_ACCESS_NONE,
        SHARE_ACCESS_READ,
        SHARE_ACCESS_WRITE,
} ShareAccess;

/* TR-140 UserAccess.Permissions; 1 (execute) has no meaning on a share. */
#define SHARE_PERMISSION_READ 4U
#define SHARE_PERMISSION_WRITE 2U

/* TR-140 Folder.UserAccountAccess. */
#define SHARE_AUTHENTICATE_SMB 2U
#define SHARE_AUTHENTICATE_FTP_HTTP 1U

typedef struct ShareUser {
        uint32_t instance; /* of UserAccount */
        char *name;
        char **groups; /* path names of the enabled UserGroup rows that he is in */
        bool ftp_allowed, http_allowed;
} ShareUser;

/* What one user may do in a folder, by his own and his groups' rows together. */
typedef struct ShareGrant {
        uint32_t user; /* instance of UserAccount */
        uint32_t permissions;
} ShareGrant;

typedef struct ShareFolder {
        uint32_t instance;
        char *share;     /* the name that clients see */
        char *directory; /* absolute */
        uint32_t account_access;
        bool online;    /* set by who knows: the directory is there. Folders that are not are not rendered */
        bool full;      /* set by who knows: the quota is used up, nothing may be added */
        uint32_t quota; /* MB; 0: no quota */
        ShareGrant *grants; /* sorted by user, one for each */
        size_t n_grants;
} ShareFolder;

typedef struct ShareVolume {
        uint32_t instance;
        char *name;
        char *medium;      /* path name of the PhysicalMedium row */
        uint32_t capacity; /* MB */
        bool online;       /* set by who knows: it is mounted */
        bool snapshots;    /* set by who knows: SNAPSHOTS_DIRECTORY is there */
        ShareFolder *folders;
        size_t n_folders;
} ShareVolume;

typedef struct ShareServer {
        bool enabled;
        uint32_t max_users;
        uint32_t idle_time; /* seconds, 0 = no limit */
        uint32_t port;
        bool authentication; /* HTTP and HTTPS: AuthenticationReq */
} ShareServer;

typedef struct ShareSet {
        bool enabled; /* StorageService.Enable: everything below is off without it */
        char *host_name, *domain_name;
        bool smb_enabled, smb_authentication;
        ShareServer ftp, http, https;
        bool anonymous_enabled, anonymous_read_only;
        char *anonymous_folder; /* path name of a Folder row */
        ShareUser *users;
        size_t n_users;
        ShareVolume *volumes;
        size_t n_volumes;
} ShareSet;

/* NULL is allowed; returns NULL. */
ShareSet *share_set_free(ShareSet *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(ShareSet *, share_set_free);

/* Append an element with all fields zero, which the set owns. NULL if memory ran out. */
ShareUser *share_set_add_user(ShareSet *s);
ShareVolume *share_set_add_volume(ShareSet *s);
ShareFolder *share_volume_add_folder(ShareVolume *v);

/* Adds permissions to what the user has. 0 or -ENOMEM. */
int share_folder_grant(ShareFolder *f, uint32_t user, uint32_t permissions);

/* The element, or NULL. */
const ShareFolder *share_set_find_anonymous_folder(const ShareSet *s);

/* True if nobody has to log in for this folder: by NetworkProtocolAuthReq and bit 2 of UserAccountAccess for
 * SMB, by AuthenticationReq and bit 1 for HTTP and HTTPS, by AnonymousUser and bit 1 for FTP. */
bool share_folder_is_open(const ShareSet *s, const ShareFolder *f, ShareProtocol protocol);

/* What the user may do. Without a UserAccess row of his he may do nothing unless the folder is open to
 * everybody. A row without the read bit gives nothing: no protocol here can write a file and not show its
 * directory.
 *
 * In a full folder SMB and FTP let nobody write, as they cannot take deleting alone; HTTP can, and its
 * renderer sees to that. */
ShareAccess share_folder_access(
                const ShareSet *s, const ShareFolder *f, const ShareUser *u, ShareProtocol protocol);

/* Appends the names of the users who may do less now than before over this protocol; among them "anonymous"
 * with FTP, and the data user, who stands for guests, with SMB. 0 or -ENOMEM. */
int share_set_list_lowered(
                const ShareSet *before, const ShareSet *now, ShareProtocol protocol, char ***names);

/* Walks over the folders that are online, of all volumes. */
#define SHARE_SET_FOREACH_ONLINE(f, s)                                                                      \
        for (size_t _v = 0; _v < (s)->n_volumes; _v++)                                                      \
                for (ShareFolder *f = (s)->volumes[_v].folders;                                             \
                     f && f < (s)->volumes[_v].folders + (s)->volumes[_v].n_folders;                        \
                     f++)                                                                                   \
                        if (!f->online)                                                                     \
                                continue;                                                                   \
                        else
