/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The open sessions, shared by worker threads and the event loop: one for each device, found by cookie
 * when the CPE goes on over another connection, woken when a command for its device arrives. Thread-safe. */
#pragma once

#include "common/base/macro.h"
#include "operator/acs/session.h"

/* 12 random bytes in base64url, and NUL: hard to guess, short to send. */
#define SESSION_COOKIE_SIZE 17U
#define SESSION_NAMESPACE_SIZE 64U
/* A CPE whose connection broke comes back within this time or starts a new session. */
#define SESSION_RESUME_SEC 30
/* Sessions between two requests; the oldest goes when there are more. Above CONNECTIONS_MAX of server.h. */
#define SESSIONS_RELEASED_MAX 8192U
/* How long a connection waits for the thread that serves an older one of the same device. */
#define SESSION_TAKEOVER_SEC 5

typedef struct SessionTable SessionTable;

/* A session as one thread holds it, from begin or resume until release or end: for one request. */
typedef struct SessionSlot {
        Session *session;
        char cookie[SESSION_COOKIE_SIZE];
        char cwmp_namespace[SESSION_NAMESPACE_SIZE]; /* the version that the device speaks; "" until known */
        /* the table's */
        struct SessionSlot *next;
        int fd;
        uint64_t released_usec;
        unsigned n_wakes;
        bool busy : 1;
        bool closing : 1;
} SessionSlot;

/* An empty table, for any number of threads. *ret is the caller's. 0 or -ENOMEM. */
int session_table_new(SessionTable **ret);
/* No thread may use it any more; frees all sessions. Returns NULL. */
SessionTable *session_table_free(SessionTable *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(SessionTable *, session_table_free);

/* Begins a session on the connection fd; takes the session over. An older session of the device ends: its
 * connection is shut down and its thread waited for. 0, -EBUSY if that takes too long, -EIO, -ENOMEM; the
 * session is freed then. */
int session_table_begin(SessionTable *t, Session *session, int fd, SessionSlot **ret);

/* Goes on with a session on another connection. 0, -ENOENT if no session has the cookie, -EBUSY as above. */
int session_table_resume(SessionTable *t, const char *cookie, int fd, SessionSlot **ret);

/* True if session_table_resume() would find a session. */
bool session_table_knows(SessionTable *t, const char *cookie);

/* The request is answered, or the connection gone, and the session is not at its end. */
void session_table_release(SessionTable *t, SessionSlot *slot);

/* The session is over; frees the slot. */
void session_table_end(SessionTable *t, SessionSlot *slot);

/* How often the session was woken; to be read before the queue is looked at. */
unsigned session_table_wakes(SessionTable *t, SessionSlot *slot);

/* Waits until the session is woken more often than seen. True then; false when the time is up or the
 * table is closed: from then on the session takes no more commands. */
bool session_table_wait(SessionTable *t, SessionSlot *slot, unsigned seen, uint64_t timeout_usec);

/* A command was queued. True if a session of the device will look at the queue, false if there is none. */
bool session_table_wake(SessionTable *t, const char *device);

/* Ends the sessions that were released too long ago. *ret are their devices (the caller's). 0 or -ENOMEM. */
int session_table_collect(SessionTable *t, char ***ret);

/* Ends all waiting and shuts all connections down, so that the threads end. */
void session_table_close(SessionTable *t);
