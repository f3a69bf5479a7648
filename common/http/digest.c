/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/http/digest.h"

#include <gcrypt.h>
#include <pthread.h>
#include <strings.h>

#include "common/base/parse.h"
#include "common/base/str.h"

/* MD5, raw. */
#define HASH_SIZE 16U
/* What a response is made of: HA1, nonce, nc, cnonce, qop, HA2. */
#define HASH_PARTS_MAX 6U

/* libgcrypt's own initialization is not safe when two threads come first together. */
static void initialize_libgcrypt(void) {
        (void) gcry_check_version(NULL);
        (void) gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
        (void) gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

/* Hashes the strings of a NULL-terminated list, joined by ':'. 0, or -EOPNOTSUPP on a system that forbids MD5 (FIPS
 * mode).
 *
 * Not by OpenSSL: an idle agent that was asked for a session once has 4108 kB resident with libgcrypt, which libsystemd
 * brings into the process anyway, and 6996 kB with OpenSSL 3.0, more than its 6 MB. */
static int hash_joined(const char *const *parts, char ret[static DIGEST_HASH_SIZE]) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        gcry_buffer_t pieces[2 * HASH_PARTS_MAX];
        uint8_t digest[HASH_SIZE];
        int n = 0;

        (void) pthread_once(&once, initialize_libgcrypt);

        for (const char *const *p = parts; *p; p++) {
                assert(p < parts + HASH_PARTS_MAX);
                if (p != parts)
                        pieces[n++] = (gcry_buffer_t) { .data = (char *) ":", .len = 1 };
                pieces[n++] = (gcry_buffer_t) { .data = (char *) *p, .len = strlen(*p) };
        }
        if (gcry_md_hash_buffers(GCRY_MD_MD5, 0, digest, pieces, n) != 0)
                return -EOPNOTSUPP;
        format_hex(digest, sizeof(digest), ret);
        return 0;
}
#define hash(ret, ...) hash_joined((const char *const[]) { __VA_ARGS__, NULL }, ret)

