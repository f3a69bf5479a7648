/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the share manager and its units find things. The unit files in systemd-units/ name the same paths.
 */
#pragma once

#define VOLUMES_DIRECTORY "/srv/ispstorage"

/* Survives a reboot, 0700: data model, credentials, what each volume is. */
#define STATE_DIRECTORY "/var/lib/ispstorage/share"

/* Derived from the state, made anew at each start. */
#define RUNTIME_DIRECTORY "/run/ispstorage/share"
#define SAMBA_DIRECTORY RUNTIME_DIRECTORY "/samba"
#define SMB_CONF SAMBA_DIRECTORY "/smb.conf"
#define SMB_QUOTAS SAMBA_DIRECTORY "/quotas"
#define SMBPASSWD SAMBA_DIRECTORY "/smbpasswd"
/* What /run/userdb is for ispstorage-passdb.service. */
#define SAMBA_USERDB_DIRECTORY SAMBA_DIRECTORY "/userdb"
#define VSFTPD_DIRECTORY RUNTIME_DIRECTORY "/vsftpd"
#define VSFTPD_CONF VSFTPD_DIRECTORY "/vsftpd.conf"
#define VSFTPD_USERS_DIRECTORY VSFTPD_DIRECTORY "/users"
#define VSFTPD_ROOTS_DIRECTORY VSFTPD_DIRECTORY "/roots"
/* Exists while FTP sessions may see folders that "mounts" has no more. */
#define VSFTPD_EVICTION_MARK VSFTPD_DIRECTORY "/pending-eviction"
/* What ftp-session mounts. */
#define VSFTPD_MOUNTS VSFTPD_DIRECTORY "/mounts"
#define VSFTPD_EMPTY_DIRECTORY VSFTPD_DIRECTORY "/empty"
#define LIGHTTPD_DIRECTORY RUNTIME_DIRECTORY "/lighttpd"
#define LIGHTTPD_CONF LIGHTTPD_DIRECTORY "/lighttpd.conf"
#define LIGHTTPD_TLS_CONF LIGHTTPD_DIRECTORY "/lighttpd-tls.conf"
#define HTPASSWD LIGHTTPD_DIRECTORY "/htpasswd"
#define LIGHTTPD_ROOT_DIRECTORY LIGHTTPD_DIRECTORY "/root"
/* Where Samba keeps its databases: made here, as testparm wants to see them. */
#define SAMBA_RUNTIME_DIRECTORY SAMBA_DIRECTORY "/run"

/* Certificate and key of HTTPS and FTP over TLS, in one file. */
#define TLS_PEM RUNTIME_DIRECTORY "/tls.pem"

/* systemd's drop-in user records (nss-systemd(8)). */
#define USERDB_DIRECTORY "/run/userdb"

/* The account as whom every server reads and writes (sysusers.d). */
#define DATA_USER "ispstorage"
/* Who owns the staging area. */
#define SYNC_USER "ispstorage-sync"
