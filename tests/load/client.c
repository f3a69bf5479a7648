/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/load/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/core/backoff.h"
#include "agent/session-worker/soap-codec.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/http/digest.h"

#define RESPONSE_MAX (256U * 1024U)
#define ACCURACY_USEC 1000U
/* ManagementServer.CWMPRetryIntervalMultiplier, thousandths: its default. */
#define RETRY_MULTIPLIER 2000U

static uint64_t random_number(void) {
        uint64_t n = 0;

        (void) getrandom(&n, sizeof(n), GRND_NONBLOCK);
        return n;
}

void client_init(Client *c, ClientContext *context) {
        *c = (Client) { .context = context, .fd = -EBADF };
}

static void close_session(Client *c) {
        if (c->session)
                c->context->n_open--;
        c->session = session_free(c->session);
        c->io = sd_event_source_disable_unref(c->io);
        c->fd = safe_close(c->fd);
        c->out = mfree(c->out);
        c->in = mfree(c->in);
        c->in_size = c->out_size = c->out_sent = 0;
        c->cookie[0] = 0;
}

void client_done(Client *c) {
        close_session(c);
        (void) sd_event_source_disable_unref(c->timer);
        free(c->challenge);
        gateway_done(&c->gateway);
}

bool client_is_idle(const Client *c) {
        return !c->session && !c->timer && c->gateway.events == 0;
}

/* What is still to be told is told at once, or after a failure as TR-069 3.2.1.1 wants it. */
static void end_session(Client *c, bool succeeded) {
        uint64_t usec = 0;
        int r;

        close_session(c);
        gateway_session_ended(&c->gateway, succeeded);
        c->retries = succeeded ? 0 : c->retries + 1;
        if (succeeded)
                c->context->n_sessions++;
        else
                usec = backoff_interval_usec(
                                c->retries, c->context->retry_minimum, RETRY_MULTIPLIER, random_number());
        r = gateway_work(&c->gateway);
        if (r >= 0 && c->gateway.events != 0)
                r = client_schedule(c, usec);
        if (r < 0)
                (void) log_error_errno(r, "%s: %m", c->gateway.username);
}

static void break_session(Client *c, const char *why) {
        log_debug("%s: %s", c->gateway.username, why);
        c->context->n_broken++;
        end_session(c, false);
}

/* The envelope in new memory; *ret is NULL for an empty message. */
static int make_envelope(struct soap *soap, const CwmpMessage *m, char **ret) {
        const char *text = NULL;
        int r = 0;

        if (m->type == CWMP_EMPTY) {
                *ret = NULL;
                return 0;
        }
        soap_begin(soap);
        soap->os = &text;
        if (soap_begin_send(soap) || soap_codec_put(soap, m) || soap_end_send(soap) || !text)
                r = -EIO;
        soap->os = NULL;
        *ret = r < 0 ? NULL : strdup(text);
        soap_destroy(soap);
        soap_end(soap);
        return r < 0 || *ret ? r : -ENOMEM;
}

/* With the nonce that is known already, as the agent does it. */
static char *authorization(Client *c) {
        _cleanup_digest_fields_ DigestFields challenge = {};
        _cleanup_free_ char *value = NULL;

        if (!c->challenge || c->reports || digest_parse(c->challenge, &challenge) < 0)
                return strdup("");
        value = digest_authorize(
                        &challenge, c->gateway.username, c->context->password, "POST", "/", ++c->nonce_count, "0a4f");
        return value ? strfmt("Authorization: %s\r\n", value) : NULL;
}

static void update_io(Client *c) {
        (void) sd_event_source_set_io_events(c->io, EPOLLIN | (c->out_sent < c->out_size ? EPOLLOUT : 0));
}

static int send_message(Client *c) {
        _cleanup_free_ char *envelope = NULL, *digest = authorization(c);
        int r = make_envelope(c->context->soap, session_message(c->session), &envelope);

        if (r < 0 || !digest)
                return r < 0 ? r : -ENOMEM;
        free(c->out);
        c->out = strfmt("POST / HTTP/1.1\r\nHost: acs\r\n%s%s%s%s%sContent-Length: %zu\r\n\r\n%s",
                        digest,
                        c->cookie[0] ? "Cookie: " : "",
                        c->cookie,
                        c->cookie[0] ? "\r\n" : "",
                        envelope ? "Content-Type: text/xml; charset=utf-8\r\nSOAPAction:\r\n" : "",
                        strlen(strempty(envelope)),
                        strempty(envelope));
        if (!c->out)
                return -ENOMEM;
        c->out_size = strlen(c->out);
        c->out_sent = 0;
        update_io(c);
        return 0;
}

typedef struct Response {
        int status;
        size_t length; /* with the head; 0: not complete */
        char *body;    /* in the buffer */
} Response;

/* The value of a header, up to the end of its line. */
static char *header(const char *head, const char *name) {
        size_t n = strlen(name);

        for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
                if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
                        const char *value = line + 3 + n + strspn(line + 3 + n, " ");

                        return strndup(value, strcspn(value, "\r"));
                }
        return NULL;
}

