/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "syncd/repository-bus-history.h"
#include "syncd/repository-bus-job.h"

/* Calls that are served at once; a restoration is one of them at most. */
#define JOBS_MAX 8U
/* Fetches for a list: the history, and metadata of what it lists. With more, something prunes as fast as it is
 * fetched. */
#define LIST_FETCHES_MAX 8U
/* Fetches for a part of a restoration, of which each brings thousands of objects or gigabytes. */
#define PART_FETCHES_MAX 4096U

static void end_fetcher(BusJob *j) {
        Repository *r = j->entry->repository;

        if (r && r->restorer == j->fetcher)
                r->restorer = NULL;
        j->fetcher = transfer_client_free(j->fetcher);
}

BusJob *bus_job_free(BusJob *j) {
        if (!j)
                return NULL;
        for (BusJob **at = &j->entry->jobs; *at; at = &(*at)->next)
                if (*at == j) {
                        *at = j->next;
                        break;
                }
        end_fetcher(j);
        sd_bus_message_unref(j->request);
        sd_bus_message_unref(j->reply);
        sd_bus_track_unref(j->caller);
        strv_free(j->question);
        free(j->text);
        free(j->path);
        free(j->to);
        free(j->after);
        free(j->failed_path);
        free(j);
        return NULL;
}

/* --- its end --- */

const char *bus_job_error_text(int error) {
        switch (-error) {
        case ESRCH:
                return "There is no such version";
        case EEXIST:
                return "Something is there already";
        case EBUSY:
                return "The folder or the file is busy, or not online";
        case EINVAL:
                return "Not a path in the folder, or not the name of a version";
        case ENOTDIR:
                return "A file is in the place of a directory";
        case EISDIR:
                return "A directory is there";
        case ENOSPC:
                return "No space is left on the disk";
        case ECANCELED:
                return "Canceled";
        default:
                return strerror(-error);
        }
}

static void reply_error(BusJob *j, int error, const char *text) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        if (error == -EISDIR || error == -ENOTDIR)
                error = -EEXIST;
        (void) bus_error_set_named(&e, error, text);
        (void) sd_bus_reply_method_error(j->request, &e);
}

static int reply_failures(BusJob *j) {
        _cleanup_free_ char *path = repository_make_utf8(strempty(j->failed_path)), *text = NULL;

        text = strfmt("%llu of %llu could not be restored; %s: %s",
                      (unsigned long long) j->n_failed,
                      (unsigned long long) (j->n_failed + j->n_restored),
                      strempty(path),
                      bus_job_error_text(j->failed_error));
        reply_error(j, j->failed_error, text ?: bus_job_error_text(-ENOMEM));
        return 0;
}

static int reply(BusJob *j, char *const *message) {
        const char *time = worker_message_get(message, "time");
        int64_t t = 0;
        int r = 0;

        switch (j->kind) {
        case JOB_VERSIONS:
        case JOB_COMMITS:
                r = sd_bus_message_close_container(j->reply);
                if (r >= 0 && j->tells_more)
                        r = sd_bus_message_append(
                                        j->reply, "b", streq_ptr(worker_message_get(message, "more"), "1"));
                return r < 0 ? r : sd_bus_send(NULL, j->reply, NULL);
        case JOB_FIND:
                if (!time || parse_int64(time, &t) < 0)
                        return -EBADMSG;
                return sd_bus_reply_method_return(j->request, "sx", strempty(worker_message_get(message, "commit")), t);
        case JOB_RESTORE:
        default:
                return j->n_failed > 0 ? reply_failures(j)
                                       : sd_bus_reply_method_return(j->request, "tt", j->n_restored, j->done);
        }
}

/* What was put in place becomes a version also if the rest failed. */
static void finish(BusJob *j, int error, char *const *message) {
        if (j->dirty && j->entry->repository->tree)
                repository_mark_dirty(j->entry->repository, j->to);
        if (error >= 0)
                error = reply(j, message);
        if (error < 0)
                reply_error(j, error, error == -EHOSTUNREACH && j->text ? j->text : bus_job_error_text(error));
        bus_job_free(j);
}

/* --- going on --- */

