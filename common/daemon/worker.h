/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worker processes: what can block, or reads what strangers wrote, runs in one of these and not on the event loop. */
#pragma once

#include <signal.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct Worker Worker;

/* The descriptor under which the worker finds its end of the socket pair. */
#define WORKER_SOCKET_FD 3

/* Called once, from the event loop, when the process has ended and was reaped. si is as waitid(2) fills it;
 * timed_out tells that the worker was killed because its time was up. The handler may free the worker. */
typedef void (*WorkerExitHandler)(Worker *w, const siginfo_t *si, bool timed_out, void *userdata);

/* Starts argv[0] (an absolute path; nothing is searched, no shell takes part) with an empty signal mask,
 * standard input from /dev/null, the caller's standard output and error, WORKER_SOCKET_FD as one end of a
 * SOCK_SEQPACKET pair, and no other descriptor. *ret_socket, which may be NULL (then the worker has no socket), is
 * the other end, non-blocking and the caller's. timeout_usec is the longest it may run, UINT64_MAX for no limit.
 * The worker is killed with its parent. SIGCHLD must be blocked (daemon_event_new() does it). 0 or a negative
 * errno; that the program could not be executed shows as exit status 127. */
int worker_spawn(
                Worker **ret,
                int *ret_socket,
                sd_event *event,
                char *const argv[],
                uint64_t timeout_usec,
                WorkerExitHandler handler,
                void *userdata);

/* Kills the process if it still runs, reaps it without calling the handler, and frees. NULL is allowed; returns
 * NULL. */
Worker *worker_free(Worker *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(Worker *, worker_free);

/* Its process, until the exit handler was called. */
pid_t worker_pid(const Worker *w);

/* True if the process ended by itself with status 0. */
bool worker_succeeded(const siginfo_t *si);
