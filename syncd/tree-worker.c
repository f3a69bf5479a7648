/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-sync-tree: reads and changes the user's files and the local store of one instance. It has
 * the privileges for that, and no network.
 *
 *      ispstorage-sync-tree STATE-DIRECTORY FOLDER FILE-SYSTEM-UUID GATEWAY-NAME
 *      ispstorage-sync-tree --leave STATE-DIRECTORY FOLDER
 *
 * The second is for an instance that is gone (folder_leave()). The first lives as long as the folder is online.
 * WORKER_SOCKET_FD brings one request at a time ("command=run", "landed", "versions", "restore"); the answer is any
 * number of messages "event=conflict" or "event=version", and "event=done". When it has opened the folder it says
 * "event=done" as well. The keys of each are where they are written, below. What comes during a run lets it end soon;
 * "command=hurry", which has no answer, is for nothing else. */
#include <errno.h>
#include <git2.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/daemon/worker.h"
#include "syncd/tree-worker.h"
#include "syncd/worker-heap.h"

/* When nothing was asked for so long, what was scanned is written down, and not held in memory any more. */
#define IDLE_MSEC 10000
#define MMAP_THRESHOLD (64 << 10)

typedef struct TreeWorker {
        Folder *folder;
        const char *gateway_name;
} TreeWorker;

/* Sockets beyond the one it has are not its business. */
static int refuse_network(void) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(filter), .filter = filter };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return -errno;
        return 0;
}

int tree_send_conflicts(const SyncConflictList *conflicts) {
        for (size_t i = 0; i < conflicts->n; i++) {
                _cleanup_strv_free_ char **message = NULL;
                int r;

                if ((r = worker_message_add(&message, "event", "conflict")) < 0 ||
                    (r = worker_message_add(&message, "path", conflicts->items[i].path)) < 0 ||
                    (r = worker_message_add(&message, "renamed-to", conflicts->items[i].renamed_to)) < 0 ||
                    (r = worker_message_addf(
                                     &message, "time", "%lld", (long long) conflicts->items[i].time)) < 0 ||
                    (r = worker_message_send(WORKER_SOCKET_FD, message)) < 0)
                        return r;
        }
        return 0;
}

int tree_send_done(int error) {
        _cleanup_strv_free_ char **message = NULL;
        int r;

        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_addf(&message, "error", "%d", -error)) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

static uint32_t get_number(char *const *message, const char *key) {
        const char *value = worker_message_get(message, key);
        uint32_t n;

        return value && parse_uint32(value, &n) >= 0 ? n : 0;
}

/* What is to be pushed next, and whether anything is left then: what is pending in the store is not seen by others. */
static int add_push(TreeWorker *w, char ***message, const git_oid *commit) {
        char hex[GIT_OID_HEXSZ + 1];
        bool last = true;
        git_oid tip;
        int r;

        if (git_store_get_reference(folder_store(w->folder), GIT_STORE_CANDIDATE, &tip) >= 0)
                last = git_oid_equal(&tip, commit);
        r = worker_message_add(message, "push", git_oid_tostr(hex, sizeof(hex), commit));
        return r < 0 ? r : worker_message_addf(message, "push-last", "%d", last);
}