static const char **field_of(DigestFields *f, const char *name) {
        const struct {
                const char *name;
                const char **field;
        } fields[] = {
                { "realm", &f->realm },       { "nonce", &f->nonce },     { "opaque", &f->opaque },
                { "qop", &f->qop },           { "uri", &f->uri },         { "algorithm", &f->algorithm },
                { "username", &f->username }, { "response", &f->response }, { "cnonce", &f->cnonce },
                { "nc", &f->nc },             { "stale", &f->stale },
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (strcasecmp(fields[i].name, name) == 0)
                        return fields[i].field;
        return NULL;
}

static char *skip_separators(char *p) {
        return p + strspn(p, " \t,");
}

/* Takes a token or a quoted string from *p, ends it with NUL in place, and moves on. NULL if there is neither. */
static char *take_value(char **p) {
        char *start = *p, *out = *p, *in = *p;

        if (*in != '"') {
                size_t n = strcspn(in, " \t,\"");
                if (n == 0)
                        return NULL;
                *p = in + n;
                if (**p) {
                        **p = 0;
                        (*p)++;
                }
                return start;
        }

        for (in++; *in != '"'; in++) {
                if (*in == '\\')
                        in++;
                if (!*in)
                        return NULL;
                *out++ = *in;
        }
        *p = in + 1;
        *out = 0;
        return start;
}

int digest_parse(const char *header, DigestFields *ret) {
        static const char scheme[] = "Digest ";
        unsigned n = 0;

        if (strlen(header) > DIGEST_HEADER_MAX)
                return -E2BIG;
        if (strncasecmp(header, scheme, strlen(scheme)) != 0)
                return -EINVAL;

        DigestFields f = { .text = strdup(header + strlen(scheme)) };
        _cleanup_free_ char *text = f.text;
        if (!text)
                return -ENOMEM;

        for (char *p = skip_separators(text); *p; p = skip_separators(p)) {
                char *name = p, *end = p + strcspn(p, "= \t,\"");

                if (end == name || *end != '=' || ++n > DIGEST_PARAMETERS_MAX)
                        return -EINVAL;
                *end = 0;
                p = end + 1;
                char *value = take_value(&p);
                if (!value)
                        return -EINVAL;

                const char **field = field_of(&f, name);
                if (field && *field)
                        return -EINVAL;
                if (field)
                        *field = value;
        }

        TAKE_PTR(text);
        *ret = f;
        return 0;
}

void digest_fields_done(DigestFields *f) {
        free(f->text);
        *f = (DigestFields) {};
}

/* "auth" among the comma-separated offers. */
static bool offers_auth(const char *qop) {
        for (const char *p = qop; *p;) {
                p += strspn(p, " ,");
                size_t n = strcspn(p, " ,");
                if (n == strlen("auth") && strncasecmp(p, "auth", n) == 0)
                        return true;
                p += n;
        }
        return false;
}

bool digest_challenge_is_usable(const DigestFields *c) {
        if (!c->realm || !c->nonce || strpbrk(c->nonce, "\"\\\r\n") || strpbrk(c->realm, "\"\\\r\n") ||
            (c->opaque && strpbrk(c->opaque, "\"\\\r\n")))
                return false;
        if (c->algorithm && strcasecmp(c->algorithm, "MD5") != 0 && strcasecmp(c->algorithm, "MD5-sess") != 0)
                return false;
        return !c->qop || offers_auth(c->qop);
}

int digest_ha1(const char *username, const char *realm, const char *password, char ret[static DIGEST_HASH_SIZE]) {
        return hash(ret, username, realm, password);
}

/* nc is NULL without qop (RFC 2617 section 3.2.2.1). */
static int make_response(const char *ha1, const char *nonce, const char *nc, const char *cnonce, const char *qop,
                         const char *method, const char *uri, char ret[static DIGEST_HASH_SIZE]) {
        char ha2[DIGEST_HASH_SIZE];

        int r = hash(ha2, method, uri);
        if (r < 0)
                return r;
        return nc ? hash(ret, ha1, nonce, nc, cnonce, qop, ha2) : hash(ret, ha1, nonce, ha2);
}

char *digest_authorize(const DigestFields *c, const char *username, const char *password, const char *method,
                       const char *uri, uint32_t nc, const char *cnonce) {
        bool session = c->algorithm && strcasecmp(c->algorithm, "MD5-sess") == 0;
        char ha1[DIGEST_HASH_SIZE], response[DIGEST_HASH_SIZE];
        _cleanup_free_ char *count = strfmt("%08x", nc), *qop = NULL, *opaque = NULL;

        if (!count || digest_ha1(username, c->realm, password, ha1) < 0 ||
            (session && hash(ha1, ha1, c->nonce, cnonce) < 0) ||
            make_response(ha1, c->nonce, c->qop ? count : NULL, cnonce, "auth", method, uri, response) < 0)
                return NULL;

        if (c->qop)
                qop = strfmt(",qop=auth,nc=%s,cnonce=\"%s\"", count, cnonce);
        else
                qop = session ? strfmt(",cnonce=\"%s\"", cnonce) : strdup("");
        opaque = c->opaque ? strfmt(",opaque=\"%s\"", c->opaque) : strdup("");
        if (!qop || !opaque)
                return NULL;

        return strfmt("Digest username=\"%s\",realm=\"%s\",nonce=\"%s\",uri=\"%s\",response=\"%s\"%s%s%s", username,
                      c->realm, c->nonce, uri, response, qop, opaque, session ? ",algorithm=MD5-sess" : "");
}

bool digest_authorization_is_usable(const DigestFields *a) {
        const char *const demanded[] = {
                a->username, a->realm, a->nonce, a->uri, a->response, a->cnonce, a->nc, a->qop,
        };

        for (size_t i = 0; i < ELEMENTSOF(demanded); i++)
                if (isempty(demanded[i]) || strlen(demanded[i]) > DIGEST_VALUE_MAX)
                        return false;
        return strlen(a->nc) == 8 && strcasecmp(a->qop, "auth") == 0 &&
                        (!a->algorithm || strcasecmp(a->algorithm, "MD5") == 0);
}

static bool equal_in_constant_time(const uint8_t *a, const uint8_t *b, size_t size) {
        uint8_t difference = 0;

        for (size_t i = 0; i < size; i++)
                difference |= a[i] ^ b[i];
        return difference == 0;
}

bool digest_verify(const DigestFields *a, const char *method, const char *ha1) {
        char hex[DIGEST_HASH_SIZE];
        uint8_t expected[HASH_SIZE], response[HASH_SIZE];

        return make_response(ha1, a->nonce, a->nc, a->cnonce, a->qop, method, a->uri, hex) >= 0 &&
                        parse_hex(hex, expected, sizeof(expected)) >= 0 &&
                        parse_hex(a->response, response, sizeof(response)) >= 0 &&
                        equal_in_constant_time(response, expected, sizeof(expected));
}
