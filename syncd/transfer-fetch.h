/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fetches main: git's wire protocol, version 2, over an ssh session (gitprotocol-v2(5)). For the transfer
 * worker. */
#pragma once

#include <git2/oid.h>

#include "syncd/git-store.h"
#include "syncd/ssh-session.h"

/* Asks git-upload-pack at the other end of the session for main, and brings its commits, trees and blobs
 * into the store. known is main's tip as it was before, or the zero id; the store has everything that it
 * reaches. If that was another repository's main, this one's need not descend from it (any linear history is
 * taken). On TRANSFER_OK *ret_tip is main's tip now, the zero id if main does not exist yet (then known was
 * zero or another repository's). *ret_text is set in every case, to NULL or to what the server or ssh said;
 * it is the caller's. References are not written here. Results: all but TRANSFER_NON_FAST_FORWARD. */
TransferResult transfer_fetch(
                GitStore *store,
                SshSession *session,
                const git_oid *known,
                bool another,
                git_oid *ret_tip,
                char **ret_text);