static int send_result(TreeWorker *w, const FolderResult *result) {
        _cleanup_strv_free_ char **message = NULL;
        const SyncTreeResult *o = &result->outcome;
        char revision[SYNC_REVISION_SIZE];
        int r;

        r = tree_send_conflicts(&result->conflicts);
        if (r < 0)
                return r;
        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "error", "0")) < 0 ||
            (r = worker_message_add(&message, "word", sync_word_to_string(o->word))) < 0 ||
            (r = worker_message_add(&message, "text", result->text)) < 0 ||
            (r = worker_message_addf(&message, "halted", "%d", o->halted)) < 0 ||
            (r = worker_message_addf(&message, "candidate", "%d", o->candidate)) < 0 ||
            (r = worker_message_addf(&message, "conflict", "%d", o->conflict)) < 0 ||
            (r = worker_message_addf(&message, "again", "%d", o->again)) < 0 ||
            (r = worker_message_addf(&message, "rest", "%d", o->rest)) < 0 ||
            (r = worker_message_addf(&message, "missing", "%d", o->missing)) < 0 ||
            (r = worker_message_addf(&message, "placed", "%d", o->placed)) < 0 ||
            (r = worker_message_addf(&message, "replan", "%d", o->replan)) < 0 ||
            (r = worker_message_addf(&message, "unplaced", "%zu", result->unplaced)) < 0 ||
            (r = worker_message_add(&message, "no-pull", sync_word_to_string(o->no_pull))) < 0 ||
            (r = worker_message_add(&message, "no-push", sync_word_to_string(o->no_push))) < 0 ||
            (r = worker_message_addf(
                             &message, "bytes-missing", "%llu", (unsigned long long) o->bytes_missing)) < 0 ||
            (r = worker_message_addf(
                             &message, "bytes-to-push", "%llu", (unsigned long long) o->bytes_to_push)) < 0 ||
            (r = add_push(w, &message, &result->push)) < 0 ||
            (r = worker_message_add(&message, "held", result->held)) < 0 ||
            (r = worker_message_add(&message, "confirmed", result->confirmed)) < 0 ||
            (r = worker_message_addf(&message, "pending", "%zu", result->pending)) < 0 ||
            (r = worker_message_add(&message, "revision", sync_revision_format(&o->base, revision))) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

/* Nothing more can be done, except to tell why: the next worker recovers. */
static int fail_run(TreeWorker *w, int error) {
        FolderResult result = {
                .outcome = { .halted = true, .again = true, .word = sync_word_from_error(error) },
        };

        (void) log_error_errno(error, "A run of synchronization failed: %m");
        (void) snprintf(result.text, sizeof(result.text), "%s", strerror(-error));
        (void) send_result(w, &result);
        return error;
}

/* Keys: full, changed, path and poison (any number), max-delete-count, max-delete-percent, confirmed. */
static int do_run(TreeWorker *w, char *const *message) {
        _cleanup_free_ SyncRefusal *refused = calloc(SYNC_POISON_MAX, sizeof(*refused));
        _cleanup_strv_free_ char **paths = NULL;
        FolderRequest request = {
                .gateway_name = w->gateway_name,
                .full = get_number(message, "full") != 0,
                .changed = get_number(message, "changed") != 0,
                .max_delete_count = get_number(message, "max-delete-count"),
                .max_delete_percent = get_number(message, "max-delete-percent"),
                .confirmed = worker_message_get(message, "confirmed"),
        };
        FolderResult result;
        int r;

        if (!refused)
                return -ENOMEM;
        STRV_FOREACH(field, message) {
                const char *path = worker_message_field(*field, "path"),
                           *poison = worker_message_field(*field, "poison");

                if (path && (r = strv_extend(&paths, path)) < 0)
                        return r;
                if (poison && request.n_refused < SYNC_POISON_MAX &&
                    sync_refusal_parse(poison, refused + request.n_refused) >= 0)
                        request.n_refused++;
        }
        request.paths = paths;
        request.refused = refused;
        r = folder_run(w->folder, &request, &result);
        if (r < 0)
                return fail_run(w, r);
        r = send_result(w, &result);
        folder_result_clear(&result);
        if (r < 0)
                return r;
        r = folder_finish_run(w->folder);
        return r < 0 ? log_error_errno(r, "Failed to keep what was committed: %m") : 0;
}

