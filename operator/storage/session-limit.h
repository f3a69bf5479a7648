/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many git sessions a gateway's key may have at a time: a gateway that has gone wrong must not take the
 * processes of all others. The kernel counts, with locks that end with the processes, however these end. */
#pragma once

#include "common/base/macro.h"

/* As many as sshd's MaxSessions lets one connection have. A gateway has one or two; some more are left of the
 * time before its power failed, until sshd misses it (ClientAliveInterval). */
#define SESSIONS_PER_KEY_DEFAULT 10U
/* Room between the locks of two keys in the file. */
#define SESSIONS_PER_KEY_MAX 65535U

/* Takes one of the key's sessions in this repository, for this process, what it becomes by exec, and its
 * children. 0, -EAGAIN if the key has as many, -EINVAL if a number is too large, or another negative errno. */
int session_limit_take(const char *directory, uint64_t key_id, uint32_t max);
