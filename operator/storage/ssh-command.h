/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a gateway may ask of the storage host over ssh. */
#pragma once

#include "common/base/macro.h"

/* The two services of git's protocol, and a path; more is not a request of a gateway. */
#define SSH_COMMAND_MAX 256U

typedef enum GitService {
        GIT_UPLOAD_PACK,
        GIT_RECEIVE_PACK,
        _GIT_SERVICE_MAX,
} GitService;

/* "upload-pack" or "receive-pack", as argument of git. */
const char *git_service_to_string(GitService s);

/* Checks SSH_ORIGINAL_COMMAND: "git-upload-pack" or "git-receive-pack", a blank, and the name of the
 * subscription as a path ("/name", "name", with or without ".git" and single quotes: what git makes of
 * ssh://host/name). The path is compared and never used. 0, -EINVAL for any other command, -EACCES if it
 * names another repository. */
int ssh_command_parse(const char *command, const char *subscription, GitService *ret);
