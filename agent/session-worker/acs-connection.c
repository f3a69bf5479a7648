/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/acs-connection.h"

#include <netinet/tcp.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/session-worker/acs-tls.h"
#include "agent/session-worker/acs-url.h"
#include "agent/session-worker/soap-codec.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/http/digest.h"

/* What an ACS sends along with a challenge; more is not worth keeping the connection. */
#define CHALLENGE_BODY_MAX 2048U

int acs_connection_fail(AcsConnection *c, const char *what) {
        char text[512] = "";

        if (c->soap.error != SOAP_OK && c->soap.error < 200)
                (void) soap_sprint_fault(&c->soap, text, sizeof(text));
        /* One line for the log. */
        for (char *p = text; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = ' ';
        free(c->error);
        c->error = text[0] ? strfmt("%s: %s", what, text) : strdup(what);
        return -EIO;
}

static int fail_status(AcsConnection *c, int status) {
        free(c->error);
        c->error = strfmt("The ACS answered with HTTP status %d", status);
        return -EIO;
}

/* The value of the Authorization header for the request under way; NULL if there is none to give. */
static char *authorization(AcsConnection *c) {
        _cleanup_digest_fields_ DigestFields challenge = {};

        if (c->basic_realm) {
                _cleanup_free_ char *pair =
                                strfmt("%s:%s",
                                       strempty(c->credentials.username),
                                       strempty(c->credentials.password));
                char *base64 = pair ? soap_s2base64(&c->soap, (const unsigned char *) pair, NULL, (int) strlen(pair)) :
                                      NULL;
                return base64 ? strfmt("Basic %s", base64) : NULL;
        }

        if (!c->credentials.challenge || digest_parse(c->credentials.challenge, &challenge) < 0)
                return NULL;
        return digest_authorize(
                        &challenge,
                        strempty(c->credentials.username),
                        strempty(c->credentials.password),
                        "POST",
                        c->request_uri,
                        ++c->credentials.nonce_count,
                        c->cnonce);
}

/* What gSOAP does not know of the request's headers. */
static int end_headers(AcsConnection *c) {
        _cleanup_free_ char *credentials = authorization(c), *cookies = NULL;
        struct soap *soap = &c->soap;

        if (cookie_jar_header(&c->cookies, soap->host, c->request_uri, acs_url_is_https(c->url), &cookies) < 0)
                return soap->error = SOAP_EOM;
        if (cookies && (soap_send(soap, "Cookie: ") || soap_send(soap, cookies) || soap_send(soap, "\r\n")))
                return soap->error;
        if (credentials &&
            (soap_send(soap, "Authorization: ") || soap_send(soap, credentials) || soap_send(soap, "\r\n")))
                return soap->error;
        return soap_send(soap, "\r\n");
}

/* gSOAP calls this for the request line, each header, and with NULL for the end of them. Every byte of a
 * header travels with each message: only what is needed goes out. */
static int post_header(struct soap *soap, const char *key, const char *value) {
        AcsConnection *c = soap->user;

        if (!key)
                return end_headers(c);

        if (!value) { /* "POST /path HTTP/1.1" */
                const char *uri = strchr(key, ' ');
                size_t n = uri ? strcspn(uri + 1, " ") : 0;
                if (n == 0 || n >= sizeof(c->request_uri))
                        return soap->error = SOAP_HTTP_ERROR;
                memcpy(c->request_uri, uri + 1, n);
                c->request_uri[n] = 0;
                return soap_send(soap, key) || soap_send(soap, "\r\n") ? soap->error : SOAP_OK;
        }

        if (strcasecmp(key, "User-Agent") == 0 || strcasecmp(key, "Connection") == 0 ||
            (strcasecmp(key, "Accept-Encoding") == 0 && !c->compress) ||
            (c->empty_request && (strcasecmp(key, "Content-Type") == 0 || strcasecmp(key, "SOAPAction") == 0)))
                return SOAP_OK;
        if (strcasecmp(key, "SOAPAction") == 0)
                value = "";
        else if (strcasecmp(key, "Accept-Encoding") == 0)
                value = "gzip";

        if (soap_send(soap, key) || soap_send(soap, ": ") || soap_send(soap, value) || soap_send(soap, "\r\n"))
                return soap->error;
        return SOAP_OK;
}

/* Keeps the cookies, and the challenge that suits best; everything else is gSOAP's. */
static int parse_header(struct soap *soap, const char *key, const char *value) {
        AcsConnection *c = soap->user;

        if (strcasecmp(key, "Set-Cookie") == 0)
                return cookie_jar_take(&c->cookies, soap->host, c->request_uri, value) < 0 ? SOAP_EOM : SOAP_OK;
        if (strcasecmp(key, "WWW-Authenticate") != 0)
                return c->http_default_parse_header(soap, key, value);

        _cleanup_digest_fields_ DigestFields f = {};
        if (digest_parse(value, &f) >= 0) {
                if (!digest_challenge_is_usable(&f))
                        return SOAP_OK;
                c->basic_realm = mfree(c->basic_realm);
                c->credentials.nonce_count = 0;
                return free_and_strdup(&c->credentials.challenge, value) < 0 ? SOAP_EOM : SOAP_OK;
        }

        /* TR-069 3.4.5: without TLS it must be Digest. */
        if (strncasecmp(value, "Basic ", strlen("Basic ")) == 0 && (acs_url_is_https(c->url) || c->basic_without_tls) &&
            !c->credentials.challenge)
                return free_and_strdup(&c->basic_realm, value) < 0 ? SOAP_EOM : SOAP_OK;
        return SOAP_OK;
}

static int send_collected(struct soap *soap) {
        AcsConnection *c = soap->user;
        size_t n = c->n_collected;

        c->n_collected = 0;
        return n > 0 ? c->default_send(soap, c->collected, n) : SOAP_OK;
}

/* gSOAP writes header, body and trailer apart. Each write would be a TLS record, with 22 bytes of its own. */
static int collect(struct soap *soap, const char *data, size_t n) {
        AcsConnection *c = soap->user;

        int r = n > sizeof(c->collected) - c->n_collected ? send_collected(soap) : SOAP_OK;
        if (r != SOAP_OK)
                return r;
        if (n > sizeof(c->collected))
                return c->default_send(soap, data, n);
        memcpy(c->collected + c->n_collected, data, n);
        c->n_collected += n;
        return SOAP_OK;
}

/* The segments of a longer message are full ones, and the end of the TLS handshake waits for the first message. Only
 * for economy: that it fails is no error. */
static void hold_back(struct soap *soap, bool on) {
        int value = on;

        if (soap_valid_socket(soap->socket))
                (void) setsockopt(soap->socket, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

/* TR-069 3.4.5: a new one for each connection. */
static int new_cnonce(AcsConnection *c) {
        unsigned char random[(sizeof(c->cnonce) - 1) / 2];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return -errno;
        format_hex(random, sizeof(random), c->cnonce);
        return 0;
}

static SOAP_SOCKET open_connection(struct soap *soap, const char *endpoint, const char *host, int port) {
        AcsConnection *c = soap->user;
        int off = 0;

        if (new_cnonce(c) < 0) {
                soap->error = SOAP_FATAL_ERROR;
                return SOAP_INVALID_SOCKET;
        }
        SOAP_SOCKET fd = acs_tls_open(c, endpoint, host, port);
        if (!soap_valid_socket(fd))
                return fd;
        /* The TLS handshake, which must not be held back but for its end, is done. */
        hold_back(soap, true);
        /* What is acknowledged by the next message needs no segment of its own. */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
        return fd;
}

static int end_send(struct soap *soap) {
        int r = soap_end_send(soap) ?: (soap->error = send_collected(soap));

        hold_back(soap, false);
        hold_back(soap, true);
        return r;
}

/* gSOAP closes the connection after a status that is an error: a challenge is none. */
static int parse_response(struct soap *soap) {
        AcsConnection *c = soap->user;

        int r = c->default_parse(soap);
        return r == 401 ? soap->error = SOAP_OK : r;
}

/* gSOAP reads until its parser is content: an envelope that ends too early would make it wait for what never comes. */
static size_t receive_bounded(struct soap *soap, char *data, size_t n) {
        AcsConnection *c = soap->user;

        if (c->body_is_bounded)
                n = MIN(n, c->body_left);
        n = n > 0 ? c->default_receive(soap, data, n) : 0;
        if (c->body_is_bounded)
                c->body_left -= MIN(n, c->body_left);
        return n;
}

int acs_connection_init(AcsConnection *c, Frame *open) {
        struct soap *soap = &c->soap;

        cwmp_soap_init(soap);
        soap->user = c;
        soap->connect_timeout = ACS_CONNECT_TIMEOUT;
        soap->send_timeout = soap->recv_timeout = ACS_TRANSFER_TIMEOUT;
        soap->transfer_timeout = ACS_MESSAGE_TIMEOUT;
        soap->fposthdr = post_header;
        c->http_default_parse_header = soap->fparsehdr;
        soap->fparsehdr = parse_header;
        c->default_open = soap->fopen;
        soap->fopen = open_connection;
        c->default_send = soap->fsend;
        soap->fsend = collect;
        c->default_receive = soap->frecv;
        soap->frecv = receive_bounded;
        c->default_parse = soap->fparse;
        soap->fparse = parse_response;

        c->url = TAKE_PTR(open->url);
        c->credentials = open->credentials;
        open->credentials = (HttpCredentials) {};
        c->compress = open->compress;
        c->basic_without_tls = open->basic_without_tls;
        c->clock_is_right = open->clock_is_right;
        c->trusted_certificates = TAKE_PTR(open->trusted_certificates);
        c->client_certificate = TAKE_PTR(open->client_certificate);
        if (c->compress)
                soap_set_omode(soap, SOAP_ENC_ZLIB);

        if (!acs_url_is_usable(c->url)) {
                (void) acs_connection_fail(c, "ManagementServer.URL is not a usable URL");
                return -EINVAL;
        }
        if (!acs_url_is_https(c->url))
                return 0;
        int r = acs_tls_setup(c);
        if (r >= 0)
                acs_tls_resume(c, &open->ticket);
        return r;
}

void acs_connection_done(AcsConnection *c) {
        acs_tls_read_farewell(c);
        soap_destroy(&c->soap);
        soap_end(&c->soap);
        soap_done(&c->soap);
        cookie_jar_done(&c->cookies);
        free(c->url);
        free(c->trusted_certificates);
        free(c->client_certificate);
        free(c->basic_realm);
        free(c->credentials.username);
        if (c->credentials.password)
                explicit_bzero(c->credentials.password, strlen(c->credentials.password));
        free(c->credentials.password);
        free(c->credentials.challenge);
        free(c->ticket_host);
        tls_ticket_done(&c->ticket);
        free(c->error);
}

static int send_request(AcsConnection *c, const CwmpMessage *m) {
        struct soap *soap = &c->soap;

        soap_begin(soap);
        c->n_collected = 0;
        c->empty_request = m->type == CWMP_EMPTY;
        if (c->empty_request) {
                /* There is nothing to compress, and a gzip stream of nothing is not nothing. */
                soap_clr_omode(soap, SOAP_ENC_ZLIB);
                int r = soap_begin_count(soap) || soap_end_count(soap) ||
                        soap_connect_command(soap, SOAP_POST, c->url, NULL) || end_send(soap);
                if (c->compress)
                        soap_set_omode(soap, SOAP_ENC_ZLIB);
                return r ? soap->error : SOAP_OK;
        }

        if (soap_begin_count(soap) || ((soap->mode & SOAP_IO_LENGTH) && soap_codec_put(soap, m)) ||
            soap_end_count(soap) || soap_connect_command(soap, SOAP_POST, c->url, "") || soap_codec_put(soap, m) ||
            end_send(soap))
                return soap->error ?: SOAP_FATAL_ERROR;
        return SOAP_OK;
}

/* A chunked or compressed body has an end of its own. */
static void bound_body(AcsConnection *c) {
        const struct soap *soap = &c->soap;
        size_t here = soap->buflen - soap->bufidx;

        c->body_is_bounded = (soap->mode & SOAP_IO) != SOAP_IO_CHUNK && soap->length > 0 &&
                             soap->zlib_in == SOAP_ZLIB_NONE;
        c->body_left = soap->length - MIN(soap->length, here);
}

static int set_empty(AcsConnection *c, CwmpMessage **ret) {
        *ret = cwmp_message_new(CWMP_EMPTY);
        return *ret ? 0 : acs_connection_fail(c, "Out of memory");
}

/* Whether there may be an envelope in the response: with success, or with 500, as SOAP 1.1 section 6.2 has it for
 * faults. */
static bool may_be_envelope(int status) {
        return (status >= 200 && status < 300) || status == 500;
}

/* 0 with *ret set, or the HTTP status (401, 302, ...) that wants another try, or -EIO. */
static int receive_response(AcsConnection *c, CwmpMessage **ret) {
        struct soap *soap = &c->soap;

        int r = soap_begin_recv(soap);
        if (r == SOAP_OK && soap->status == 401)
                return 401;
        /* gSOAP gives back the status where there is no body: some ACSs end the session with 200 and nothing. */
        if (r == 204 || r == 200 || (r == SOAP_OK && (soap->status == 204 || !soap->body)))
                return set_empty(c, ret);
        if (r >= 200 && r < 600)
                return r;
        if (r != SOAP_OK)
                return acs_connection_fail(c, "Cannot receive the answer of the ACS");
        /* gSOAP takes the text that goes with it for an envelope. */
        if (!may_be_envelope(soap->status)) {
                soap_force_closesock(soap);
                return soap->status;
        }

        /* Chunked, and then nothing in it. */
        if ((soap->mode & SOAP_IO) == SOAP_IO_CHUNK && soap_get0(soap) == (soap_wchar) EOF)
                return set_empty(c, ret);

        bound_body(c);
        r = soap_codec_get(soap, ret);
        c->body_is_bounded = false;
        if (r != SOAP_OK)
                return acs_connection_fail(c, "Cannot read the answer of the ACS");
        cwmp_soap_follow_version(soap, &c->version);
        return 0;
}

/* TR-069 3.4.5: the answer to a challenge goes on the same connection. For that, what the ACS says to people must
 * be out of the way. */
static void keep_or_close(AcsConnection *c) {
        struct soap *soap = &c->soap;
        char rest[CHALLENGE_BODY_MAX];

        if (!soap->keep_alive || (soap->mode & SOAP_IO) == SOAP_IO_CHUNK || soap->length > sizeof(rest)) {
                soap_force_closesock(soap);
                return;
        }

        /* gSOAP has read a part of it into its buffer with the headers. */
        for (size_t left = soap->length - MIN(soap->length, soap->buflen - soap->bufidx); left > 0;) {
                size_t n = soap->frecv(soap, rest, left);
                if (n == 0) {
                        soap_force_closesock(soap);
                        return;
                }
                left -= MIN(left, n);
        }
}

/* Takes the new place from gSOAP, which keeps the Location header as its endpoint. */
static int follow_redirect(AcsConnection *c) {
        const char *location = c->soap.endpoint;
        _cleanup_free_ char *url = NULL;

        url = acs_url_resolve(c->url, location);
        if (!url)
                return acs_connection_fail(c, "Out of memory");

        if (!acs_url_is_usable(url))
                return acs_connection_fail(c, "The ACS redirects to an unusable URL");
        /* What was promised to be confidential must not be sent in the clear. */
        if (acs_url_is_https(c->url) && !acs_url_is_https(url))
                return acs_connection_fail(c, "The ACS redirects from https to http");
        if (acs_url_is_https(url) && !acs_url_is_https(c->url) && acs_tls_setup(c) < 0)
                return -EIO;

        soap_force_closesock(&c->soap);
        free(c->url);
        c->url = TAKE_PTR(url);
        return 0;
}

/* An ACS that knows only the first version refuses the first message of a newer one with 400, or says so (TR-069
 * 3.7.1.2, fault 8006). */
static bool wants_oldest_version(const CwmpMessage *m, int status, const CwmpMessage *answer) {
        if (m->type != CWMP_INFORM)
                return false;
        return status == 400 || (answer && answer->type == CWMP_FAULT &&
                                 answer->fault_code == ACS_FAULT_INCOMPATIBLE_VERSION);
}

/* For the rest of the session, if that is why the message was refused: 415 says so (TR-069 3.4.7); for an ACS that does
 * not know of compression the message is garbage, which is 400. */
static bool drops_compression(AcsConnection *c, int status) {
        if (!c->compress || c->empty_request || (status != 415 && status != 400))
                return false;
        c->compress = false;
        soap_clr_omode(&c->soap, SOAP_ENC_ZLIB);
        return true;
}

int acs_connection_exchange(AcsConnection *c, const CwmpMessage *m, CwmpMessage **ret) {
        bool challenged = false;

        for (unsigned redirects = 0;;) {
                bool oldest = cwmp_soap_is_oldest(&c->soap);
                if (send_request(c, m) != SOAP_OK)
                        return acs_connection_fail(c, "Cannot send to the ACS");

                int r = receive_response(c, ret);
                soap_destroy(&c->soap);
                soap_end(&c->soap);
                if (drops_compression(c, r))
                        continue;
                if (!oldest && wants_oldest_version(m, r, r == 0 ? *ret : NULL)) {
                        if (r == 0)
                                *ret = cwmp_message_free(*ret);
                        cwmp_soap_set_version(&c->soap, &c->version, CWMP_URN_OLDEST);
                        continue;
                }
                if (r <= 0)
                        return r;

                switch (r) {
                case 401:
                        if (challenged || (!c->credentials.challenge && !c->basic_realm))
                                return fail_status(c, r);
                        challenged = true;
                        keep_or_close(c);
                        break;
                case 302:
                case 307:
                        if (++redirects > ACS_REDIRECTS_MAX)
                                return acs_connection_fail(c, "The ACS redirects in a circle");
                        r = follow_redirect(c);
                        if (r < 0)
                                return r;
                        break;
                default:
                        return fail_status(c, r);
                }
        }
}
