/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/auxv.h>

#include "common/base/str.h"
#include "syncd/ssh-command.h"

/* What holds for every connection. -F none keeps the user's and the system's configuration out. */
static const char *const fixed_options[] = {
        "-F", "none",
        "-T", "-a", "-x",
        "-o", "BatchMode=yes",
        "-o", "IdentitiesOnly=yes",
        "-o", "IdentityAgent=none",
        "-o", "PreferredAuthentications=publickey",
        "-o", "StrictHostKeyChecking=yes",
        "-o", "GlobalKnownHostsFile=none",
        "-o", "UpdateHostKeys=no",
        "-o", "HostKeyAlias=" SSH_HOST_KEY_ALIAS,
        "-o", "CheckHostIP=no",
        /* Half the bytes of a handshake with the post-quantum default (docs/benchmarks.md). */
        "-o", "KexAlgorithms=curve25519-sha256,curve25519-sha256@libssh.org",
        "-o", "ClearAllForwardings=yes",
        "-o", "PermitLocalCommand=no",
        "-o", "EscapeChar=none",
        "-o", "LogLevel=ERROR",
        /* For a server without a forced command that sets it. */
        "-o", "SetEnv=GIT_PROTOCOL=version=2",
};

bool ssh_processor_has_aes(void) {
#if defined(__x86_64__) || defined(__i386__)
        return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
        return getauxval(AT_HWCAP) & HWCAP_AES;
#elif defined(__arm__)
        return getauxval(AT_HWCAP2) & HWCAP2_AES;
#else
        return false;
#endif
}

static int add_option(char ***argv, char *option) {
        int r;

        if (!option)
                return -ENOMEM;
        r = strv_extend(argv, "-o");
        if (r < 0) {
                free(option);
                return r;
        }
        return strv_consume(argv, option);
}

static int add_connection_options(char ***argv, const SshTarget *target) {
        int r;

        if ((r = add_option(argv, strfmt("UserKnownHostsFile=%s", target->known_hosts_path))) < 0 ||
            (r = add_option(argv, strfmt("IdentityFile=%s", target->key_path))) < 0 ||
            (r = add_option(argv, strfmt("ConnectTimeout=%u", SSH_CONNECT_TIMEOUT_SEC))) < 0 ||
            (r = add_option(argv, strfmt("ServerAliveInterval=%u", SSH_ALIVE_INTERVAL_SEC))) < 0 ||
            (r = add_option(argv, strfmt("ServerAliveCountMax=%u", SSH_ALIVE_COUNT_MAX))) < 0 ||
            /* Else ssh takes CS1, which some routers hold back and others do not know. */
            (r = add_option(argv, strdup(target->background ? "IPQoS=le" : "IPQoS=none"))) < 0 ||
            (r = add_option(argv, strfmt("Port=%u", (unsigned) target->url.port))) < 0 ||
            (r = add_option(argv, strfmt("User=%s", target->url.user))) < 0)
                return r;
        if (target->aes && (r = add_option(argv, strdup("Ciphers=^aes128-gcm@openssh.com"))) < 0)
                return r;
        if (!target->control_path)
                return 0;
        if ((r = add_option(argv, strfmt("ControlPath=%s", target->control_path))) < 0 ||
            (r = add_option(argv, strfmt("ControlPersist=%u", SSH_PERSIST_SEC))) < 0)
                return r;
        return add_option(argv, strdup("ControlMaster=auto"));
}

int ssh_command_build(const SshTarget *target, const char *service, char ***ret) {
        _cleanup_strv_free_ char **argv = NULL;
        int r;

        r = strv_extend(&argv, SSH_PROGRAM);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fixed_options); i++)
                r = strv_extend(&argv, fixed_options[i]);
        if (r < 0)
                return r;
        r = add_connection_options(&argv, target);
        if (r < 0)
                return r;
        r = strv_extend(&argv, "--");
        if (r < 0)
                return r;
        r = strv_extend(&argv, target->url.host);
        if (r < 0)
                return r;
        r = strv_consume(&argv, strfmt("%s '%s'", service, target->url.name));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(argv);
        return 0;
}

SshFailure ssh_failure_classify(const char *messages) {
        static const struct {
                const char *text;
                SshFailure failure;
        } table[] = {
                { "Host key verification failed", SSH_HOST_KEY_MISMATCH },
                { "REMOTE HOST IDENTIFICATION HAS CHANGED", SSH_HOST_KEY_MISMATCH },
                { "no matching host key type found", SSH_HOST_KEY_MISMATCH },
                { "Permission denied (", SSH_AUTHENTICATION_FAILED },
                { "Too many authentication failures", SSH_AUTHENTICATION_FAILED },
                { "invalid format", SSH_AUTHENTICATION_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (strstr(messages, table[i].text))
                        return table[i].failure;
        return SSH_UNREACHABLE;
}
