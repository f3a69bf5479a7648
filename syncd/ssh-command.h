/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of ssh(1), and what its messages mean. */
#pragma once

#include "common/base/macro.h"
#include "syncd/repository-url.h"

#define SSH_PROGRAM "/usr/bin/ssh"

/* The name under which the provisioned keys stand in the known_hosts file (HostKeyAlias): a change of
 * address needs no new file. */
#define SSH_HOST_KEY_ALIAS "ispstorage-repository"

/* ssh notices within 30 s that the other end has gone: it asks after each interval without any data, and gives
 * up an interval after the last question that may stay without an answer. */
#define SSH_ALIVE_INTERVAL_SEC 9U
#define SSH_ALIVE_COUNT_MAX 2U
#define SSH_CONNECT_TIMEOUT_SEC 15U
/* A shared connection without a session ends after this. The transfer worker keeps a session open until it is
 * idle itself, so this is for what comes between two workers. A fleet's idle connections cost the operator
 * memory. */
#define SSH_PERSIST_SEC 15U

typedef struct SshTarget {
        RepositoryUrl url;
        const char *key_path;         /* the private key */
        const char *known_hosts_path; /* with SSH_HOST_KEY_ALIAS as host */
        const char *control_path;     /* of the shared connection; NULL for one of its own */
        bool background;              /* packets are marked for the lower-effort service (RFC 8622) */
        bool aes;                     /* AES-GCM (RFC 5647) comes before ChaCha20-Poly1305 */
} SshTarget;

typedef enum SshFailure {
        SSH_AUTHENTICATION_FAILED,
        SSH_HOST_KEY_MISMATCH,
        SSH_UNREACHABLE,
} SshFailure;

/* Whether the processor has instructions for AES. With them AES-GCM takes a third less of both sides' time than ssh's
 * default, ChaCha20-Poly1305, which is the faster one without them. */
bool ssh_processor_has_aes(void);

/* Makes the argument vector that runs service ("git-upload-pack" or "git-receive-pack") on the target's
 * repository. No shell takes part here; on the other end one may, which the alphabet of RepositoryUrl
 * makes safe. *ret is the caller's. 0 or -ENOMEM. */
int ssh_command_build(const SshTarget *target, const char *service, char ***ret);

/* Tells from what ssh wrote to standard error before it ended with status 255 why it did. Anything
 * unknown counts as SSH_UNREACHABLE, which is tried again. */
SshFailure ssh_failure_classify(const char *messages);
