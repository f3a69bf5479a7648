/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who uses the NAS now: what Samba and the processes of FTP sessions say. */
#pragma once

#include "common/base/macro.h"

/* Sessions that are told of; more than the servers let in. */
#define SESSIONS_MAX 1024U

/* Shares and open files that are told of, of each session. */
#define SESSION_ITEMS_MAX 256U

/* A session as text for the worker's socket. */
#define SESSION_TEXT_MAX (128U * 1024U)

typedef struct Session {
        char *id;       /* "smb:<process>" or "ftp:<unit>" */
        char *protocol; /* "SMB2_10" ... "SMB3_11", "FTP" */
        char *user;     /* "" if not known, or nobody logged in */
        char *address;  /* of the client */
        char **shares;
        char **files; /* absolute paths; of FTP the command that runs */
} Session;

typedef struct Sessions {
        Session *items;
        size_t n;
} Sessions;

void session_done(Session *s);
void sessions_done(Sessions *s);
#define _cleanup_sessions_ _cleanup_(sessions_done)

/* Appends a session, which is moved. 0, -ENOSPC at SESSIONS_MAX, -ENOMEM. */
int sessions_append(Sessions *sessions, Session *s);

/* Reads what "smbstatus --json" printed; whose a session is, Samba does not say there. 0, -EBADMSG, -ENOMEM,
 * -ENOSPC. */
int sessions_from_smbstatus(const char *text, Sessions *ret);

/* The process behind an "smb:" id; 0 if it is another one. */
uint32_t session_smb_process(const char *id);

/* The account in a line that Samba's audit ("auth_json_audit") writes when one logged in, in a new string;
 * NULL if it is another line, or memory ran out. */
char *session_user_from_audit(const char *line);

/* Reads a process of an FTP session: its control group, and the command line by which vsftpd tells its state
 * ("vsftpd: 192.0.2.1/alice: IDLE"). 1; 0 if it tells nothing (another process of the session does);
 * -ENOMEM. */
int session_from_ftp_process(const char *cgroup, const char *command_line, Session *ret);

/* A session as a text, and back. 0, -ENOMEM, -EBADMSG. *ret is the caller's. */
int session_to_text(const Session *s, char **ret);
int session_from_text(const char *text, Session *ret);
