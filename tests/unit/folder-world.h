/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gateways with real folders and stores, and a main that they push to and fetch from: everything of the engine but
 * the network, the processes and the clock. Deterministic: a world is made of its seed. */
#pragma once

#include <sys/types.h>

#include "syncd/folder.h"
#include "syncd/object-wants.h"

#define WORLD_GATEWAYS_MAX 4U
#define WORLD_CONTENTS_MAX 65536U
#define WORLD_COMMITS_MAX 4096U

typedef struct WorldGateway {
        unsigned number;
        char *name, *volume, *path, *state; /* paths */
        int root_fd;
        Folder *folder;
        bool conflict; /* a collision was registered since world_settle() began */
        git_oid push;  /* to be pushed next, or zero */
        bool missing;
        bool again;    /* the last run wants another one, even if nothing happens */
        bool rest;     /* and at once, as it has not read everything yet */
        bool changed;  /* the last push found other content than was committed */
        char *const *paths; /* all that the next run looks at; NULL: everything */
        const SyncRefusal *refused; /* by main */
        size_t n_refused;
        int error;     /* what ended the engine, with a tolerant world: the gateway has to be restarted */
        bool may_lose_state; /* the test takes it away */
        uint64_t words; /* told by runs since this was cleared: a bit for each SyncWord */
} WorldGateway;

/* One that somebody wrote: each has a number, its tag, in its first line. */
typedef struct WorldContent {
        bool seen; /* in a folder when it was scanned */
        bool expired; /* it was on main, in a version that retention dropped */
        SyncOid oid; /* what it is to be called */
} WorldContent;

typedef struct World {
        char *directory;
        GitStore *server; /* GIT_STORE_REMOTE is main's tip */
        int blobs_fd;     /* the server's content, by oid */
        WorldGateway gateways[WORLD_GATEWAYS_MAX];
        unsigned n_gateways;
        uint64_t seed;
        WorldContent *contents; /* by tag; shared with processes that are forked from this one */
        unsigned n_contents;
        uint64_t bytes_pushed, bytes_fetched;
        size_t n_conflicts;
        bool odd; /* something may be in a folder that cannot be read, or never travels */
        size_t window; /* Folder.window; 0: as it is */
        size_t n_moved; /* files that runs gave another name */
        bool shallow; /* a fetch brings the trees of main's tip only, as if the others were pruned */

        /* Tests of faults: called around what the engine does, or NULL. */
        void (*engine)(bool inside);
        bool tolerant; /* the engine may end with an error, and runs may tell of one */
} World;

World *world_new(unsigned n_gateways, uint64_t seed);
/* The same, with the folder and the state of the first gateway in a directory of its own. */
World *world_new_at(unsigned n_gateways, uint64_t seed, const char *directory);
World *world_free(World *w);

/* A number below n. */
unsigned world_random(World *w, unsigned n);

/* The pieces of a cycle. A push returns false if main has moved or content has changed. */
void world_fetch(World *w, WorldGateway *g);
void world_run(World *w, WorldGateway *g);
/* The same without what a worker does behind its answer: nothing is durable yet. False if the engine has ended. */
bool world_run_unfinished(World *w, WorldGateway *g);
void world_content(World *w, WorldGateway *g, size_t items_max);
/* The same of another list than WANTED_MAIN. */
void world_list_content(World *w, WorldGateway *g, const char *list, size_t items_max);
bool world_push(World *w, WorldGateway *g);
/* The same, but the gateway does not hear that main has moved. */
bool world_push_unheard(World *w, WorldGateway *g);

/* The objects come from the server. */
void world_objects(World *w, WorldGateway *g, const ObjectWants *wants);

/* Ends the gateway's worker as a crash would, and begins it anew. */
void world_restart(World *w, WorldGateway *g);
/* The two halves of that; in between nothing of the gateway is open. */
void world_close(World *w, WorldGateway *g);
void world_open(World *w, WorldGateway *g);

/* Cycles of all gateways until nothing is left to be done. */
void world_settle(World *w);

/* The tip of main as a store knows it, or the zero id. */
git_oid world_main(GitStore *store);
/* What the gateway's scan has found is a version from now on. */
void world_see(World *w, WorldGateway *g);

/* Writes a file with content that nobody wrote before, of at least size bytes; in place if there is one. */
void world_write(World *w, WorldGateway *g, const char *path, size_t size);
/* Waits until what is written later has a stamp of its own: then a scan is sure of the file. */
void world_let_settle(const WorldGateway *g, const char *path);
/* From now on the process may not read what permissions forbid, even as root. */
void world_obey_permissions(void);
/* All of the folder as text: a line for each entry, with the tag of its content. The caller frees it. */
char *world_text(const WorldGateway *g);
/* Rewrites main as retention does: the last n_recent versions are kept, and of those before them each with a chance of
 * one in n. What main has lost by that has expired. */
void world_thin(World *w, unsigned n_recent, unsigned n);
/* Fails the test unless every content that was seen in a folder and has not expired is in main's history. */
void world_check_ledger(World *w);
/* How many are not. */
unsigned world_count_lost(World *w);
/* Fails the test unless what the run says is so: the folder holds base, if nothing is pending on either side, what was
 * moved aside in a collision is another version than the one that has its name now, and what is to be pushed is what
 * the store says. */
void world_check_told(WorldGateway *g, const FolderResult *result);
/* Fails the test if, at rest, a gateway keeps snapshots for a push, or there were more collisions than n_actions of
 * users can have made. */
void world_check_bounds(World *w, unsigned n_actions);
/* Fails the test if a file in main's history holds what nobody wrote. */
void world_check_origin(World *w);
/* Fails the test unless all folders hold the same. */
void world_check_equal(World *w);
/* Takes what files of the folder hold and nobody wrote, as a power cut leaves it, for written by a user. Returns these
 * files; the tree is the caller's. */
SyncTree *world_take_unknown(World *w, WorldGateway *g);
