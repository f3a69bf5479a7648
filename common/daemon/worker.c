/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/daemon/worker.h"

struct Worker {
        pid_t pid; /* 0 once it was reaped */
        bool timed_out;
        sd_event_source *child;
        sd_event_source *timer;
        WorkerExitHandler handler;
        void *userdata;
};

/* Between fork() and execv() in the child. */
static _Noreturn void exec_child(char *const argv[], int socket_fd, pid_t parent) {
        sigset_t none;
        int null_fd;

        (void) sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
                _exit(127);
        /* The parent may have died before the request was in place. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(127);
        null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
                _exit(127);
        if (socket_fd == WORKER_SOCKET_FD) {
                if (fcntl(socket_fd, F_SETFD, 0) < 0)
                        _exit(127);
        } else if (socket_fd >= 0 && dup2(socket_fd, WORKER_SOCKET_FD) < 0)
                _exit(127);
        if (close_range(socket_fd >= 0 ? WORKER_SOCKET_FD + 1 : STDERR_FILENO + 1, ~0U, 0) < 0)
                _exit(127);
        (void) execv(argv[0], argv);
        _exit(127);
}

static int on_exit_event(sd_event_source *s, const siginfo_t *si, void *userdata) {
        Worker *w = userdata;

        w->pid = 0;
        w->timer = sd_event_source_disable_unref(w->timer);
        w->handler(w, si, w->timed_out, w->userdata);
        return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Worker *w = userdata;

        w->timed_out = true;
        (void) kill(w->pid, SIGKILL);
        return 0;
}

static int watch(Worker *w, sd_event *event, uint64_t timeout_usec) {
        int r;

        r = sd_event_add_child(event, &w->child, w->pid, WEXITED, on_exit_event, w);
        if (r < 0)
                return r;
        if (timeout_usec == UINT64_MAX)
                return 0;
        return sd_event_add_time_relative(event, &w->timer, CLOCK_MONOTONIC, timeout_usec, 0, on_timeout, w);
}

int worker_spawn(
                Worker **ret,
                int *ret_socket,
                sd_event *event,
                char *const argv[],
                uint64_t timeout_usec,
                WorkerExitHandler handler,
                void *userdata) {

        _cleanup_(worker_freep) Worker *w = NULL;
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        pid_t parent = getpid();
        int r;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->handler = handler;
        w->userdata = userdata;

        if (ret_socket) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                        return -errno;
                ours = pair[0];
                theirs = pair[1];
                if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                        return -errno;
        }

        w->pid = fork();
        if (w->pid < 0) {
                w->pid = 0;
                return -errno;
        }
        if (w->pid == 0)
                exec_child(argv, theirs, parent);

        r = watch(w, event, timeout_usec);
        if (r < 0)
                return r;
        if (ret_socket)
                *ret_socket = TAKE_FD(ours);
        *ret = TAKE_PTR(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->child);
        sd_event_source_disable_unref(w->timer);
        if (w->pid > 0) {
                (void) kill(w->pid, SIGKILL);
                while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        free(w);
        return NULL;
}

pid_t worker_pid(const Worker *w) {
        return w->pid;
}

bool worker_succeeded(const siginfo_t *si) {
        return si->si_code == CLD_EXITED && si->si_status == 0;
}