static void emit_progress(BusJob *j) {
        _cleanup_free_ char *path = repository_bus_path(j->entry->instance), *name = repository_make_utf8(j->path);
        uint64_t done = MIN(j->done + j->fetched + j->fetching, j->total);

        if (path && name)
                (void) sd_bus_emit_signal(
                                j->entry->manager->bus,
                                path,
                                REPOSITORY_INTERFACE,
                                "RestoreProgress",
                                "stt",
                                name,
                                done,
                                j->total);
}

static void on_progress(uint64_t done, uint64_t total, bool yielding, void *userdata) {
        BusJob *j = userdata;

        if (j->kind != JOB_RESTORE || j->total == 0)
                return;
        j->fetching = done;
        emit_progress(j);
}

static void on_fetched(TransferClient *c, const TransferAnswer *answer, void *userdata) {
        BusJob *j = userdata;

        repository_count_bytes(j->entry->repository, answer);
        j->fetched += j->fetching;
        j->fetching = 0;
        if (answer->result != TRANSFER_OK) {
                (void) free_and_strdup(&j->text, answer->text);
                if (isempty(j->text))
                        (void) free_and_strdup(&j->text, transfer_result_to_string(answer->result));
                if (j->kind == JOB_RESTORE) {
                        finish(j, -EHOSTUNREACH, NULL);
                        return;
                }
                j->final = true;
        }
        bus_job_ask(j);
}

/* Fetches what the answer says is missing. 1, 0 if nothing is, or a negative errno. */
static int fetch(BusJob *j, char *const *answer) {
        const char *missing = worker_message_get(answer, "bytes-missing");
        bool trees = streq_ptr(worker_message_get(answer, "trees"), "1"),
             objects = worker_message_get(answer, "object");
        Repository *r = j->entry->repository;
        _cleanup_strv_free_ char **message = NULL;
        int k;

        if (!trees && !objects && (!missing || streq(missing, "0")))
                return 0;
        if (++j->n_fetches > (j->kind == JOB_RESTORE ? PART_FETCHES_MAX : LIST_FETCHES_MAX))
                return -EIO;
        if ((k = worker_message_add(&message, "command", trees ? "history" : objects ? "objects" : "content")) < 0 ||
            (k = worker_message_add(&message, "list", "wanted-restore")) < 0 ||
            (k = repository_bandwidth_add_limits(r, &message)) < 0)
                return k;
        STRV_FOREACH(field, trees ? NULL : answer)
                if (worker_message_field(*field, "object") && (k = strv_extend(&message, *field)) < 0)
                        return k;
        if (!j->fetcher) {
                k = repository_new_transfer(r, &j->fetcher);
                if (k < 0)
                        return k;
                r->restorer = j->fetcher;
        }
        k = transfer_client_send(j->fetcher, message, on_progress, on_fetched, j);
        return k < 0 ? k : 1;
}

static uint64_t get_number(char *const *message, const char *key) {
        const char *value = worker_message_get(message, key);
        uint64_t n;

        return value && parse_uint64(value, &n) >= 0 ? n : 0;
}

/* A part of a restoration is done. Returns 1 if there is more, 0 if it is complete, or a negative errno. */
static int take_part(BusJob *j, char *const *answer) {
        const char *after = worker_message_get(answer, "after");
        uint64_t failed = get_number(answer, "failed");

        if (failed > 0 && j->n_failed == 0) {
                j->failed_error = -(int) get_number(answer, "failed-error");
                if (free_and_strdup(&j->failed_path, worker_message_get(answer, "failed-path")) < 0)
                        return -ENOMEM;
        }
        j->n_failed += failed;
        j->n_restored += get_number(answer, "restored");
        j->done += get_number(answer, "bytes");
        j->fetched = 0;
        j->n_fetches = 0;
        j->total = MAX(j->total, j->done);
        emit_progress(j);
        if (!after)
                return 0;
        return free_and_strdup(&j->after, after) < 0 ? -ENOMEM : 1;
}

