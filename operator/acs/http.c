/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <strings.h>
#include <zlib.h>

#include "common/base/str.h"
#include "operator/acs/http.h"

/* zlib: a window of 4 KiB holds most messages whole and is cheap to set up; 16 adds the header of gzip. */
#define GZIP_WINDOW_BITS (12 + 16)
#define GZIP_MEMORY_LEVEL 5
/* Status line and the headers that are always there. */
#define HEAD_SIZE (HTTP_EXTRA_SIZE + 256U)

static int on_header(struct soap *soap, const char *key, const char *value) {
        Http *h = soap->user;

        if (strcasecmp(key, "Authorization") == 0) {
                h->authorization_too_long = strlen(value) >= sizeof(h->authorization);
                if (!h->authorization_too_long)
                        strcpy(h->authorization, value);
                return SOAP_OK;
        }
        if (strcasecmp(key, "Cookie") == 0) {
                if (strlen(value) < sizeof(h->cookie))
                        strcpy(h->cookie, value);
                return SOAP_OK;
        }
        /* The body is here already; gSOAP would still say that it waits for it. */
        if (strcasecmp(key, "Expect") == 0)
                return SOAP_OK;
        if (strcasecmp(key, "Accept-Encoding") == 0)
                h->accepts_gzip = strcasestr(value, "gzip") != NULL;
        else if (strcasecmp(key, "Transfer-Encoding") == 0)
                h->chunked = strcasecmp(value, "chunked") == 0;
        return h->parse_header(soap, key, value);
}

/* Of what is there already. */
static size_t receive(struct soap *soap, char *buf, size_t size) {
        Http *h = soap->user;
        size_t n = MIN(size, h->left);

        memcpy(buf, h->data, n);
        h->data += n;
        h->left -= n;
        return n;
}

void http_init(Http *h, struct soap *soap, Transport *transport, const char *data, size_t size, bool trusted) {
        *h = (Http) {
                .soap = soap,
                .transport = transport,
                .data = data,
                .left = size,
                .parse_header = soap->fparsehdr,
                .receive = soap->frecv,
        };
        soap->user = h;
        soap->fparsehdr = on_header;
        soap->frecv = receive;
        soap->socket = SOAP_INVALID_SOCKET;
        soap->buflen = soap->bufidx = 0;
        soap->recv_maxlength = trusted ? CWMP_ENVELOPE_MAX : HTTP_UNAUTHENTICATED_MAX;
}

void http_done(Http *h) {
        h->soap->fparsehdr = h->parse_header;
        h->soap->frecv = h->receive;
        h->soap->user = NULL;
}

int http_receive(Http *h) {
        struct soap *soap = h->soap;

        soap->keep_alive = 1;
        soap->length = 0;
        /* gSOAP has a word of its own for a POST without a body; here it is the usual thing */
        if (soap_begin_recv(soap) == SOAP_OK || soap->error == SOAP_NO_DATA)
                return soap->length > soap->recv_maxlength ? 413 : 0;
        switch (soap->error) {
        case SOAP_EOF:
        case SOAP_TCP_ERROR:
        case SOAP_SSL_ERROR:
                return -ECONNRESET;
        case SOAP_GET_METHOD:
        case SOAP_PUT_METHOD:
        case SOAP_PATCH_METHOD:
        case SOAP_DEL_METHOD:
        case SOAP_HTTP_METHOD:
        case 405:
                return 405;
        case SOAP_LENGTH:
        case 413:
                return 413;
        default:
                return 400;
        }
}

bool http_has_body(const Http *h) {
        return h->soap->length > 0 || h->chunked;
}

int http_read_body(Http *h, const char **ret) {
        size_t size = 0;
        const char *body;

        /* Not parsed as it comes: gSOAP would go on reading where a message that is cut ends, and wait. */
        body = soap_http_get_body(h->soap, &size);
        if (body && soap_end_recv(h->soap) != SOAP_OK)
                body = NULL;
        /* The envelope is read out of memory, which is the part of gSOAP's own. */
        h->soap->frecv = h->receive;
        if (!body)
                return h->soap->error == SOAP_EOF ? -ECONNRESET : -EBADMSG;
        if (strlen(body) != size)
                return -EBADMSG;
        *ret = body;
        return 0;
}

bool http_get_cookie(const char *header, char *buf, size_t size) {
        const char *p = header;

        while (*p) {
                const char *value;
                size_t n;

                p += strspn(p, "; \t,");
                n = strcspn(p, ";,");
                value = startswith(p, HTTP_COOKIE_NAME "=");
                if (value) {
                        size_t length = (size_t) (p + n - value);

                        /* RFC 2109 clients quote it */
                        if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
                                value++;
                                length -= 2;
                        }
                        if (length == 0 || length >= size)
                                return false;
                        memcpy(buf, value, length);
                        buf[length] = 0;
                        return true;
                }
                p += n;
        }
        return false;
}

/* Writes the compressed text to buf, which has room for size bytes. Returns the length, 0 if it does not
 * get smaller. */
static size_t compress_body(const char *body, size_t size, char *buf) {
        z_stream z = {};
        size_t n = 0;

        if (deflateInit2(
                            &z,
                            Z_DEFAULT_COMPRESSION,
                            Z_DEFLATED,
                            GZIP_WINDOW_BITS,
                            GZIP_MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY) != Z_OK)
                return 0;
        z.next_in = (Bytef *) (uintptr_t) body;
        z.avail_in = (uInt) size;
        z.next_out = (Bytef *) buf;
        z.avail_out = (uInt) size;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
                n = z.total_out;
        (void) deflateEnd(&z);
        return n;
}

static const char *reason(int status) {
        switch (status) {
        case 200:
                return "OK";
        case 204:
                return "No Content";
        case 401:
                return "Unauthorized";
        case 403:
                return "Forbidden";
        case 405:
                return "Method Not Allowed";
        case 413:
                return "Content Too Large";
        case 500:
                return "Internal Server Error";
        case 503:
                return "Service Unavailable";
        default:
                return "Bad Request";
        }
}

int http_respond(Http *h, int status, const char *extra, const char *body) {
        size_t size = body ? strlen(body) : 0, n = 0;
        _cleanup_free_ char *buf = malloc(HEAD_SIZE + size), *compressed = NULL;
        int head;

        if (!buf)
                return -ENOMEM;
        if (h->accepts_gzip && size >= HTTP_COMPRESS_MIN) {
                compressed = malloc(size);
                if (compressed)
                        n = compress_body(body, size, compressed);
        }
        head = snprintf(
                        buf,
                        HEAD_SIZE,
                        "HTTP/1.1 %i %s\r\n%s%s%s",
                        status,
                        reason(status),
                        body ? "Content-Type: text/xml; charset=utf-8\r\n" : "",
                        n > 0 ? "Content-Encoding: gzip\r\n" : "",
                        extra);
        /* RFC 9110 section 8.6: no Content-Length with 204 */
        if (status != 204)
                head += snprintf(buf + head, HEAD_SIZE - (size_t) head, "Content-Length: %zu\r\n", n > 0 ? n : size);
        head += snprintf(buf + head, HEAD_SIZE - (size_t) head, "\r\n");
        assert((size_t) head < HEAD_SIZE);
        if (n > 0)
                memcpy(buf + head, compressed, n);
        else if (size > 0)
                memcpy(buf + head, body, size);
        /* one write: one segment for what fits in one */
        return transport_send(h->transport, buf, (size_t) head + (n > 0 ? n : size));
}

bool http_keeps_alive(const Http *h) {
        return h->soap->keep_alive != 0;
}
