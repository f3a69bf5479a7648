/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is answered to a request: who it is from, its session, lingering for commands. */
#include <stdio.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/connection-internal.h"

/* How long to wait for a command that was announced: far below what a CPE waits for a response. */
#define MORE_PATIENCE_USEC (5 * 1000000ULL)

static struct Namespace *cwmp_namespace(struct Namespace *table) {
        for (; table->id; table++)
                if (streq(table->id, "cwmp"))
                        return table;
        return NULL;
}

/* Messages go out in the version of CWMP that the device uses. gSOAP forgets it with each request that
 * has no body. */
static void restore_version(Connection *c) {
        size_t n = 0;

        while (namespaces[n].id)
                n++;
        assert(n < ELEMENTSOF(c->namespaces));
        if (!c->slot->cwmp_namespace[0])
                return;
        memcpy(c->namespaces, namespaces, (n + 1) * sizeof(struct Namespace));
        cwmp_namespace(c->namespaces)->ns = c->slot->cwmp_namespace;
        (void) soap_set_namespaces(c->soap, c->namespaces);
}

static void remember_version(Connection *c) {
        const struct Namespace *n = cwmp_namespace(c->soap->local_namespaces);

        if (n && n->out && strlen(n->out) < sizeof(c->slot->cwmp_namespace))
                strcpy(c->slot->cwmp_namespace, n->out);
}

/* Asks for (better) credentials. Returns 1 if the connection goes on. */
static int challenge(Connection *c, bool stale) {
        const AuthenticationContext *a = &c->context->authentication;
        bool basic = a->basic && c->transport.ssl;
        char nonce[NONCE_SIZE], header[HTTP_EXTRA_SIZE];
        const char *body;
        int r;

        r = nonce_new(a->nonces, (uint64_t) connection_now() / 1000000, nonce);
        if (r < 0)
                return r;
        (void) snprintf(
                        header,
                        sizeof(header),
                        "WWW-Authenticate: Digest realm=\"%s\",qop=\"auth\",nonce=\"%s\"%s\r\n%s%s%s",
                        a->realm,
                        nonce,
                        stale ? ",stale=true" : "",
                        basic ? "WWW-Authenticate: Basic realm=\"" : "",
                        basic ? a->realm : "",
                        basic ? "\"\r\n" : "");
        if (http_has_body(&c->http))
                r = http_read_body(&c->http, &body);
        if (r >= 0)
                r = http_respond(&c->http, 401, header, NULL);
        if (r < 0)
                return r;
        return ++c->n_challenges < CHALLENGES_MAX && http_keeps_alive(&c->http);
}

