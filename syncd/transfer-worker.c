/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-sync-transfer: one conversation with the repository's server. It reaches the network and the
 * local store, not the user's files: every privilege that syncd has for those is dropped first.
 *
 *      ispstorage-sync-transfer fetch|push STATE-DIRECTORY URL CONTROL-PATH
 *
 * Answers on WORKER_SOCKET_FD with one message: result, text, commit (main's tip afterwards), key ("next"
 * if it was accepted), sent, received. */
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/worker.h"
#include "syncd/git-store.h"
#include "syncd/instance.h"
#include "syncd/transfer-fetch.h"
#include "syncd/transfer-push.h"
#include "syncd/worker-message.h"

/* A RepositoryURL has at most 256 characters; what is longer is none. */
#define ORIGIN_MAX 1024U

typedef struct Transfer {
        GitStore *store;
        const char *directory;
        const char *control_path;
        const char *url_text;
        bool push;
        RepositoryUrl url;
        git_oid tip;
        uint64_t sent;
        uint64_t received;
} Transfer;

static int drop_privileges(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

static int get_or_zero(GitStore *store, const char *reference, git_oid *ret) {
        int r = git_store_get_reference(store, reference, ret);

        if (r == -ENOENT) {
                *ret = (git_oid) {};
                return 0;
        }
        return r;
}

/* Returns 1 if main, as it is known here, is of another repository, 0 if it is of this one or not known at
 * all. */
static int is_another(const Transfer *t) {
        _cleanup_free_ char *path = strfmt("%s/" INSTANCE_ORIGIN, t->directory), *origin = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = read_file(AT_FDCWD, path, ORIGIN_MAX, &origin, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return !streq(origin, t->url_text);
}

/* Main is what the server has now. Its origin goes last: until then it counts as another's. */
static int record(const Transfer *t, bool another) {
        _cleanup_free_ char *path = strfmt("%s/" INSTANCE_ORIGIN, t->directory);
        int r;

        if (!path)
                return -ENOMEM;
        r = git_store_set_reference(t->store, GIT_STORE_REMOTE, &t->tip);
        if (r < 0 || (!another && access(path, F_OK) >= 0))
                return r;
        return write_file_atomic(AT_FDCWD, path, t->url_text, strlen(t->url_text), 0600);
}

static TransferResult converse(Transfer *t, SshSession *session, char **ret_text) {
        git_oid known, candidate;
        TransferResult result;
        int r, another;

        r = another = is_another(t);
        if (r >= 0)
                r = get_or_zero(t->store, GIT_STORE_REMOTE, &known);
        if (r >= 0 && t->push)
                r = git_store_get_reference(t->store, GIT_STORE_CANDIDATE, &candidate);
        if (r < 0) {
                *ret_text = strfmt("The local store is damaged: %s", strerror(-r));
                return TRANSFER_LOCAL_ERROR;
        }
        /* What was made for the one repository is not for the other. */
        if (t->push && another)
                return TRANSFER_NON_FAST_FORWARD;
        if (t->push) {
                result = transfer_push(t->store, session, &known, &candidate, ret_text);
                t->tip = candidate;
        } else
                result = transfer_fetch(t->store, session, &known, another, &t->tip, ret_text);
        t->sent += ssh_session_stream(session)->sent;
        t->received += ssh_session_stream(session)->received;
        if (result != TRANSFER_OK)
                return result;
        r = record(t, another);
        return r < 0 ? TRANSFER_LOCAL_ERROR : TRANSFER_OK;
}

static TransferResult transfer_with_key(Transfer *t, const char *key, char **ret_text) {
        _cleanup_free_ char *key_path = strfmt("%s/%s", t->directory, key),
                            *known_hosts = strfmt("%s/" INSTANCE_KNOWN_HOSTS, t->directory),
                            *control = strfmt("%s-%s", t->control_path, key);
        _cleanup_(ssh_session_freep) SshSession *session = NULL;
        SshTarget target = {
                .url = t->url,
                .key_path = key_path,
                .known_hosts_path = known_hosts,
                .control_path = *t->control_path ? control : NULL,
        };
        TransferResult result;
        int r;

        *ret_text = NULL;
        if (!key_path || !known_hosts || !control)
                return TRANSFER_LOCAL_ERROR;
        r = ssh_session_new(&session, &target, t->push ? "git-receive-pack" : "git-upload-pack");
        if (r < 0)
                return TRANSFER_LOCAL_ERROR;
        result = converse(t, session, ret_text);
        /* The shared connection may be older than the key's authorization: the next try opens one of its own. */
        if ((result == TRANSFER_REFUSED || result == TRANSFER_AUTHENTICATION_FAILED) && target.control_path)
                (void) unlink(target.control_path);
        return result;
}

/* The new key is the current one from now on. The private half goes last: until then the next try does it
 * again. */
static int adopt_next_key(const char *directory) {
        _cleanup_free_ char *from = strfmt("%s/" INSTANCE_KEY_NEXT, directory),
                            *to = strfmt("%s/" INSTANCE_KEY, directory),
                            *from_pub = strfmt("%s.pub", strempty(from)),
                            *to_pub = strfmt("%s.pub", strempty(to));

        if (!from || !to || !from_pub || !to_pub)
                return -ENOMEM;
        if (rename(from_pub, to_pub) < 0 && errno != ENOENT)
                return -errno;
        return rename(from, to) < 0 ? -errno : 0;
}

static int answer(const Transfer *t, TransferResult result, const char *text, bool next_key) {
        _cleanup_strv_free_ char **message = NULL;
        char hex[GIT_OID_HEXSZ + 1];
        int r;

        if ((r = worker_message_add(&message, "result", transfer_result_to_string(result))) < 0 ||
            (r = worker_message_add(&message, "text", strempty(text))) < 0 ||
            (r = worker_message_add(&message, "commit", git_oid_tostr(hex, sizeof(hex), &t->tip))) < 0 ||
            (r = worker_message_add(&message, "key", next_key ? "next" : "current")) < 0 ||
            (r = worker_message_addf(&message, "sent", "%llu", (unsigned long long) t->sent)) < 0 ||
            (r = worker_message_addf(&message, "received", "%llu", (unsigned long long) t->received)) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

static int run(Transfer *t) {
        _cleanup_free_ char *text = NULL, *next = strfmt("%s/" INSTANCE_KEY_NEXT, t->directory);
        TransferResult result = TRANSFER_AUTHENTICATION_FAILED;
        bool next_key;
        int r;

        if (!next)
                return log_oom();
        next_key = access(next, R_OK) >= 0;
        if (next_key)
                result = transfer_with_key(t, INSTANCE_KEY_NEXT, &text);
        if (result == TRANSFER_AUTHENTICATION_FAILED) {
                next_key = false;
                text = mfree(text);
                result = transfer_with_key(t, INSTANCE_KEY, &text);
        }
        if (next_key && result == TRANSFER_OK) {
                r = adopt_next_key(t->directory);
                if (r < 0)
                        return log_error_errno(r, "Failed to adopt the new key: %m");
        }
        r = answer(t, result, text, next_key);
        return r < 0 ? log_error_errno(r, "Failed to answer: %m") : 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(git_store_freep) GitStore *store = NULL;
        _cleanup_free_ char *repository = NULL;
        Transfer transfer = {};
        int r;

        log_open();
        if (argc != 5 || (!streq(argv[1], "fetch") && !streq(argv[1], "push")) ||
            repository_url_parse(argv[3], &transfer.url) < 0) {
                log_error("Usage: %s fetch|push STATE-DIRECTORY URL CONTROL-PATH", argv[0]);
                return EXIT_FAILURE;
        }
        r = drop_privileges();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to drop privileges: %m");
                return EXIT_FAILURE;
        }
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return EXIT_FAILURE;
        transfer.push = streq(argv[1], "push");
        transfer.directory = argv[2];
        transfer.url_text = argv[3];
        transfer.control_path = argv[4];
        repository = strfmt("%s/" INSTANCE_OBJECTS, transfer.directory);
        if (!repository)
                return EXIT_FAILURE;
        r = git_store_open(&store, repository);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to open %s: %m", repository);
                return EXIT_FAILURE;
        }
        transfer.store = store;
        return run(&transfer) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
