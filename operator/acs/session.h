/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One CWMP session as an engine: what the device sent in, what it gets out. No sockets, no threads, no
 * waiting. */
#pragma once

#include "operator/acs/soap-codec.h"
#include "operator/acs/store.h"

typedef struct Session Session;

/* What the ACS sets in a device that it has not provisioned yet, besides the credentials of connection requests, and
 * what it notes of its Informs. */
typedef struct SessionSettings {
        uint32_t periodic_inform_interval; /* seconds; 0: left alone */
        bool compression;                  /* switch gzip on if the device has it */
        char *const *parameters;           /* of interest, relative to the root: the registry has their newest values */
} SessionSettings;

typedef enum SessionVerdict {
        SESSION_REPLY, /* send the envelope */
        SESSION_IDLE,  /* nothing to order: wait for commands and ask again, or end the session with 204 */
        SESSION_ABORT, /* the device does not follow the protocol: 400 and close */
} SessionVerdict;

/* Whether it is worth to wait when there is nothing to order. */
typedef enum SessionExpectation {
        SESSION_EXPECTS_NOTHING,
        SESSION_EXPECTS_REACTION, /* the device has started or changed its state, which the frontend may answer */
        SESSION_EXPECTS_COMMAND,  /* the frontend said that another one follows */
} SessionExpectation;

/* The authenticated device; its Inform comes first. *ret is the caller's. 0 or -ENOMEM. */
int session_new(Session **ret, const char *device, const SessionSettings *settings);
Session *session_free(Session *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Session *, session_free);

/* As given to session_new(); the session's. */
const char *session_device(const Session *s);

/* Takes one message and gives the verdict; with SESSION_REPLY the envelope in *ret_envelope, in the
 * memory of soap. *ret_stored tells that a message was put into the outbox. Returns the verdict or a
 * negative errno: those of the store. */
int session_step(
                Session *s,
                Store *store,
                struct soap *soap,
                const SoapMessage *in,
                int64_t now,
                const char **ret_envelope,
                bool *ret_stored);

/* Asks again after SESSION_IDLE: the next command, or SESSION_IDLE. */
int session_next(
                Session *s, Store *store, struct soap *soap, int64_t now, const char **ret_envelope, bool *ret_stored);

/* What the next command may be, at this point of the session. */
SessionExpectation session_expectation(const Session *s);