/* Goes on with the session that the cookie names. 1, 0 if there is none, or a negative errno. */
static int resume(Connection *c, const char *cookie) {
        int r = session_table_resume(c->context->sessions, cookie, c->transport.fd, &c->slot);

        if (r >= 0)
                c->trusted = true;
        return r >= 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* Finds or demands who the request is from. Returns 1 to go on with the request, 0 if it was answered
 * with a challenge and the connection goes on, -ECONNRESET if it does not, or another negative errno. */
static int identify(Connection *c) {
        char cookie[SESSION_COOKIE_SIZE];
        int r;

        if (c->cookie[0]) {
                r = resume(c, c->cookie);
                c->cookie[0] = 0;
                /* The device began another one elsewhere, or the answer comes too late. */
                return r == 0 ? -ECONNRESET : r;
        }
        if (http_get_cookie(c->http.cookie, cookie, sizeof(cookie))) {
                r = resume(c, cookie);
                if (r != 0)
                        return r;
        }
        if (c->device)
                return 1;
        r = authenticate(
                        &c->context->authentication,
                        c->store,
                        c->soap,
                        c->transport.ssl,
                        connection_now() / 1000000,
                        c->http.authorization,
                        &c->device);
        if (r < 0 || r == AUTHENTICATION_GOOD)
                return r < 0 ? r : 1;
        r = challenge(c, r == AUTHENTICATION_STALE);
        return r > 0 ? 0 : r == 0 ? -ECONNRESET : r;
}

static int begin_session(Connection *c) {
        _cleanup_(session_freep) Session *session = NULL;
        int r;

        r = session_new(&session, c->device, &c->context->settings);
        if (r < 0)
                return r;
        r = session_table_begin(c->context->sessions, TAKE_PTR(session), c->transport.fd, &c->slot);
        if (r >= 0)
                c->context->notify(CONNECTION_SESSION_BEGUN, c->device, c->context->userdata);
        return r;
}

static uint64_t patience(const Connection *c) {
        switch (session_expectation(c->slot->session)) {
        case SESSION_EXPECTS_NOTHING:
                return 0;
        case SESSION_EXPECTS_REACTION:
                return c->context->linger_usec;
        case SESSION_EXPECTS_COMMAND:
                return MORE_PATIENCE_USEC;
        }
        return 0;
}

/* Waits for commands as long as it is worth it; seen was read before the queue was found empty. Returns the last
 * verdict of the session. */
static int linger(Connection *c, unsigned seen, const char **ret_envelope) {
        uint64_t deadline = connection_now() + patience(c), now;
        bool stored;
        int r;

        for (;;) {
                now = connection_now();
                if (!session_table_wait(
                                    c->context->sessions, c->slot, seen, now < deadline ? deadline - now : 0))
                        return SESSION_IDLE;
                seen = session_table_wakes(c->context->sessions, c->slot);
                r = session_next(c->slot->session, c->store, c->soap, (int64_t) time(NULL), ret_envelope, &stored);
                if (stored)
                        c->context->notify(CONNECTION_MESSAGE_STORED, NULL, c->context->userdata);
                if (r != SESSION_IDLE)
                        return r;
        }
}

static int read_message(Connection *c, SoapMessage *ret) {
        const char *body;
        int r;

        if (!http_has_body(&c->http)) {
                *ret = (SoapMessage) { .kind = SOAP_MESSAGE_EMPTY };
                return 0;
        }
        r = http_read_body(&c->http, &body);
        return r < 0 ? r : soap_codec_read(c->soap, body, ret);
}

static int reply(Connection *c, const SoapMessage *in, const char *envelope) {
        char header[HTTP_EXTRA_SIZE] = "";

        if (in->kind == SOAP_MESSAGE_INFORM)
                (void) snprintf(header, sizeof(header), "Set-Cookie: " HTTP_COOKIE_NAME "=%s\r\n", c->slot->cookie);
        return http_respond(&c->http, 200, header, envelope);
}

/* Answers a request that belongs to a session. Returns 1 if the connection goes on. */
static int step(Connection *c, const SoapMessage *in) {
        const char *envelope = NULL;
        unsigned seen;
        bool stored;
        int r;

        if (in->kind != SOAP_MESSAGE_EMPTY)
                remember_version(c);
        restore_version(c);
        seen = session_table_wakes(c->context->sessions, c->slot);
        r = session_step(c->slot->session, c->store, c->soap, in, (int64_t) time(NULL), &envelope, &stored);
        if (stored)
                c->context->notify(CONNECTION_MESSAGE_STORED, NULL, c->context->userdata);
        if (r == SESSION_IDLE)
                r = linger(c, seen, &envelope);
        if (r < 0)
                return r;
        switch ((SessionVerdict) r) {
        case SESSION_REPLY:
                r = reply(c, in, envelope);
                return r < 0 ? r : http_keeps_alive(&c->http);
        case SESSION_IDLE:
                session_table_end(c->context->sessions, TAKE_PTR(c->slot));
                transport_hold_back(&c->transport);
                return http_respond(&c->http, 204, "", NULL);
        case SESSION_ABORT:
                return -EBADMSG;
        }
        return -EBADMSG;
}

/* Returns 1 if the connection goes on, 0 if it is at its end, a negative errno if the request could not
 * be answered. */
static int serve_request(Connection *c) {
        SoapMessage in;
        int r;

        r = identify(c);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = read_message(c, &in);
        if (r < 0)
                return r;
        if (!c->slot) {
                if (in.kind != SOAP_MESSAGE_INFORM)
                        return -EBADMSG;
                r = begin_session(c);
                if (r < 0)
                        return r;
                c->trusted = true;
        }
        return step(c, &in);
}

/* The last word to a request that could not be served. */
static void respond_error(Connection *c, int error) {
        switch (error) {
        case -ECONNRESET:
                return;
        case -EBADMSG:
                log_info("%s sent what does not belong into its session, which ends.", c->device ?: "A device");
                (void) http_respond(&c->http, 400, "", NULL);
                break;
        case -EBUSY:
                (void) http_respond(&c->http, 503, RETRY_AFTER, NULL);
                break;
        default:
                (void) log_error_errno(error, "A request of %s could not be served: %m", c->device ?: "a device");
                (void) http_respond(&c->http, 503, RETRY_AFTER, NULL);
        }
        c->lingers = true;
}

/* The session waits for the next request, or ends with an error that is not the network's. */
static void leave_session(Connection *c, int error) {
        _cleanup_free_ char *device = NULL;
        bool goes_on = error == -ECONNRESET || error >= 0;

        if (!c->slot && !goes_on && c->cookie[0])
                (void) resume(c, c->cookie);
        if (!c->slot)
                return;
        if (goes_on) {
                strcpy(c->cookie, c->slot->cookie);
                session_table_release(c->context->sessions, TAKE_PTR(c->slot));
                return;
        }
        device = strdup(session_device(c->slot->session));
        session_table_end(c->context->sessions, TAKE_PTR(c->slot));
        if (device)
                c->context->notify(CONNECTION_SESSION_BROKEN, device, c->context->userdata);
}

/* Serves what gSOAP reads from c->http. Returns 1 if the connection goes on, 0 if it is at its end, or a negative
 * errno. */
static int serve_http(Connection *c) {
        int r;

        (void) soap_set_namespaces(c->soap, namespaces);
        r = http_receive(&c->http);
        if (r < 0)
                return r;
        if (c->refused || !c->store || r > 0) {
                c->lingers = true;
                (void) http_respond(&c->http, r > 0 ? r : 503, r > 0 ? "" : RETRY_AFTER, NULL);
                leave_session(c, -EBADMSG);
                return 0;
        }
        r = serve_request(c);
        if (r < 0)
                respond_error(c, r);
        leave_session(c, r);
        return r;
}

bool connection_answer(Connection *c, size_t size) {
        struct soap *soap = c->soap;
        int r;

        http_init(&c->http, soap, &c->transport, c->input.data, size, c->trusted);
        r = serve_http(c);
        http_done(&c->http);
        soap_destroy(soap);
        soap_end(soap);
        soap_free_cookies(soap);
        if (r < 0 || c->lingers) {
                /* gSOAP keeps the state of a decompression that failed, for one */
                soap_done(soap);
                cwmp_soap_init(soap);
        }
        return r > 0;
}
