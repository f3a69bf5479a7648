/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "operator/storage/ssh-command.h"

static const char *const service_names[_GIT_SERVICE_MAX] = {
        [GIT_UPLOAD_PACK] = "upload-pack",
        [GIT_RECEIVE_PACK] = "receive-pack",
};

const char *git_service_to_string(GitService s) {
        assert(s >= 0 && s < _GIT_SERVICE_MAX);
        return service_names[s];
}

int ssh_command_parse(const char *command, const char *subscription, GitService *ret) {
        const char *rest = NULL;
        char path[SSH_COMMAND_MAX];
        GitService service;
        size_t n;

        if (strlen(command) >= SSH_COMMAND_MAX)
                return -EINVAL;
        for (service = 0; service < _GIT_SERVICE_MAX; service++) {
                rest = startswith(command, "git-");
                rest = rest ? startswith(rest, service_names[service]) : NULL;
                rest = rest ? startswith(rest, " ") : NULL;
                if (rest)
                        break;
        }
        if (!rest)
                return -EINVAL;
        n = strlen(rest);
        if (n >= 2 && rest[0] == '\'' && rest[n - 1] == '\'') {
                rest++;
                n -= 2;
        }
        memcpy(path, rest, n);
        path[n] = 0;
        /* Nothing that a shell would take for more than a word, although no shell will see it. */
        if (n == 0 || strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789._-/") != n)
                return -EINVAL;
        rest = startswith(path, "/") ?: path;
        n = strlen(subscription);
        if (strncmp(rest, subscription, n) != 0 || (rest[n] != 0 && !streq(rest + n, ".git")))
                return -EACCES;
        *ret = service;
        return 0;
}
