/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-sync-transfer: conversations with the repository's server. It reaches the network, the local
 * store and the staging directory; of the user's folder it reads what its user id may: every privilege that
 * syncd has for that is dropped first.
 *
 *      ispstorage-sync-transfer STATE-DIRECTORY FOLDER-PATH STAGING-DIRECTORY URL CONTROL-PATH
 *
 * FOLDER-PATH may be empty: then content comes from snapshots alone. CONTROL-PATH, which may be empty, is
 * where ssh's shared connection listens. On WORKER_SOCKET_FD it takes one command at a time, a message whose
 * field "command" is
 *
 *      fetch      main's commits, trees and metadata come to the store
 *      history    the trees of all of main's history do
 *      objects    the trees, with all beneath them, and metadata of the fields "object", ids, come to the store
 *      content    what the tree worker wants (<state>/wanted, or the list of the field "list") comes to the
 *                 staging directory
 *      blob       likewise the files of the fields "file": "<oid>" or "<oid> <size>"
 *      push       the commit of the field "commit" becomes main; without it, the candidate. last=0: others are to be
 *                 pushed after it, whose batches stay
 *      prefetch   what others push comes to the staging directory before it is main; "patience": the least seconds
 *                 without news after which it ends, at most 30
 *
 * with the optional fields "upload" and "download", limits in bytes per second (0: none), "floor", bytes that must
 * stay free on the disk, and "metadata", bytes in place of TRANSFER_METADATA_MAX. Answers: messages with
 * event=progress, done and total (bytes; total 0 if not known), at most four a second; and one with event=done: result,
 * text, commit (main's tip, as far as it is known), key ("next" if it was accepted), sent, received (bytes), and where
 * it applies changed or poison, a path, with version, the oid of the file there (zero: it is no file's). A message with
 * "upload" or "download" and without "command" sets limits also while a command runs, and one with "stop" asks for its
 * end. Ends with the socket, or after two minutes without a command, and leaves the connection to the next one. */
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/daemon/worker.h"
#include "syncd/instance.h"
#include "syncd/staging-ref.h"
#include "syncd/transfer-pace.h"
#include "syncd/transfer.h"
#include "syncd/worker-heap.h"
#include "syncd/worker-message.h"

/* A RepositoryURL has at most 256 characters; what is longer is none. */
#define ORIGIN_MAX 1024U
/* A public key with its comment. */
#define PUBLIC_KEY_MAX 16384U
#define IDLE_MSEC 120000
/* Most chunks are below it (CHUNK_AVERAGE): to map each would cost time. */
#define MMAP_THRESHOLD (256 << 10)
#define PROGRESS_NSEC INT64_C(250000000)
/* What stays free on the disk if the command does not say. */
#define DISK_FLOOR (UINT64_C(64) << 20)

typedef struct TransferWorker {
        Transfer transfer;
        const char *directory;
        const char *url_text;
        TransferPace pace;
        char **command; /* the message */
        int64_t progress_time;
} TransferWorker;

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
                *ret = (git_oid){};
                return 0;
        }
        return r;
}

/* Returns 1 if main, as it is known here, is of another repository, 0 if it is of this one or not known at
 * all. */
