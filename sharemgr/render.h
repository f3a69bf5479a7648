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
        char **addresses;  /* their addresses: IPv4, and unique local IPv6 */
} ShareNetwork;

typedef enum ShareTls {
        SHARE_TLS_OFF,
        SHARE_TLS_OFFERED,
        SHARE_TLS_REQUIRED,
} ShareTls;

/* Ports for passive FTP: enough for 32 users (TR-140 MaxNumUsers) with two transfers each, outside the
 * ephemeral range. */
#define FTP_PASSIVE_PORT_FIRST 30000U
#define FTP_PASSIVE_PORT_LAST 30063U

typedef struct ShareSmbOptions {
        ShareTls encryption; /* of SMB3 */
        bool apple;          /* the extensions of macOS */
        bool volume_roots;   /* each volume is a share as well, for all accounts; folders that are shares are
                                not seen there */
} ShareSmbOptions;

/* smb.conf(5). */
int render_smb_conf(
                const ShareSet *s, const ShareNetwork *network, const ShareSmbOptions *options, char **ret);

/* vsftpd.conf(5). */
int render_vsftpd_conf(const ShareSet *s, ShareTls tls, char **ret);

/* The drop-in of ispstorage-vsftpd.socket: where it listens, and for how many. */
int render_vsftpd_socket(const ShareSet *s, const ShareNetwork *network, char **ret);

/* The names that may log in over FTP, one a line (vsftpd's userlist_file). */
int render_vsftpd_user_list(const ShareSet *s, char **ret);

/* The file in vsftpd's user_config_dir that is named after the user. */
int render_vsftpd_user(const ShareSet *s, const ShareUser *u, char **ret);

/* What ftp-session mounts: lines "ro <directory>\t<path below the roots>", or "rw". Users with equal rights
 * share a root, which is named after the first of them. */
int render_vsftpd_mounts(const ShareSet *s, char **ret);

/* lighttpd.conf of SHARE_HTTP or SHARE_HTTPS. writable: WebDAV is on. */
int render_lighttpd_conf(
                const ShareSet *s,
                const ShareNetwork *network,
                ShareProtocol protocol,
                bool writable,
                char **ret);
