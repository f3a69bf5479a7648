/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/wait.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/storage/git-run.h"

#define GIT "/usr/bin/git"
#define ARGUMENTS_MAX 32U

static _Noreturn void child(const char *path, char *const argv[], int input, int output) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null >= 0 && dup2(input >= 0 ? input : null, STDIN_FILENO) >= 0 &&
            dup2(output >= 0 ? output : null, STDOUT_FILENO) >= 0)
                (void) execv(path, argv);
        _exit(127);
}

int program_spawn(const char *path, const char *const arguments[], int input, int output, pid_t *ret_pid) {
        char *argv[ARGUMENTS_MAX + 2] = { (char *) path };
        pid_t pid;

        for (size_t i = 0; arguments[i]; i++) {
                assert(i < ARGUMENTS_MAX);
                argv[i + 1] = (char *) arguments[i];
        }
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child(path, argv, input, output);
        *ret_pid = pid;
        return 0;
}

int git_spawn(const char *const arguments[], int input, int output, pid_t *ret_pid) {
        return program_spawn(GIT, arguments, input, output, ret_pid);
}

int git_start(const char *const arguments[], int *ret_fd, pid_t *ret_pid) {
        _cleanup_close_ int input = -EBADF, output = -EBADF;
        int fds[2], r;

        if (ret_fd) {
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                input = fds[0];
                output = fds[1];
        }
        r = git_spawn(arguments, -EBADF, output, ret_pid);
        if (r >= 0 && ret_fd)
                *ret_fd = TAKE_FD(input);
        return r;
}

int git_pipe(const char *const from[], const char *const to[]) {
        _cleanup_close_ int between = -EBADF;
        pid_t first, second;
        int r, q;

        r = git_start(from, &between, &first);
        if (r < 0)
                return r;
        r = git_spawn(to, between, -EBADF, &second);
        between = safe_close(between);
        q = git_wait(first);
        if (r >= 0)
                r = git_wait(second);
        return r < 0 ? r : q < 0 ? q : r + q == 0 ? 0 : -EIO;
}

int git_wait(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -EIO;
}

int git_run(const char *const arguments[], char **ret_answer) {
        _cleanup_free_ char *answer = ret_answer ? malloc(GIT_ANSWER_MAX + 1) : NULL;
        _cleanup_close_ int input = -EBADF;
        ssize_t n = 0;
        pid_t pid;
        int r;

        if (ret_answer && !answer)
                return -ENOMEM;
        r = git_start(arguments, ret_answer ? &input : NULL, &pid);
        if (r < 0)
                return r;
        if (ret_answer) {
                n = loop_read(input, answer, GIT_ANSWER_MAX + 1);
                input = safe_close(input);
        }
        r = git_wait(pid);
        if (n < 0)
                return (int) n;
        if (n > (ssize_t) GIT_ANSWER_MAX)
                return -E2BIG;
        if (r >= 0 && ret_answer) {
                if (n > 0 && answer[n - 1] == '\n')
                        n--;
                answer[n] = 0;
                *ret_answer = TAKE_PTR(answer);
        }
        return r;
}
