/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The servers' configuration as pure functions of a ShareSet.
 *
 * Each function stores a new string in *ret, which the caller frees, and returns 0 or -ENOMEM. Names in the
 * set have passed share-names.h; addresses and interfaces come from the kernel or from the administrator.
 * The same input gives the same text, so that equal text means that a server need not be touched. */
#pragma once

#include "sharemgr/share-set.h"

/* Where the servers listen. */
typedef struct ShareNetwork {
        char **interfaces; /* names of the LAN interfaces that exist */
        char **addresses;  /* their IPv4 addresses */
} ShareNetwork;

/* Ports for passive FTP: enough for 32 users (TR-140 MaxNumUsers) with two transfers each, outside the
 * ephemeral range. */
#define FTP_PASSIVE_PORT_FIRST 30000U
#define FTP_PASSIVE_PORT_LAST 30063U

/* smb.conf(5). */
int render_smb_conf(const ShareSet *s, const ShareNetwork *network, char **ret);

/* vsftpd.conf(5); listens on the first address only, as vsftpd knows one. */
int render_vsftpd_conf(const ShareSet *s, const ShareNetwork *network, char **ret);

/* The names that may log in over FTP, one a line (vsftpd's userlist_file). */
int render_vsftpd_user_list(const ShareSet *s, char **ret);

/* The file in vsftpd's user_config_dir that is named after the user. */
int render_vsftpd_user(const ShareSet *s, const ShareUser *u, char **ret);

/* A drop-in of ispstorage-vsftpd.service: the bind mounts from which each root directory is made. vsftpd has
 * rights per user, not per folder; a folder that may only be read is a read-only mount. Users with equal
 * rights share a root. */
int render_vsftpd_mounts(const ShareSet *s, char **ret);

/* Directories that are to exist for render_vsftpd_mounts(): a string list of absolute paths, parents first.
 */
int list_vsftpd_directories(const ShareSet *s, char ***ret);

/* True if this user's rights differ from those of all users before him, so that a root of his own is made.
 */
bool vsftpd_user_has_own_root(const ShareSet *s, const ShareUser *u);

/* lighttpd.conf. writable: WebDAV is on. */
int render_lighttpd_conf(const ShareSet *s, const ShareNetwork *network, bool writable, char **ret);
