/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The LAN servers at run time: configuration checked, put in place, and the unit started, reloaded or
 * stopped; the last good one put back if the unit does not live with the new one. */
#pragma once

#include "common/base/macro.h"
#include "common/daemon/worker.h"
#include "sharemgr/render.h"

/* The slice of all FTP sessions. */
#define SERVER_FTP_SESSIONS "ispstorage-ftp.slice"

typedef struct Manager Manager;
typedef struct Server Server;

typedef enum ServerKind {
        SERVER_SMB,
        SERVER_FTP,
        SERVER_HTTP,
        SERVER_HTTPS,
        _SERVER_MAX,
} ServerKind;

/* TR-140 FTPServer.Status, HTTPServer.Status. */
typedef enum ServerStatus {
        SERVER_DISABLED,
        SERVER_ENABLED,
        SERVER_ERROR,
} ServerStatus;

struct Server {
        Manager *manager;
        ServerKind kind;
        bool busy;           /* a check or a job runs */
        bool wanted;
        bool known;          /* the unit's state was heard */
        bool active;         /* the unit runs */
        bool restart;        /* a reload will not do: it keeps old sockets and what sessions have open */
        bool end_sessions;   /* all of them: they see what has to go; FTP only */
        bool failed;         /* "refused" did not work */
        bool rolling_back;   /* the job that runs brings "good" back */
        uint64_t since_usec; /* when the unit took "applied", monotonic */
        char *applied;       /* the configuration that the unit was started or reloaded with */
        char *candidate;     /* the one that is being checked or started */
        char *good;          /* the one that the unit is known to live with */
        char *refused;
        Worker *checker, *closer;
        char **lowered; /* users whose sessions end when the unit has taken "candidate"; SMB only */
};

/* Prepares the table and watches the units. 0 or a negative errno. */
int servers_start(Manager *m);
void servers_done(Manager *m);

/* Takes the next step with each server. folder_left: one that was shared is not any more. 0 or a negative
 * errno. */
int servers_apply(Manager *m, const ShareSet *s, bool folder_left);

/* To be called every few seconds: a configuration with which a unit ran for a while is good. */
void servers_confirm(Manager *m);

/* For the Status parameter of TR-140. */
ServerStatus server_status(const Server *server);
/* As the schema has it. */
const char *server_status_to_string(ServerStatus status);

/* True while any server is being reconfigured: then a volume cannot be unmounted. */
bool servers_are_busy(Manager *m);

/* A configuration is at most about 200 bytes for each of 10000 folders and 256 users. */
#define CONFIGURATION_MAX (8U * 1024U * 1024U)

/* The configuration of one server in a new string. Besides, brings the files that sessions to come read, and the
 * certificate, to what the set says. 0; -EAGAIN if the certificate is still being made; or a negative errno.
 * server-config.c */
int server_render(Manager *m, const ShareSet *s, ServerKind kind, char **ret);

/* True if the set and the network have use for the server. server-config.c */
bool server_is_wanted(const Manager *m, const ShareSet *s, ServerKind kind);
