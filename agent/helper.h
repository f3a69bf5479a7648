/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What takes more privileges than the agent has is done by units that a socket starts (ispstorage-reboot.socket and the
 * like): one connection is one order. The agent sends lines "Key=value", shuts down its side, and reads the answer up
 * to its end. A vendor replaces what a unit does with a drop-in. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* An answer that is not meant for a file: one line for people. */
#define HELPER_ANSWER_MAX 512U

typedef struct Helper Helper;

/* Called once, from the event loop. error is 0, -ETIMEDOUT, -EFBIG for an answer that is longer than allowed, or
 * another negative errno; answer is the text without its line end, "" if it went to a file. The handler may free the
 * helper. */
typedef void (*HelperHandler)(int error, const char *answer, void *userdata);

/* Sends the order to the socket. If output_fd is not negative it takes the answer, up to max bytes; it stays the
 * caller's and must outlive the helper. *ret is the caller's. 0, -ENOENT or -ECONNREFUSED if there is no such helper,
 * or another negative errno. */
int helper_call(
                Helper **ret,
                sd_event *event,
                const char *socket_path,
                const char *order,
                int output_fd,
                uint64_t max,
                uint64_t timeout_usec,
                HelperHandler handler,
                void *userdata);

/* Hangs up. NULL is allowed; returns NULL. */
Helper *helper_free(Helper *h);
DEFINE_TRIVIAL_CLEANUP_FUNC(Helper *, helper_free);

/* True if a helper listens on the socket. */
bool helper_is_there(const char *socket_path);