static int append_version(BusJob *j, char *const *message) {
        const char *time = worker_message_get(message, "time"), *size = worker_message_get(message, "size"),
                   *mtime = worker_message_get(message, "mtime"),
                   *commit = strempty(worker_message_get(message, "commit"));
        _cleanup_free_ char *author = repository_make_utf8(strempty(worker_message_get(message, "author"))),
                            *text = repository_make_utf8(strempty(worker_message_get(message, "message")));
        int64_t t, n, m;

        if (!author || !text)
                return -ENOMEM;
        if (!time || parse_int64(time, &t) < 0 || !size || parse_int64(size, &n) < 0 || !mtime ||
            parse_int64(mtime, &m) < 0)
                return -EBADMSG;
        if (j->kind == JOB_COMMITS)
                return sd_bus_message_append(j->reply, "(sxss)", commit, t, author, text);
        return sd_bus_message_append(
                        j->reply,
                        "(sxxssxb)",
                        commit,
                        t,
                        n,
                        author,
                        strempty(worker_message_get(message, "kind")),
                        m,
                        (int) worker_message_get_number(message, "fuzzy"));
}

static bool is_event(char *const *message, const char *event) {
        return streq_ptr(worker_message_get(message, "event"), event);
}

static void take_done(BusJob *j, char *const *message) {
        int r = -(int) get_number(message, "error");

        if (j->canceled)
                r = -ECANCELED;
        if (j->kind == JOB_RESTORE && !j->after)
                j->total = MAX(j->total, get_number(message, "bytes-total"));
        if (r >= 0) {
                r = fetch(j, message);
                if (r > 0)
                        return;
        }
        j->dirty |= j->kind == JOB_RESTORE;
        if (r >= 0 && j->kind == JOB_RESTORE) {
                r = take_part(j, message);
                if (r > 0) {
                        bus_job_ask(j);
                        return;
                }
        }
        finish(j, r, message);
}

static void on_answer(char *const *message, void *userdata) {
        BusJob *j = userdata;
        int r;

        /* The worker ended. */
        if (!message) {
                /* All of the folder is looked at when it is opened again; this repository may be going. */
                j->dirty = false;
                finish(j, -EBUSY, NULL);
                return;
        }
        if (is_event(message, "conflict"))
                repository_take_conflict(j->entry->repository, message);
        else if (is_event(message, "version")) {
                r = append_version(j, message);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to list a version: %m");
        } else {
                j->asked = false;
                take_done(j, message);
        }
}

/* Frees the job if it fails. */
void bus_job_ask(BusJob *j) {
        TreeClient *tree = j->entry->repository->tree;
        _cleanup_strv_free_ char **message = NULL;
        int r = -EBUSY;

        if (tree) {
                r = strv_copy(j->question, &message);
                if (r >= 0 && j->after)
                        r = worker_message_add(&message, "after", j->after);
                if (r >= 0)
                        r = worker_message_addf(&message, "final", "%d", j->final);
                if (r >= 0)
                        r = tree_client_send(tree, message, on_answer, j);
        }
        if (r < 0)
                finish(j, r, NULL);
        else
                j->asked = true;
}

/* --- its beginning --- */

void bus_job_cancel(BusJob *j) {
        j->canceled = true;
        /* The tree worker is let finish its part. */
        if (!j->asked)
                finish(j, -ECANCELED, NULL);
}

static int on_caller_gone(sd_bus_track *track, void *userdata) {
        bus_job_cancel(userdata);
        return 1;
}

int bus_job_new(BusJob **ret, ManagerEntry *e, JobKind kind, sd_bus_message *request, const char *command) {
        _cleanup_(bus_job_freep) BusJob *j = NULL;
        unsigned n = 0;
        int r;

        for (BusJob *other = e->jobs; other; other = other->next, n++)
                if (kind == JOB_RESTORE && other->kind == JOB_RESTORE)
                        return -EBUSY;
        if (n >= JOBS_MAX)
                return -EBUSY;
        j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        j->entry = e;
        j->kind = kind;
        j->request = sd_bus_message_ref(request);
        j->next = e->jobs;
        e->jobs = j;
        r = worker_message_add(&j->question, "command", command);
        if (r < 0)
                return r;
        if (sd_bus_message_get_sender(request)) {
                r = sd_bus_track_new(e->manager->bus, &j->caller, on_caller_gone, j);
                if (r >= 0)
                        r = sd_bus_track_add_sender(j->caller, request);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(j);
        return 0;
}

/* Those that the tree worker is to answer end with it. */
void repository_bus_cancel_jobs(ManagerEntry *e) {
        for (BusJob *j = e->jobs, *next; j; j = next) {
                next = j->next;
                bus_job_cancel(j);
        }
}
