/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/ssh-session.h"

/* What the forced command says to a key that it does not serve (operator/storage/git-shell.c). */
#define SERVER_DENIED "ispstorage: denied: "
/* ssh(1): its own failures end with this status, those of the remote command with the command's. */
#define SSH_EXIT_FAILURE 255
/* A process whose conversation is over ends within this, or is ended. */
#define END_MAX_MSEC 30000

struct SshSession {
        pid_t pid; /* 0 once it was reaped */
        int in_fd;
        int out_fd;
        int message_fd;
        PktStream stream;
};

static _Noreturn void exec_child(char *const argv[], int in_fd, int out_fd, int message_fd, pid_t parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(SSH_EXIT_FAILURE);
        if (dup2(in_fd, STDIN_FILENO) < 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
            dup2(message_fd, STDERR_FILENO) < 0)
                _exit(SSH_EXIT_FAILURE);
        if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
                _exit(SSH_EXIT_FAILURE);
        (void) execv(argv[0], argv);
        _exit(SSH_EXIT_FAILURE);
}

static int spawn(SshSession **ret, char *const argv[]) {
        _cleanup_(ssh_session_freep) SshSession *s = NULL;
        /* Each pair is the child's end and ours. */
        _cleanup_close_ int child_in = -EBADF, child_out = -EBADF, child_err = -EBADF;
        pid_t parent = getpid();
        int p[2];

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->in_fd = s->out_fd = s->message_fd = -EBADF;

        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        child_in = p[0];
        s->out_fd = p[1];
        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        s->in_fd = p[0];
        child_out = p[1];
        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        s->message_fd = p[0];
        child_err = p[1];
        if (fcntl(s->message_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(s->out_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;

        s->pid = fork();
        if (s->pid < 0) {
                s->pid = 0;
                return -errno;
        }
        if (s->pid == 0)
                exec_child(argv, child_in, child_out, child_err, parent);
        pkt_stream_init(&s->stream, s->in_fd, s->out_fd);
        *ret = TAKE_PTR(s);
        return 0;
}

int ssh_session_new(SshSession **ret, const SshTarget *target, const char *service) {
        _cleanup_strv_free_ char **argv = NULL;
        int r;

        r = ssh_command_build(target, service, &argv);
        if (r < 0)
                return r;
        return spawn(ret, argv);
}

/* Returns the exit status, or -1 if there is none. */
static int reap(SshSession *s) {
        int status = -1;

        while (s->pid > 0 && waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
                ;
        s->pid = 0;
        return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

SshSession *ssh_session_free(SshSession *s) {
        if (!s)
                return NULL;
        safe_close(s->in_fd);
        safe_close(s->out_fd);
        safe_close(s->message_fd);
        if (s->pid > 0) {
                (void) kill(s->pid, SIGTERM);
                (void) reap(s);
        }
        free(s);
        return NULL;
}

PktStream *ssh_session_stream(SshSession *s) {
        return &s->stream;
}

/* What is in the pipe now; a process that shares the connection may hold its other end open for long. */
static char *read_messages(int fd) {
        char buf[SSH_MESSAGES_MAX], *text;
        size_t n = 0;

        while (n < sizeof(buf)) {
                ssize_t k = read(fd, buf + n, sizeof(buf) - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        break;
                n += (size_t) k;
        }
        while (n > 0 && strchr("\r\n \t", buf[n - 1]))
                n--;
        text = strndup(buf, n);
        return text && *text ? text : mfree(text);
}

/* Waits for the end of the process, and sees to it. */
static void await_end(SshSession *s, int patience_msec) {
        _cleanup_close_ int fd = s->pid > 0 ? (int) syscall(SYS_pidfd_open, s->pid, 0) : -EBADF;
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (s->pid > 0 && (fd < 0 || poll(&p, 1, patience_msec) <= 0))
                (void) kill(s->pid, SIGTERM);
}

TransferResult ssh_session_failure(SshSession *s, int error, char **ret_text) {
        _cleanup_free_ char *text = NULL;
        TransferResult result;
        int status;

        /* The server has nothing more to say to us: without these ends ssh and it come to their end. */
        s->in_fd = safe_close(s->in_fd);
        s->out_fd = safe_close(s->out_fd);
        await_end(s, error == -ETIMEDOUT ? 0 : END_MAX_MSEC);
        status = reap(s);
        text = read_messages(s->message_fd);

        if (error == -EBADMSG)
                result = TRANSFER_PROTOCOL_ERROR;
        else if (error == -ETIMEDOUT)
                result = TRANSFER_UNREACHABLE;
        else if (error != -EPIPE && error != -ECONNRESET)
                result = TRANSFER_LOCAL_ERROR;
        else if (status == SSH_EXIT_FAILURE)
                switch (ssh_failure_classify(strempty(text))) {
                case SSH_AUTHENTICATION_FAILED:
                        result = TRANSFER_AUTHENTICATION_FAILED;
                        break;
                case SSH_HOST_KEY_MISMATCH:
                        result = TRANSFER_HOST_KEY_MISMATCH;
                        break;
                case SSH_UNREACHABLE:
                default:
                        result = TRANSFER_UNREACHABLE;
                }
        else if (status > 0)
                /* The remote command ended with a failure of its own; or the forced command before it did, because
                 * the key is not authorized any more and the shared connection is from the time when it was. */
                result = strstr(strempty(text), SERVER_DENIED) ? TRANSFER_AUTHENTICATION_FAILED : TRANSFER_REFUSED;
        else
                result = TRANSFER_UNREACHABLE;
        *ret_text = TAKE_PTR(text);
        return result;
}
