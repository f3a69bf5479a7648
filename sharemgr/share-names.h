/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that come from the ACS and end in paths, unit names and configuration files.
 *
 * The renderers quote nothing that these rules let through: a name that a shell, smb.conf, lighttpd.conf,
 * vsftpd.conf, a unit file or a colon-separated table could read as more than a name is refused here, once.
 */
#pragma once

#include "common/base/macro.h"

/* useradd(8) and utmp(5) end here; TR-140 would allow 64. */
#define USER_NAME_MAX 32U

/* TR-140 LogicalVolume.Name and Folder.Name. */
#define VOLUME_NAME_MAX 64U
#define FOLDER_NAME_MAX 64U

/* TR-140 UserAccount.Password, in bytes here: what crypt(3) and the SMB protocol take without loss. */
#define PASSWORD_MAX 256U

/* The synchronizer's directory at the root of each volume, outside every folder. */
#define STAGING_DIRECTORY ".ispstorage"

/* Where snapshots are, if somebody makes them, as "@GMT-YYYY.MM.DD-HH.MM.SS": what Windows calls previous versions. */
#define SNAPSHOTS_DIRECTORY ".snapshots"

/* Lower-case letters, digits, '_', '-', '.', beginning with a letter or '_': what passwd(5), smbpasswd(5)
 * and a file name can carry. Whether the name belongs to somebody else on this system is not asked here. */
bool user_name_is_valid(const char *name) _pure_;

/* UTF-8 without control characters and without blanks at its ends; it is only looked at by people. */
bool group_name_is_valid(const char *name) _pure_;

/* UTF-8 of at most PASSWORD_MAX bytes without control characters. */
bool password_is_valid(const char *password) _pure_;

/* Letters, digits, '_', '-', '.', beginning with a letter or digit: one component of a path and of a unit
 * name. */
bool volume_name_is_valid(const char *name) _pure_;

/* A path inside the volume: "/home/ftp", "photos", "photos/". No empty component, no "." or "..", nothing in
 * the staging area or lost+found, no character that SMB clients cannot show or that configuration files read
 * as syntax. "/" is not valid. */
bool folder_name_is_valid(const char *name) _pure_;

/* The last component of a valid folder name, in a new string, which is the name of the share; NULL if memory
 * ran out. */
char *folder_share_name(const char *name);

/* The absolute directory of a folder, in a new string; NULL if memory ran out. Both names must be valid. */
char *folder_directory(const char *volume_name, const char *folder_name);

/* Names that Samba gives a meaning of its own. */
bool share_name_is_reserved(const char *name) _pure_;

/* A NetBIOS name and a label of the host name (RFC 952, RFC 1123), or empty. */
bool host_name_is_valid(const char *name) _pure_;

/* Labels with dots between, or empty. */
bool domain_name_is_valid(const char *name) _pure_;