/* Key: commit. Answers with revision, and what is to be pushed next: push, push-last, bytes-to-push. */
static int do_landed(TreeWorker *w, char *const *message_in) {
        const char *commit = strempty(worker_message_get(message_in, "commit"));
        char text[SYNC_REVISION_SIZE];
        _cleanup_strv_free_ char **message = NULL;
        SyncRevision revision;
        git_oid id, next;
        uint64_t bytes;
        int r;

        if (git_oid_fromstr(&id, commit) < 0)
                return -EBADMSG;
        r = folder_landed(w->folder, &id, &revision, &next, &bytes);
        if (r < 0)
                return r;
        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "error", "0")) < 0 ||
            (r = add_push(w, &message, &next)) < 0 ||
            (r = worker_message_addf(&message, "bytes-to-push", "%llu", (unsigned long long) bytes)) < 0 ||
            (r = worker_message_add(&message, "revision", sync_revision_format(&revision, text))) < 0)
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

/* A negative errno ends the worker. */
static int serve(TreeWorker *w, char *const *message) {
        const char *command = strempty(worker_message_get(message, "command"));

        if (streq(command, "run"))
                return do_run(w, message);
        if (streq(command, "landed"))
                return do_landed(w, message);
        /* There was nothing left to be hurried up. */
        if (streq(command, "hurry"))
                return 0;
        return tree_serve_history(w->folder, w->gateway_name, command, message);
}

/* Waits for a request. What is written down meanwhile only saves work after a restart. */
static int receive(TreeWorker *w, char ***ret) {
        struct pollfd p = { .fd = WORKER_SOCKET_FD, .events = POLLIN };
        int r;

        if (poll(&p, 1, IDLE_MSEC) == 0) {
                r = folder_rest(w->folder);
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to save the index: %m");
        }
        r = worker_message_receive(WORKER_SOCKET_FD, ret);
        if (r == -EPIPE)
                (void) folder_save_index(w->folder);
        return r;
}

static bool somebody_waits(void *userdata) {
        struct pollfd p = { .fd = WORKER_SOCKET_FD, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

static int run(TreeWorker *w, char *argv[]) {
        SyncConflictList conflicts = {};
        int r;

        r = folder_open(&w->folder, argv[1], argv[2], argv[3], argv[4], &conflicts);
        if (r >= 0)
                r = tree_send_conflicts(&conflicts);
        sync_conflict_list_clear(&conflicts);
        if (r < 0)
                (void) log_debug_errno(r, "Failed to open %s: %m", argv[2]);
        if (tree_send_done(r) < 0 || r < 0)
                return r;
        folder_set_waits(w->folder, somebody_waits, NULL);
        for (;;) {
                _cleanup_strv_free_ char **message = NULL;

                r = receive(w, &message);
                if (r == -EPIPE)
                        return 0;
                if (r >= 0)
                        r = serve(w, message);
                if (r < 0)
                        return log_error_errno(r, "Ends: %m");
        }
}

static int leave(const char *state_directory, const char *folder) {
        int r = folder_leave(state_directory, folder);

        if (r < 0 && r != -EWOULDBLOCK)
                (void) log_warning_errno(r, "Failed to remove what was left beside %s: %m", folder);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        TreeWorker worker = {};
        int r;

        log_open();
        if (argc == 4 && streq(argv[1], "--leave"))
                return leave(argv[2], argv[3]);
        if (argc != 5) {
                log_error("Usage: %s STATE-DIRECTORY FOLDER FILE-SYSTEM-UUID GATEWAY-NAME\n"
                          "       %s --leave STATE-DIRECTORY FOLDER",
                          argv[0],
                          argv[0]);
                return EXIT_FAILURE;
        }
        worker_heap_init(MMAP_THRESHOLD);
        worker.gateway_name = argv[4];
        /* Who opens a file in the moment of a lease on it (sync-open.h) is told so to its holder. */
        if (signal(SIGIO, SIG_IGN) == SIG_ERR)
                return EXIT_FAILURE;
        r = refuse_network();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to give up the network: %m");
                return EXIT_FAILURE;
        }
        r = run(&worker, argv);
        folder_free(worker.folder);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
