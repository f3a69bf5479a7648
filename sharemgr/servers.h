/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The LAN servers at run time: configuration checked, put in place, and the unit started, reloaded or
 * stopped. */
#pragma once

#include "common/base/macro.h"
#include "common/daemon/worker.h"
#include "sharemgr/render.h"

typedef struct Manager Manager;
typedef struct Server Server;

typedef enum ServerKind {
        SERVER_SMB,
        SERVER_FTP,
        SERVER_HTTP,
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
        bool busy; /* a check or a job runs */
        bool wanted;
        bool known;      /* the unit's state was heard */
        bool active;     /* the unit runs */
        bool restart;    /* a reload will not do: it keeps old sockets and what sessions have open */
        bool failed;     /* the last start did not succeed with the configuration in "refused" */
        char *applied;   /* the configuration that the unit was started or reloaded with */
        char *candidate; /* the one that is being checked or started */
        char *refused;
        Worker *checker;
};

/* Prepares the table and watches the units. 0 or a negative errno. */
int servers_start(Manager *m);
void servers_done(Manager *m);

/* Takes the next step with each server. restart: the network changed, or a folder went away. 0 or a negative
 * errno. */
int servers_apply(Manager *m, const ShareSet *s, bool restart);

ServerStatus server_status(const Server *server);
const char *server_status_to_string(ServerStatus status);

/* True while any server is being reconfigured: then a volume cannot be unmounted. */
bool servers_are_busy(Manager *m);