static int is_another(const TransferWorker *w) {
        _cleanup_free_ char *origin = NULL;
        int r;

        r = read_file(w->transfer.state_fd, INSTANCE_ORIGIN, ORIGIN_MAX, &origin, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return !streq(origin, w->url_text);
}

/* Main is what this server has now. Until this is written it counts as another's. */
static int record_origin(const TransferWorker *w, bool another) {
        if (!another && faccessat(w->transfer.state_fd, INSTANCE_ORIGIN, F_OK, 0) >= 0)
                return 0;
        return write_file_atomic(
                        w->transfer.state_fd, INSTANCE_ORIGIN, w->url_text, strlen(w->url_text), 0600);
}

/* --- progress --- */

static int64_t now_nsec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int on_progress(uint64_t done, uint64_t total, void *userdata) {
        _cleanup_strv_free_ char **message = NULL;
        TransferWorker *w = userdata;
        int64_t now = now_nsec();

        transfer_pace_poll(&w->pace);
        if (w->pace.stop)
                return -ECANCELED;
        if (w->progress_time != 0 && now - w->progress_time < PROGRESS_NSEC)
                return 0;
        w->progress_time = now;
        /* Progress that does not get through is late, and not missed. */
        if (worker_message_add(&message, "event", "progress") >= 0 &&
            worker_message_addf(&message, "done", "%llu", (unsigned long long) done) >= 0 &&
            worker_message_addf(&message, "total", "%llu", (unsigned long long) total) >= 0 &&
            worker_message_addf(&message, "yielding", "%d", transfer_pace_is_yielding(&w->pace)) >= 0)
                (void) worker_message_send(WORKER_SOCKET_FD, message);
        return 0;
}

static void on_wait(uint64_t usec, void *userdata) {
        TransferWorker *w = userdata;

        transfer_pace_wait(&w->pace, usec);
}

/* --- commands --- */

static TransferResult local_error(TransferWorker *w, int error, const char *what) {
        free(w->transfer.link.text);
        w->transfer.link.text = strfmt("%s: %s", what, strerror(-error));
        return TRANSFER_LOCAL_ERROR;
}

static TransferResult do_fetch(TransferWorker *w, TransferOutcome *outcome) {
        TransferResult result;
        git_oid known;
        int r, another;

        r = another = is_another(w);
        if (r >= 0)
                r = get_or_zero(w->transfer.store, GIT_STORE_REMOTE, &known);
        if (r < 0)
                return local_error(w, r, "The local store is damaged");
        result = transfer_fetch(&w->transfer, &known, another, outcome);
        if (result != TRANSFER_OK)
                return result;
        r = record_origin(w, another);
        return r < 0 ? local_error(w, r, "The state directory cannot be written") : TRANSFER_OK;
}

static TransferResult do_push(TransferWorker *w, TransferOutcome *outcome) {
        const char *commit = strempty(worker_message_get(w->command, "commit")),
                   *last = worker_message_get(w->command, "last");
        git_oid known, candidate;
        TransferResult result;
        int r, another;

        r = another = is_another(w);
        if (r >= 0)
                r = get_or_zero(w->transfer.store, GIT_STORE_REMOTE, &known);
        if (r >= 0)
                r = git_oid_fromstr(&candidate, commit) >= 0
                                    ? 0
                                    : git_store_get_reference(w->transfer.store, GIT_STORE_CANDIDATE, &candidate);
        if (r < 0)
                return local_error(w, r, "The local store is damaged");
        outcome->tip = known;
        /* What was made for the one repository is not for the other. */
        if (another)
                return TRANSFER_NON_FAST_FORWARD;
        result = transfer_push(&w->transfer, &known, &candidate, !streq_ptr(last, "0"), outcome);
        if (result != TRANSFER_OK)
                return result;
        r = record_origin(w, another);
        return r < 0 ? local_error(w, r, "The state directory cannot be written") : TRANSFER_OK;
}

static TransferResult do_content(TransferWorker *w, TransferOutcome *outcome) {
        _cleanup_(wanted_done) Wanted wanted = {};
        const char *list = worker_message_get(w->command, "list");
        int r;

        if (list && !streq(list, WANTED_MAIN) && !streq(list, WANTED_RESTORE))
                return local_error(w, -EINVAL, "There is no such list");
        r = wanted_load(w->transfer.state_fd, list ?: WANTED_MAIN, &wanted);
        /* Without it nothing is wanted; the tree worker finds out what is. */
        if (r == -ENOENT || r == -EBADMSG)
                return TRANSFER_OK;
        if (r < 0)
                return local_error(w, r, "The list of what is wanted cannot be read");
        r = transfer_want_rest(&w->transfer, &wanted);
        if (r < 0)
                return transfer_link_failure(&w->transfer.link, NULL, r);
        /* The tree worker has read them in the trees. */
        wanted.proven = true;
        return transfer_content(&w->transfer, &wanted);
}

static TransferResult do_blob(TransferWorker *w, TransferOutcome *outcome) {
        _cleanup_strv_free_ char **files = NULL;

        STRV_FOREACH (field, w->command) {
                const char *file = worker_message_field(*field, "file");

                if (file && strv_extend(&files, file) < 0)
                        return TRANSFER_LOCAL_ERROR;
        }
        return transfer_files(&w->transfer, files);
}

static TransferResult do_prefetch(TransferWorker *w, TransferOutcome *outcome) {
        const char *patience = worker_message_get(w->command, "patience");
        uint64_t sec = TRANSFER_PATIENCE_SEC;
        int r;

        /* A push that has stopped leaves its staging refs for its next try. */
        if (patience && (parse_uint64(patience, &sec) < 0 || sec > TRANSFER_PATIENCE_SEC))
                sec = TRANSFER_PATIENCE_SEC;
        r = get_or_zero(w->transfer.store, GIT_STORE_REMOTE, &outcome->tip);
        return r < 0 ? local_error(w, r, "The local store is damaged")
                     : transfer_prefetch(&w->transfer, &outcome->tip, (unsigned) sec);
}

static TransferResult do_history(TransferWorker *w, TransferOutcome *outcome) {
        int r = get_or_zero(w->transfer.store, GIT_STORE_REMOTE, &outcome->tip);

        return r < 0 ? local_error(w, r, "The local store is damaged")
                     : transfer_history(&w->transfer, &outcome->tip);
}

static TransferResult do_objects(TransferWorker *w, TransferOutcome *outcome) {
        _cleanup_free_ git_oid *ids = NULL;
        size_t n = 0;

        ids = calloc(strv_length(w->command) + 1, sizeof(*ids));
        if (!ids)
                return local_error(w, -ENOMEM, "The list of objects cannot be read");
        STRV_FOREACH (field, w->command) {
                const char *id = worker_message_field(*field, "object");

                if (id && git_oid_fromstr(ids + n++, id) < 0)
                        return local_error(w, -EINVAL, "The list of objects cannot be read");
        }
        return transfer_fetch_objects(&w->transfer, ids, n);
}

static const struct {
        const char *name;
        TransferResult (*run)(TransferWorker *w, TransferOutcome *outcome);
} commands[] = {
        { "fetch", do_fetch },       { "push", do_push }, { "content", do_content },
        { "prefetch", do_prefetch }, { "blob", do_blob }, { "history", do_history },
        { "objects", do_objects },
};

/* Staging refs bear the name of the key, which may be a new one by now. */
static int name_gateway(TransferWorker *w) {
        _cleanup_free_ char *key = NULL;
        int r;

        r = read_file(w->transfer.state_fd, INSTANCE_KEY ".pub", PUBLIC_KEY_MAX, &key, NULL);
        return r < 0 ? r : staging_gateway_name(key, w->transfer.gateway);
}

static int answer(
                TransferWorker *w,
                TransferResult result,
                const TransferOutcome *outcome,
                uint64_t sent,
                uint64_t received) {
        _cleanup_strv_free_ char **message = NULL;
        const char *path_key = result == TRANSFER_CHANGED ? "changed" : "poison";
        char hex[GIT_OID_HEXSZ + 1], version[2 * SYNC_OID_SIZE + 1];
        int r;

        if ((r = worker_message_add(&message, "event", "done")) < 0 ||
            (r = worker_message_add(&message, "result", transfer_result_to_string(result))) < 0 ||
            (r = worker_message_add(&message, "text", strempty(w->transfer.link.text))) < 0 ||
            (r = worker_message_add(&message, "commit", git_oid_tostr(hex, sizeof(hex), &outcome->tip))) <
                            0 ||
            (r = worker_message_add(&message, "key", w->transfer.link.next_key ? "next" : "current")) < 0 ||
            (r = worker_message_addf(&message, "sent", "%llu", (unsigned long long) sent)) < 0 ||
            (r = worker_message_addf(&message, "received", "%llu", (unsigned long long) received)) < 0 ||
            (outcome->path && (r = worker_message_add(&message, path_key, outcome->path)) < 0) ||
            (outcome->path &&
             (r = worker_message_add(
                              &message,
                              "version",
                              format_hex(outcome->version.bytes, SYNC_OID_SIZE, version))) < 0))
                return r;
        return worker_message_send(WORKER_SOCKET_FD, message);
}

static int run_command(TransferWorker *w, const char *name) {
        TransferLink *link = &w->transfer.link;
        uint64_t sent, received, sent_before, received_before;
        TransferOutcome outcome = {};
        TransferResult result = TRANSFER_LOCAL_ERROR;
        const char *floor = worker_message_get(w->command, "floor"),
                   *metadata = worker_message_get(w->command, "metadata");
        int r;

        if (floor)
                (void) parse_uint64(floor, &w->transfer.area.disk_floor);
        w->transfer.metadata_max = TRANSFER_METADATA_MAX;
        if (metadata)
                (void) parse_uint64(metadata, &w->transfer.metadata_max);
        link->next_key = false;
        link->text = mfree(link->text);
        w->progress_time = 0;
        transfer_link_count(link, &sent_before, &received_before);
        r = transfer_pace_begin(&w->pace, w->command);
        if (r >= 0)
                r = name_gateway(w);
        link->background = w->pace.background;
        if (r < 0)
                result = local_error(w, r, "The public key or the limits cannot be read");
        else {
                (void) free_and_strdup(&link->text, "unknown command");
                for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                        if (streq(name, commands[i].name)) {
                                link->text = mfree(link->text);
                                result = commands[i].run(w, &outcome);
                        }
        }
        /* Nothing is kept from being pruned any longer. */
        (void) git_store_sync(w->transfer.store);
        transfer_pace_end(&w->pace);
        transfer_link_count(link, &sent, &received);
        r = answer(w, result, &outcome, sent - sent_before, received - received_before);
        free(outcome.path);
        return r;
}

/* Serves until the socket's end, or a long idleness. */
static int serve(TransferWorker *w) {
        for (;;) {
                struct pollfd p = { .fd = WORKER_SOCKET_FD, .events = POLLIN };
                _cleanup_strv_free_ char **message = NULL;
                const char *name;
                int r;

                r = poll(&p, 1, IDLE_MSEC);
                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return r < 0 ? -errno : 0;
                r = worker_message_receive(WORKER_SOCKET_FD, &message);
                if (r < 0)
                        return r == -EPIPE ? 0 : r;
                name = worker_message_get(message, "command");
                if (!name)
                        continue;
                w->command = message;
                r = run_command(w, name);
                w->command = NULL;
                if (r < 0)
                        return r == -EPIPE ? 0 : r;
        }
        return 0;
}

static int open_all(TransferWorker *w, const char *folder, const char *staging) {
        _cleanup_free_ char *objects = strfmt("%s/" INSTANCE_OBJECTS, w->directory);
        _cleanup_close_ int staging_fd = -EBADF;
        Transfer *t = &w->transfer;
        int r;

        t->folder_fd = t->state_fd = -EBADF;
        if (!objects)
                return -ENOMEM;
        t->state_fd = open(w->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (t->state_fd < 0)
                return -errno;
        staging_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (staging_fd < 0)
                return -errno;
        if (*folder)
                t->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = content_area_open(&t->area, staging_fd, DISK_FLOOR);
        return r < 0 ? r : git_store_open(&t->store, objects);
}

int main(int argc, char *argv[]) {
        static const char usage[] = "STATE-DIRECTORY FOLDER-PATH STAGING-DIRECTORY URL CONTROL-PATH";
        TransferWorker worker = {};
        Transfer *t = &worker.transfer;
        int r;

        log_open();
        if (argc != 6 || repository_url_parse(argv[4], &t->link.url) < 0) {
                log_error("Usage: %s %s", argv[0], usage);
                return EXIT_FAILURE;
        }
        worker_heap_init(MMAP_THRESHOLD);
        r = drop_privileges();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to drop privileges: %m");
                return EXIT_FAILURE;
        }
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return EXIT_FAILURE;
        (void) git_libgit2_init();
        worker.directory = t->link.directory = argv[1];
        worker.url_text = argv[4];
        t->link.control_path = argv[5];
        transfer_pace_init(&worker.pace, WORKER_SOCKET_FD, t->link.url.port);
        t->link.limit_in = &worker.pace.down;
        t->link.limit_out = &worker.pace.up;
        t->progress = on_progress;
        t->wait = on_wait;
        t->userdata = &worker;
        r = open_all(&worker, argv[2], argv[3]);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to open the state in %s: %m", argv[1]);
                return EXIT_FAILURE;
        }
        r = serve(&worker);
        if (r < 0)
                (void) log_error_errno(r, "Failed to serve: %m");
        transfer_link_done(&t->link);
        transfer_pace_clear(&worker.pace);
        content_area_close(&t->area);
        git_store_free(t->store);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
