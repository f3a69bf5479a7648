/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A git service on the operator's server, reached by an ssh process. Blocks: for the transfer worker. */
#pragma once

#include "syncd/pkt-line.h"
#include "syncd/ssh-command.h"
#include "syncd/transfer-result.h"

/* What is kept of what ssh and the server say on standard error. */
#define SSH_MESSAGES_MAX 4096U

typedef struct SshSession SshSession;

/* Starts ssh. Whether the server was reached shows when its first packet is read. 0 or a negative errno. */
int ssh_session_new(SshSession **ret, const SshTarget *target, const char *service);

/* Kills the process if it still runs. Returns NULL. */
SshSession *ssh_session_free(SshSession *session);
DEFINE_TRIVIAL_CLEANUP_FUNC(SshSession *, ssh_session_free);

/* What is said with the program at the other end. The session's. */
PktStream *ssh_session_stream(SshSession *session);

/* After reading or writing failed with error (a negative errno): closes the connection, waits for the end
 * of the process, and tells from all that is known what went wrong. *ret_text becomes what ssh or the
 * server said, or NULL; it is the caller's. Never TRANSFER_OK. */
TransferResult ssh_session_failure(SshSession *session, int error, char **ret_text);
