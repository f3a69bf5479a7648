/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs git, without a shell, and reads its answer. For short-lived programs only: it blocks. */
#pragma once

#include <sys/types.h>

#include "common/base/macro.h"

/* Longest answer that is kept: one line with an object id, a count or a setting. */
#define GIT_ANSWER_MAX 4096U

/* Runs /usr/bin/git with these arguments (NULL-terminated; without "git") and the caller's environment.
 * ret_answer (NULL: standard output is dropped) gets what it wrote, without the last newline; it is the
 * caller's. Returns the exit status (so 0 is success), or a negative errno: -ENOMEM, -EIO if it was killed
 * or could not be started, -E2BIG if the answer is too long. */
int git_run(const char *const arguments[], char **ret_answer);

/* Starts it; *ret_fd (the caller's; NULL: standard output is dropped) reads what it writes. 0 or a negative
 * errno. git_wait() must follow, after the descriptor was read to its end or closed. */
int git_start(const char *const arguments[], int *ret_fd, pid_t *ret_pid);

/* The same, with what input reads (borrowed; -EBADF: /dev/null) as its standard input, and output (borrowed; -EBADF:
 * dropped) as its standard output. */
int git_spawn(const char *const arguments[], int input, int output, pid_t *ret_pid);

/* The same for another program (an absolute path). */
int program_spawn(const char *path, const char *const arguments[], int input, int output, pid_t *ret_pid);

/* Runs two of them, the second reading what the first writes. 0 if both succeeded, -EIO if one did not, or another
 * negative errno. */
int git_pipe(const char *const from[], const char *const to[]);

/* Waits for its end. The exit status, or -EIO as above. */
int git_wait(pid_t pid);
