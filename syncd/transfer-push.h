/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pushes commits to main: git's wire protocol over an ssh session (gitprotocol-pack(5)). For the transfer
 * worker. */
#pragma once

#include <git2/oid.h>

#include "syncd/git-store.h"
#include "syncd/ssh-session.h"

/* Asks git-receive-pack at the other end of the session to move main from the commit "from" (the zero id:
 * main does not exist yet) to the commit "to", a descendant of it, and sends all that is between.
 * *ret_text is set in every case, to NULL or to what the server or ssh said; it is the caller's.
 * References are not written here. TRANSFER_OK also if main was at "to" already (an earlier push whose
 * answer got lost). Results: all but TRANSFER_HISTORY_REWRITTEN. */
TransferResult transfer_push(
                GitStore *store,
                SshSession *session,
                const git_oid *from,
                const git_oid *to,
                char **ret_text);
