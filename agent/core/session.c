/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/session.h"

#include "common/base/str.h"

typedef enum SessionState {
        STATE_INFORM,   /* the Inform was sent */
        STATE_LISTEN,   /* an empty request or a response was sent */
        STATE_PERFORM,  /* a request of the ACS is being carried out */
        STATE_END,
} SessionState;

struct Session {
        SessionState state;
        CwmpMessage *inform;
        CwmpMessage *message; /* last sent after the Inform */
        unsigned inform_retries;
        bool informed;
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
        return mfree(s);
}

const CwmpMessage *session_message(const Session *s) {
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

static SessionAction receive_inform_response(Session *s, const CwmpMessage *m) {
        if (m->type == CWMP_FAULT && m->fault_code == ACS_FAULT_RETRY_REQUEST &&
            s->inform_retries < SESSION_INFORM_RETRIES_MAX) {
                s->inform_retries++;
                return SESSION_SEND;
        }
        if (m->type == CWMP_FAULT)
                return fail(s, "The ACS answered the Inform with a fault");
        if (m->type != CWMP_INFORM_RESPONSE)
                return fail(s, "The ACS did not answer the Inform");
        if (!streq_ptr(m->id, s->inform->id))
                return fail(s, "The InformResponse has another ID than the Inform");

        s->informed = true;
        return send_message(s, cwmp_message_new(CWMP_EMPTY));
}

SessionAction session_receive(Session *s, const CwmpMessage *m) {
        switch (s->state) {
        case STATE_INFORM:
                return receive_inform_response(s, m);

        case STATE_LISTEN:
                if (m->type == CWMP_EMPTY) {
                        /* TR-069 3.7.1.4: the ACS has nothing more, and knows that we have nothing more. */
                        s->state = STATE_END;
                        return SESSION_DONE;
                }
                if (!cwmp_message_is_request(m))
                        return fail(s, "The ACS sent a response that nothing was asked for");
                s->state = STATE_PERFORM;
                return SESSION_PERFORM;

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
