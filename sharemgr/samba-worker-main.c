/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks and tells the SMB server, with Samba's own programs; a process of its own, as they wait for it, and
 * as clients choose the names that they print.
 *
 *   list              writes one message per session to its socket
 *   end PROCESS       ends a session
 *   close [share:NAME, user:NAME...]
 *                     ends what is connected to these shares, which are gone, what is connected to any other
 * without a right to be, and the sessions of these users and of whom the journal does not know */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"
#include "sharemgr/session.h"
#include "sharemgr/share-paths.h"

#define CONFIGURATION "--configfile=" SMB_CONF

/* 1000 sessions with 256 open files each. */
#define OUTPUT_MAX (64U * 1024U * 1024U)

/* Runs a program; its output goes to *ret, if that is not NULL. 0 or a negative errno. */
static int run(char *const argv[], char **ret) {
        _cleanup_fclose_ FILE *in = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int ends[2], status;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0)
                        (void) execv(argv[0], argv);
                _exit(127);
        }
        (void) close(ends[1]);
        in = fdopen(ends[0], "re");
        if (pid < 0 || !in)
                return -errno;
        if (getdelim(&text, &size, 0, in) > OUTPUT_MAX || waitpid(pid, &status, 0) < 0 || status != 0)
                return -EIO;
        if (ret)
                *ret = TAKE_PTR(text);
        return 0;
}

/* Whose a session is, by the last login of its process that the journal has. */
static void find_user(Session *s) {
        _cleanup_free_ char *match = strfmt("_PID=%" PRIu32, session_smb_process(s->id));
        sd_journal *journal;
        const void *data;
        size_t size;

        if (!match || sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) < 0)
                return;
        if (sd_journal_seek_tail(journal) >= 0 && sd_journal_add_match(journal, match, 0) >= 0 &&
            sd_journal_add_match(journal, "_SYSTEMD_UNIT=ispstorage-smbd.service", 0) >= 0)
                for (bool found = false; !found && sd_journal_previous(journal) > 0;) {
                        _cleanup_free_ char *line = NULL, *user = NULL;

                        if (sd_journal_get_data(journal, "MESSAGE", &data, &size) < 0)
                                continue;
                        line = strndup((const char *) data + strlen("MESSAGE="), size - strlen("MESSAGE="));
                        user = line ? session_user_from_audit(line) : NULL;
                        found = user && free_and_strdup(&s->user, user) >= 0;
                }
        sd_journal_close(journal);
}

static int read_sessions(Sessions *ret) {
        const char *argv[] = { "/usr/bin/smbstatus", CONFIGURATION, "--json", NULL };
        _cleanup_free_ char *text = NULL;
        int r;

        if ((r = run((char *const *) argv, &text)) < 0 ||
            (r = sessions_from_smbstatus(strempty(text), ret)) < 0)
                return log_error_errno(r, "Failed to ask Samba for its sessions: %m");
        for (size_t i = 0; i < ret->n; i++)
                find_user(ret->items + i);
        return 0;
}

static int list(void) {
        _cleanup_sessions_ Sessions sessions = {};
        int r;

        r = read_sessions(&sessions);
        for (size_t i = 0; i < sessions.n; i++) {
                _cleanup_free_ char *message = NULL;

                r = session_to_text(sessions.items + i, &message);
                if (r >= 0 && strlen(message) < SESSION_TEXT_MAX &&
                    send(WORKER_SOCKET_FD, message, strlen(message), MSG_NOSIGNAL) < 0)
                        return -errno;
        }
        return r;
}

static int control(const char *whom, const char *message, const char *argument) {
        const char *argv[] = { "/usr/bin/smbcontrol", CONFIGURATION, whom, message, argument, NULL };
        int r = run((char *const *) argv, NULL);

        return r < 0 ? log_error_errno(r, "Samba does not take the message %s: %m", message) : 0;
}

static int end_process(const char *process) {
        return control(process, "shutdown", NULL);
}

/* users: words "user:NAME", among others. */
static int end_users(char *const *users) {
        _cleanup_sessions_ Sessions sessions = {};
        int r = read_sessions(&sessions);

        for (size_t i = 0; r >= 0 && i < sessions.n; i++) {
                const Session *s = sessions.items + i;
                _cleanup_free_ char *word = strfmt("user:%s", s->user);

                if (!word)
                        return -ENOMEM;
                if (*s->user && !strv_contains(users, word))
                        continue;
                r = end_process(s->id + strlen("smb:"));
        }
        return r;
}

static int close_sessions(char *const *words) {
        bool any_user = false;
        /* The signal that the unit's reload sends reaches a session's process later than a message. */
        int r = control("smbd", "reload-config", NULL);

        STRV_FOREACH (word, words) {
                const char *share = startswith(*word, "share:");

                any_user = any_user || startswith(*word, "user:");
                if (share && control("smbd", "close-share", share) < 0)
                        r = -EIO;
        }
        if (control("smbd", "close-denied-share", "*") < 0 || (any_user && end_users(words) < 0))
                r = -EIO;
        return r;
}

int main(int argc, char *argv[]) {
        int r = -EINVAL;

        log_open();
        if (argc == 2 && streq(argv[1], "list"))
                r = list();
        else if (argc == 3 && streq(argv[1], "end"))
                r = end_process(argv[2]);
        else if (argc >= 2 && streq(argv[1], "close"))
                r = close_sessions(argv + 2);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
