/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/http/digest.h"
#include "operator/acs/authenticate.h"

/* Stands in for the hash of a device that is unknown or has no password, so that it takes as long to refuse as a wrong
 * password. */
static const char no_ha1[] = "00000000000000000000000000000000";

/* *ret is NULL for a device that no password is good for. */
static int get_ha1(Store *store, const char *device, char **ret) {
        _cleanup_free_ char *ha1 = NULL;
        int r = store_device_get_ha1(store, device, &ha1);

        if (r < 0 && r != -ENOENT)
                return r;
        *ret = isempty(ha1) ? NULL : TAKE_PTR(ha1);
        return 0;
}

static int refuse(const char *device) {
        log_info("Authentication failed for the user name %s.", device);
        return AUTHENTICATION_NONE;
}

static int accept_device(const char *device, char **ret_device) {
        char *copy = strdup(device);

        if (!copy)
                return -ENOMEM;
        *ret_device = copy;
        return AUTHENTICATION_GOOD;
}

static int try_digest(
                const AuthenticationContext *c,
                Store *store,
                struct soap *soap,
                uint64_t now,
                const char *authorization,
                char **ret_device) {
        _cleanup_digest_fields_ DigestFields a = {};
        _cleanup_free_ char *ha1 = NULL;
        int r;

        if (digest_parse(authorization, &a) < 0 || !digest_authorization_is_usable(&a) || !streq(a.realm, c->realm) ||
            !endswith(a.uri, soap->path))
                return AUTHENTICATION_NONE;
        r = get_ha1(store, a.username, &ha1);
        if (r < 0)
                return r;
        if (!digest_verify(&a, "POST", ha1 ?: no_ha1) || !ha1)
                return refuse(a.username);
        if (!nonce_use(c->nonces, now, a.nonce, a.nc))
                return AUTHENTICATION_STALE;
        return accept_device(a.username, ret_device);
}

static int try_basic(
                const AuthenticationContext *c,
                Store *store,
                struct soap *soap,
                const char *authorization,
                char **ret_device) {
        _cleanup_free_ char *ha1 = NULL;
        char computed[DIGEST_HASH_SIZE], *password;
        const char *pair;
        int r, size = 0;

        /* Any byte of a password but NUL; the user name has no colon, which is percent-encoded in an identifier. */
        pair = soap_base642s(soap, authorization + strlen("Basic "), NULL, 0, &size);
        password = pair && strlen(pair) == (size_t) size ? strchr(pair, ':') : NULL;
        if (!password)
                return AUTHENTICATION_NONE;
        *password++ = 0;
        if (!device_id_is_valid(pair))
                return AUTHENTICATION_NONE;
        r = get_ha1(store, pair, &ha1);
        if (r < 0)
                return r;
        r = digest_ha1(pair, c->realm, password, computed);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(computed, ha1 ?: no_ha1, DIGEST_HASH_SIZE) != 0 || !ha1)
                return refuse(pair);
        return accept_device(pair, ret_device);
}

static int try_certificate(Store *store, SSL *tls, char **ret_device) {
        X509 *certificate = SSL_get_verify_result(tls) == X509_V_OK ? SSL_get1_peer_certificate(tls) : NULL;
        char name[DIGEST_VALUE_MAX + 1];
        int n, r;

        if (!certificate)
                return AUTHENTICATION_NONE;
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
        X509_free(certificate);
        if (n < 0 || (size_t) n != strlen(name) || !device_id_is_valid(name)) {
                log_info("A client certificate does not name a device.");
                return AUTHENTICATION_NONE;
        }
        r = store_device_add(store, name);
        return r < 0 ? r : accept_device(name, ret_device);
}

int authenticate(
                const AuthenticationContext *c,
                Store *store,
                struct soap *soap,
                SSL *tls,
                uint64_t now,
                const char *authorization,
                char **ret_device) {
        int r = tls ? try_certificate(store, tls, ret_device) : AUTHENTICATION_NONE;

        if (r != AUTHENTICATION_NONE || !authorization[0])
                return r;
        if (c->basic && tls && strncasecmp(authorization, "Basic ", strlen("Basic ")) == 0)
                return try_basic(c, store, soap, authorization, ret_device);
        return try_digest(c, store, soap, now, authorization, ret_device);
}
