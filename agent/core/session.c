/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/session.h"

#include "common/base/str.h"

typedef enum SessionState {
        STATE_INFORM,   /* the Inform was sent */
        STATE_CALL,     /* another request of ours was sent */
        STATE_LISTEN,   /* an empty request or a response was sent */
        STATE_PERFORM,  /* a request of the ACS is being carried out */
        STATE_END,
} SessionState;

struct Session {
        SessionState state;
        CwmpMessage *inform;
        CwmpMessage *message; /* last sent after the Inform */
        CwmpMessage *requests[SESSION_REQUESTS_MAX];
        size_t n_requests, next_request; /* those before next_request were sent */
        unsigned retries; /* of the request under way */
        bool hold_requests;
        bool informed;
        const CwmpMessage *answered;
        const char *error;
};

int session_new(Session **ret, CwmpMessage *inform) {
        Session *s = calloc(1, sizeof(*s));
        if (!s) {
                cwmp_message_free(inform);
                return -ENOMEM;
        }

        s->inform = inform;
        *ret = s;
        return 0;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        cwmp_message_free(s->inform);
        cwmp_message_free(s->message);
        for (size_t i = 0; i < s->n_requests; i++)
                cwmp_message_free(s->requests[i]);
        return mfree(s);
}

int session_add_request(Session *s, CwmpMessage *request) {
        if (s->n_requests == SESSION_REQUESTS_MAX) {
                cwmp_message_free(request);
                return -ENOSPC;
        }
        s->requests[s->n_requests++] = request;
        return 0;
}

const CwmpMessage *session_answered(const Session *s) {
        return s->answered;
}

const CwmpMessage *session_message(const Session *s) {
        if (s->state == STATE_CALL)
                return s->requests[s->next_request - 1];
        return s->message ?: s->inform;
}

bool session_is_informed(const Session *s) {
        return s->informed;
}

const char *session_error(const Session *s) {
        return strempty(s->error);
}

static SessionAction fail(Session *s, const char *error) {
        s->state = STATE_END;
        s->error = error;
        return SESSION_FAILED;
}

static SessionAction send_message(Session *s, CwmpMessage *m) {
        if (!m)
                return fail(s, "Out of memory");

        cwmp_message_free(s->message);
        s->message = m;
        s->state = STATE_LISTEN;
        return SESSION_SEND;
}

/* TR-069 3.7.1.3: what is asked for next. Nothing more of ours, or not yet: an empty request. */
static SessionAction call_or_listen(Session *s) {
        if (s->hold_requests || s->next_request == s->n_requests)
                return send_message(s, cwmp_message_new(CWMP_EMPTY));

        s->next_request++;
        s->retries = 0;
        s->state = STATE_CALL;
        return SESSION_SEND;
}

/* TR-069 A.5.2: the identical request again, a few times. */
static bool is_retry(Session *s, const CwmpMessage *m) {
        return m->type == CWMP_FAULT && m->fault_code == ACS_FAULT_RETRY_REQUEST && s->retries++ < SESSION_RETRIES_MAX;
}

/* Of the versions that this agent offered; all of them are spoken the same way, in the namespace of the ACS. */
static bool version_is_supported(const char *version) {
        static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3", "1.4" };

        for (size_t i = 0; i < ELEMENTSOF(versions); i++)
                if (streq(versions[i], version))
                        return true;
        return false;
}

static SessionAction receive_inform_response(Session *s, const CwmpMessage *m) {
        if (is_retry(s, m))
                return SESSION_SEND;
        if (m->type == CWMP_FAULT)
                return fail(s, "The ACS answered the Inform with a fault");
        if (m->type != CWMP_INFORM_RESPONSE)
                return fail(s, "The ACS did not answer the Inform");
        if (!streq_ptr(m->id, s->inform->id))
                return fail(s, "The InformResponse has another ID than the Inform");
        if (m->use_version && !version_is_supported(m->use_version))
                return fail(s, "The ACS wants a version of CWMP that this agent does not speak");

        s->informed = true;
        return call_or_listen(s);
}

static SessionAction receive_response(Session *s, const CwmpMessage *m) {
        const CwmpMessage *request = s->requests[s->next_request - 1];

        if (is_retry(s, m))
                return SESSION_SEND;
        if (m->type == CWMP_FAULT && m->fault_code != ACS_FAULT_METHOD_NOT_SUPPORTED)
                return fail(s, "The ACS answered a request with a fault");
        /* In the enumeration every response follows its request. */
        if (m->type != CWMP_FAULT && m->type != request->type + 1)
                return fail(s, "The ACS did not answer a request");
        if (!streq_ptr(m->id, request->id))
                return fail(s, "The response of the ACS has another ID than the request");

        s->answered = request;
        return call_or_listen(s);
}

static SessionAction receive_request(Session *s, const CwmpMessage *m) {
        if (m->type == CWMP_EMPTY && s->next_request < s->n_requests)
                return call_or_listen(s);
        if (m->type == CWMP_EMPTY) {
                /* TR-069 3.7.1.4: the ACS has nothing more, and knows that we have nothing more. */
                s->state = STATE_END;
                return SESSION_DONE;
        }
        if (!cwmp_message_is_request(m))
                return fail(s, "The ACS sent a response that nothing was asked for");
        s->state = STATE_PERFORM;
        return SESSION_PERFORM;
}

SessionAction session_receive(Session *s, const CwmpMessage *m) {
        s->answered = NULL;
        /* TR-069 3.5: what is not there is false; an empty response holds nothing back. */
        s->hold_requests = m->hold_requests;

        switch (s->state) {
        case STATE_INFORM:
                return receive_inform_response(s, m);
        case STATE_CALL:
                return receive_response(s, m);
        case STATE_LISTEN:
                return receive_request(s, m);
        case STATE_PERFORM:
        case STATE_END:
                return fail(s, "The ACS spoke out of turn");
        }

        return fail(s, "Unknown state");
}

SessionAction session_respond(Session *s, CwmpMessage *response) {
        if (s->state != STATE_PERFORM) {
                cwmp_message_free(response);
                return fail(s, "A response without a request");
        }
        return send_message(s, response);
}