/* c->in, which ends with a NUL, holds size bytes. */
static int read_head(Client *c, Response *ret) {
        char *end = strstr(c->in, "\r\n\r\n");
        _cleanup_free_ char *length = NULL, *cookie = NULL, *challenge = NULL;
        uint32_t n = 0;

        *ret = (Response) {};
        if (!end)
                return 0;
        end[2] = 0;
        length = header(c->in, "Content-Length");
        cookie = header(c->in, "Set-Cookie");
        challenge = header(c->in, "WWW-Authenticate");
        end[2] = '\r';
        if (sscanf(c->in, "HTTP/1.1 %d ", &ret->status) != 1 || (length && parse_uint32(length, &n) < 0))
                return -EBADMSG;
        ret->body = end + 4;
        if (c->in_size < (size_t) (ret->body - c->in) + n)
                return 0;
        ret->length = (size_t) (ret->body - c->in) + n;
        if (cookie)
                (void) snprintf(c->cookie, sizeof(c->cookie), "%.*s", (int) strcspn(cookie, ";"), cookie);
        if (challenge) {
                free(c->challenge);
                c->challenge = TAKE_PTR(challenge);
                c->nonce_count = 0;
        }
        return 0;
}

static CwmpMessage *parse_envelope(struct soap *soap, const char *text) {
        CwmpMessage *m = NULL;

        soap_begin(soap);
        soap->is = text;
        if (soap_begin_recv(soap) != SOAP_OK || soap_codec_get(soap, &m) != SOAP_OK)
                m = cwmp_message_free(m);
        soap->is = NULL;
        soap_destroy(soap);
        soap_end(soap);
        return m;
}

/* One step of the session. */
static void take_message(Client *c, const CwmpMessage *m) {
        SessionAction action = session_receive(c->session, m);

        if (session_is_informed(c->session) && !c->reports) {
                c->reports = true;
                gateway_informed(&c->gateway);
        }
        if (action == SESSION_PERFORM)
                action = session_respond(c->session, gateway_perform(&c->gateway, m));
        if (action == SESSION_DONE)
                end_session(c, true);
        else if (action == SESSION_FAILED || send_message(c) < 0)
                break_session(c, session_error(c->session));
}

static void take_response(Client *c, const Response *r) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = NULL;

        if (r->status == 401 && !c->challenged) {
                c->challenged = true;
                if (send_message(c) < 0)
                        break_session(c, "out of memory");
                return;
        }
        if (r->status == 503) {
                c->context->n_refused++;
                end_session(c, false);
                return;
        }
        if (r->status == 204)
                m = cwmp_message_new(CWMP_EMPTY);
        else if (r->status == 200)
                m = parse_envelope(c->context->soap, r->body);
        if (m)
                take_message(c, m);
        else
                break_session(c, "the ACS sent what is not understood");
}

static int receive(Client *c) {
        Response response;
        ssize_t n;

        n = recv(c->fd, c->in + c->in_size, RESPONSE_MAX - c->in_size, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n <= 0)
                return -ECONNRESET;
        c->in_size += (size_t) n;
        c->in[c->in_size] = 0;
        if (read_head(c, &response) < 0)
                return -EBADMSG;
        if (response.length > 0) {
                c->in_size = 0;
                take_response(c, &response);
        }
        return 0;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Client *c = userdata;

        if (revents & EPOLLOUT) {
                ssize_t n = send(fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN) {
                        break_session(c, "the ACS is not there");
                        return 0;
                }
                c->out_sent += (size_t) MAX(n, (ssize_t) 0);
                update_io(c);
        }
        if ((revents & ~(uint32_t) EPOLLOUT) && receive(c) < 0)
                break_session(c, "the connection broke");
        return 0;
}

static int open_connection(Client *c) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(c->context->acs_port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        c->in = malloc(RESPONSE_MAX + 1);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (!c->in || c->fd < 0)
                return -ENOMEM;
        if (connect(c->fd, (const struct sockaddr *) &address, sizeof(address)) < 0 && errno != EINPROGRESS)
                return -errno;
        return sd_event_add_io(c->context->event, &c->io, c->fd, EPOLLOUT, on_io, c);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Client *c = userdata;
        CwmpMessage *inform = gateway_inform(&c->gateway, c->retries);
        int r;

        c->timer = sd_event_source_disable_unref(c->timer);
        c->challenged = c->reports = false;
        r = inform ? session_new(&c->session, inform) : -ENOMEM;
        if (r < 0)
                return r;
        c->context->n_open_peak = MAX(c->context->n_open_peak, ++c->context->n_open);
        r = open_connection(c);
        if (r >= 0)
                r = send_message(c);
        if (r < 0)
                break_session(c, strerror(-r));
        return 0;
}

int client_schedule(Client *c, uint64_t usec) {
        if (c->session || c->timer)
                return 0;
        return sd_event_add_time_relative(
                        c->context->event, &c->timer, CLOCK_MONOTONIC, usec, ACCURACY_USEC, on_timer, c);
}

int client_restart(Client *c, uint64_t usec) {
        int r = gateway_boot(&c->gateway);

        close_session(c);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->challenge = mfree(c->challenge);
        c->retries = 0;
        return r < 0 ? r : client_schedule(c, usec);
}
