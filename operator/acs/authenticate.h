/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a request is from (TR-069 section 3.4.4): HTTP digest; over TLS also a client certificate, or HTTP basic. */
#pragma once

#include <openssl/ssl.h>

#include "common/cwmp/cwmp-soap.h"
#include "operator/acs/nonce.h"
#include "operator/acs/store.h"

typedef struct AuthenticationContext {
        const char *realm;
        NonceTable *nonces;
        bool basic; /* is taken as well, over TLS */
} AuthenticationContext;

typedef enum Authentication {
        AUTHENTICATION_NONE,
        AUTHENTICATION_STALE, /* only the nonce was not good any more */
        AUTHENTICATION_GOOD,
} Authentication;

/* Tries the certificate that the device showed, if there is TLS (tls is not NULL) and it has verified it (its common
 * name is the device, which becomes known if it was not), then the header's value, "" if there is none. now is in
 * seconds of the monotonic clock. With AUTHENTICATION_GOOD *ret_device is the caller's. Returns an Authentication, or a
 * negative errno. Logs what is refused. */
int authenticate(
                const AuthenticationContext *c,
                Store *store,
                struct soap *soap,
                SSL *tls,
                uint64_t now,
                const char *authorization,
                char **ret_device);
