/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/connection-request.h"

#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/http/digest.h"

#define NONCE_MAX 64U

typedef struct Nonce {
        char text[NONCE_MAX + 1];
        uint64_t expires_usec;
        uint32_t last_nc;
} Nonce;

struct ConnectionRequests {
        char *path, *username, *password;
        Nonce nonces[CONNECTION_REQUEST_NONCES_MAX];
        size_t next_nonce;
        uint64_t accepted_usec[CONNECTION_REQUESTS_MAX]; /* ring of the last ones; 0 for none */
        size_t next_accepted;
};

int connection_requests_new(ConnectionRequests **ret, const char *path) {
        _cleanup_(connection_requests_freep) ConnectionRequests *c = calloc(1, sizeof(*c));

        if (!c || !(c->path = strdup(path)))
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

ConnectionRequests *connection_requests_free(ConnectionRequests *c) {
        if (!c)
                return NULL;
        free(c->path);
        free(c->username);
        free(c->password);
        return mfree(c);
}

int connection_requests_set_credentials(ConnectionRequests *c, const char *username, const char *password) {
        int r = free_and_strdup(&c->username, username);
        return r < 0 ? r : MIN(free_and_strdup(&c->password, password), 0);
}

/* True if the nonce is ours, still young, and this count was not used with it before. */
static bool use_nonce(ConnectionRequests *c, const DigestFields *f, uint64_t now_usec) {
        uint32_t nc;

        if (parse_hex(f->nc, &nc, sizeof(nc)) < 0)
                return false;
        nc = __builtin_bswap32(nc);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        nc = __builtin_bswap32(nc);
#endif

        for (size_t i = 0; i < CONNECTION_REQUEST_NONCES_MAX; i++) {
                Nonce *n = c->nonces + i;
                if (!n->text[0] || !streq(n->text, f->nonce))
                        continue;
                if (now_usec >= n->expires_usec || nc <= n->last_nc)
                        return false;
                n->last_nc = nc;
                return true;
        }
        return false;
}

static bool is_authentic(ConnectionRequests *c, const HttpGet *get, uint64_t now_usec) {
        _cleanup_digest_fields_ DigestFields f = {};
        char ha1[DIGEST_HASH_SIZE];

        if (!get->authorization || isempty(c->username) || isempty(c->password) ||
            digest_parse(get->authorization, &f) < 0 || !digest_authorization_is_usable(&f))
                return false;
        if (!streq(f.realm, CONNECTION_REQUEST_REALM) || !streq(f.username, c->username) ||
            digest_ha1(f.username, f.realm, c->password, ha1) < 0 || !digest_verify(&f, "GET", ha1))
                return false;

        /* The query that the path was stripped of is part of the signed uri. */
        size_t n = strlen(c->path);
        if (strncmp(f.uri, c->path, n) != 0 || (f.uri[n] && !strchr("?#", f.uri[n])))
                return false;
        return use_nonce(c, &f, now_usec);
}

static void challenge(ConnectionRequests *c, uint64_t now_usec, const char *nonce, char *response) {
        Nonce *n = c->nonces + c->next_nonce;

        c->next_nonce = (c->next_nonce + 1) % CONNECTION_REQUEST_NONCES_MAX;
        *n = (Nonce) { .expires_usec = now_usec + CONNECTION_REQUEST_NONCE_LIFETIME_USEC };
        (void) snprintf(n->text, sizeof(n->text), "%s", nonce);
        (void) snprintf(response, CONNECTION_REQUEST_RESPONSE_MAX,
                        "HTTP/1.1 401 Unauthorized\r\n"
                        "WWW-Authenticate: Digest realm=\"" CONNECTION_REQUEST_REALM
                        "\", qop=\"auth\", algorithm=MD5, nonce=\"%s\"\r\n"
                        "Content-Length: 0\r\n\r\n",
                        n->text);
}

bool connection_requests_decide(ConnectionRequests *c, const HttpGet *get, uint64_t now_usec, const char *nonce,
                                char response[static CONNECTION_REQUEST_RESPONSE_MAX]) {
        const char *status = NULL;
        bool accepted = false;

        if (!streq(get->path, c->path))
                status = "404 Not Found";
        else if (!is_authentic(c, get, now_usec)) {
                challenge(c, now_usec, nonce, response);
                return false;
        } else {
                uint64_t *oldest = c->accepted_usec + c->next_accepted;
                accepted = *oldest == 0 || now_usec - *oldest >= CONNECTION_REQUEST_WINDOW_USEC;
                if (accepted) {
                        *oldest = MAX(now_usec, 1ULL);
                        c->next_accepted = (c->next_accepted + 1) % CONNECTION_REQUESTS_MAX;
                }
                status = accepted ? "200 OK" : "503 Service Unavailable";
        }

        (void) snprintf(response, CONNECTION_REQUEST_RESPONSE_MAX,
                        "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
        return accepted;
}
