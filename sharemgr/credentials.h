/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of a password, and the files that the login services read, made from it.
 *
 * A password is hashed where it arrives and then forgotten. The credentials, one text per account, are the
 * only source; user record, smbpasswd and htpasswd are derived, so that they agree and can be made again at
 * any time. */
#pragma once

#include "sharemgr/share-set.h"

/* Lower-case hexadecimal. */
#define NT_HASH_LENGTH 32U

/* Hashes a password: "<yescrypt of crypt(5)> <NT hash>", in a new string. 0; -EOPNOTSUPP if the library has
 * one of the hashes not; or a negative errno. Takes some milliseconds on purpose. */
int credentials_from_password(const char *password, char **ret);

/* Splits credentials in place. 0 or -EBADMSG. */
int credentials_split(char *credentials, const char **ret_crypt, const char **ret_nt);

/* A user with his credentials; who has none cannot log in. */
typedef struct Account {
        const char *name;
        uint32_t instance; /* of UserAccount, never used again */
        const char *crypt_hash;
        const char *nt_hash;
} Account;

/* A JSON user record and its privileged half (systemd.io/USER_RECORD), as nss-systemd(8) reads them from
 * /run/userdb. Every account is an alias of the data user, so that whatever server a file comes through, it
 * belongs to the same user. 0 or -ENOMEM. */
int render_user_record(const Account *a, uid_t uid, gid_t gid, char **ret);
int render_user_record_privileged(const Account *a, char **ret);

/* Samba makes an account's security identifier from its number when it imports smbpasswd(5), and decides about rights
 * by that identifier: so there, and only there, every account has a number of its own. The range is one that
 * systemd leaves free (systemd.io/UIDS-GIDS). */
#define SAMBA_UID_BASE 200000U

/* smbpasswd(5) and htpasswd. 0 or -ENOMEM. */
int render_smbpasswd(const Account *accounts, size_t n, char **ret);
int render_htpasswd(const Account *accounts, size_t n, char **ret);
