/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of one CWMP session (TR-069 section 3.7) as a step function: what came from the ACS goes in, what is to be
 * done next comes out. No I/O. */
#pragma once

#include "agent/core/cwmp-message.h"

/* Times that an ACS may answer a request of ours with "retry request" before the session fails. */
#define SESSION_RETRIES_MAX 3U
/* Requests of ours in one session; every transfer can be told. */
#define SESSION_REQUESTS_MAX TRANSFERS_MAX

typedef enum SessionAction {
        SESSION_SEND,    /* session_message() is to be sent */
        SESSION_PERFORM, /* the request is to be carried out and its response given to session_respond() */
        SESSION_DONE,    /* the session succeeded and is over */
        SESSION_FAILED,  /* session_error() says why */
} SessionAction;

typedef struct Session Session;

/* Takes the Inform over. 0 or -ENOMEM. */
int session_new(Session **ret, CwmpMessage *inform);
Session *session_free(Session *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Session *, session_free);

/* Appends a request of ours, taken over, that goes out after the InformResponse as soon as the ACS lets it
 * (HoldRequests). 0 or -ENOSPC. */
int session_add_request(Session *s, CwmpMessage *request);

/* The request of ours that the ACS has just answered with a response, or with "method not supported", which is an
 * answer too; NULL if none was. Asked after session_receive(); stays the session's until the next. */
const CwmpMessage *session_answered(const Session *s);

/* The message to send: first the Inform. Stays the session's. */
const CwmpMessage *session_message(const Session *s);

/* What the ACS answered. With SESSION_PERFORM the message is the request and stays the caller's, as in all cases. */
SessionAction session_receive(Session *s, const CwmpMessage *m);

/* The response (or fault) to the request that was to be performed is taken over; send it. NULL stands for
 * "memory ran out" and fails the session. */
SessionAction session_respond(Session *s, CwmpMessage *response);

/* True once the InformResponse came: the events are delivered. */
bool session_is_informed(const Session *s);

/* A static text. */
const char *session_error(const Session *s);
