/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/daemon/worker.h"
#include "operator/frontend/manager.h"

#define JOB_TIMEOUT_USEC (120 * 1000000ULL)
/* "changed <subscription> <key id> <old commit> <new commit> <commits between>" */
#define HOOK_MESSAGE_MAX 384U
#define HOOK_WORDS 6

/* What is running, or waits to run, on one repository. */
struct RepositoryJob {
        RepositoryJob *next;
        Manager *manager;
        Worker *worker; /* NULL: waits for a place */
        int socket;
        char *subscription;
        bool again;          /* something changed since the worker started */
        char *pushed_commit; /* of the last push that was told */
        char *pushed_by;     /* the device */
};

static RepositoryJob *job_free(RepositoryJob *j) {
        if (!j)
                return NULL;
        for (RepositoryJob **p = &j->manager->jobs; *p; p = &(*p)->next)
                if (*p == j) {
                        *p = j->next;
                        break;
                }
        (void) worker_free(j->worker);
        (void) safe_close(j->socket);
        free(j->subscription);
        free(j->pushed_commit);
        free(j->pushed_by);
        return mfree(j);
}

void manager_free_jobs(Manager *m) {
        while (m->jobs)
                (void) job_free(m->jobs);
}

unsigned manager_n_jobs(const Manager *m) {
        unsigned n = 0;

        for (const RepositoryJob *j = m->jobs; j; j = j->next)
                n++;
        return n;
}

static RepositoryJob *find_job(Manager *m, const char *subscription) {
        for (RepositoryJob *j = m->jobs; j; j = j->next)
                if (streq(j->subscription, subscription))
                        return j;
        return NULL;
}

static int job_get(Manager *m, const char *subscription, RepositoryJob **ret) {
        RepositoryJob *j = find_job(m, subscription), **last = &m->jobs;

        if (!j) {
                j = calloc(1, sizeof(*j));
                if (!j)
                        return -ENOMEM;
                j->manager = m;
                j->socket = -EBADF;
                /* Behind the others: they waited longer. */
                while (*last)
                        last = &(*last)->next;
                *last = j;
                j->subscription = strdup(subscription);
                if (!j->subscription) {
                        (void) job_free(j);
                        return -ENOMEM;
                }
        }
        *ret = j;
        return 0;
}

static void start_jobs(Manager *m);

/* Main has a new tip; pushed_by (NULL: not known) has it already and will say so. */
static int take_tip(Manager *m, Subscription *s, uint64_t revision, const char *tip, const char *pushed_by) {
        int r;

        if (streq(strempty(s->tip), tip) && s->revision == revision)
                return 0;
        if (pushed_by) {
                _cleanup_(device_freep) Device *d = NULL;

                r = store_device_load(m->db, pushed_by, &d);
                if (r >= 0) {
                        device_expect(d, revision, manager_now() + PUSH_REPORT_TIMEOUT_SEC);
                        r = store_device_save(m->db, d, INT64_MAX); /* its step follows */
                }
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        log_info("%s: main is at %llu.", s->name, (unsigned long long) revision);
        s->revision = revision;
        r = free_and_strdup(&s->tip, tip);
        return r < 0 ? r : 0;
}

/* "<n> <commit>", "0 " for an empty main. */
static int take_revision(Manager *m, const RepositoryJob *j, Subscription *s, char *answer) {
        char *blank = strchr(answer, ' ');
        bool moved, pushed;
        uint64_t n;
        int r;

        if (!blank)
                return -EBADMSG;
        *blank = 0;
        if (parse_uint64(answer, &n) < 0)
                return -EBADMSG;
        moved = !s->repository_ready || s->revision != n || !streq(strempty(s->tip), blank + 1);
        pushed = !j->again && streq_ptr(j->pushed_commit, blank + 1);
        s->repository_ready = true;
        r = take_tip(m, s, n, blank + 1, pushed ? j->pushed_by : NULL);
        if (r >= 0)
                r = manager_note_keys(m, s->name);
        if (r < 0 || !moved)
                return r;
        r = store_subscription_save(m->db, s);
        return r < 0 ? r : manager_step_subscription(m, s->name);
}

static int take_answer(Manager *m, const RepositoryJob *j, char *answer) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = store_subscription_load(m->db, j->subscription, &s);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = streq(answer, "removed") ? store_subscription_delete(m->db, s->name) : take_revision(m, j, s, answer);
        if (r >= 0)
                r = sqlite_commit(m->db);
        return r < 0 ? r : manager_mirror(m, j->subscription);
}

static void on_worker_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        RepositoryJob *j = userdata;
        Manager *m = j->manager;
        char answer[128];
        ssize_t n;
        int r = -EIO;

        n = recv(j->socket, answer, sizeof(answer) - 1, MSG_DONTWAIT);
        if (worker_succeeded(si) && n > 0) {
                answer[n] = 0;
                r = take_answer(m, j, answer);
        }
        if (r < 0)
                (void) log_error_errno(
                                r,
                                "%s: work on the repository failed%s: %m",
                                j->subscription,
                                timed_out ? " (time out)" : "");
        j->worker = worker_free(j->worker);
        j->socket = safe_close(j->socket);
        if (!j->again)
                (void) job_free(j);
        else
                j->again = false;
        start_jobs(m);
        manager_settle(m);
}

uint64_t manager_quota(const Manager *m, const Subscription *s) {
        return s->quota_mib >= 0 ? (uint64_t) s->quota_mib : m->config->quota_mib;
}

static int start_job(RepositoryJob *j) {
        Manager *m = j->manager;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_free_ char *directory = NULL;
        char number[sizeof("18446744073709551615")], quota[sizeof("18446744073709551615")];
        int r;

        r = store_subscription_load(m->db, j->subscription, &s);
        if (r < 0)
                return r;
        directory = strfmt("%s/%s.git", m->config->repositories, s->name);
        if (!directory)
                return -ENOMEM;
        (void) snprintf(number, sizeof(number), "%llu", (unsigned long long) s->revision);
        (void) snprintf(quota, sizeof(quota), "%llu", (unsigned long long) manager_quota(m, s));
        char *mirror = isempty(m->config->mirror_remote) ? NULL : m->config->mirror_remote;
        char *remove[] = { m->config->repository_command, (char *) "remove", directory, mirror,
                           m->config->mirror_config_file, NULL };
        char *create[] = { m->config->repository_command,
                           (char *) "create",
                           directory,
                           quota,
                           m->config->hooks,
                           m->config->hook_socket,
                           NULL };
        char *tip[] = { m->config->repository_command, (char *) "tip", directory, number, s->tip, NULL };

        return worker_spawn(
                        &j->worker,
                        &j->socket,
                        m->event,
                        s->removing           ? remove
                        : s->repository_ready ? tip
                                              : create,
                        JOB_TIMEOUT_USEC,
                        on_worker_exit,
                        j);
}

static void start_jobs(Manager *m) {
        unsigned n = 0;

        for (RepositoryJob *j = m->jobs; j; j = j->next)
                n += j->worker != NULL;
        for (RepositoryJob *j = m->jobs, *next; j && n < REPOSITORY_JOBS_MAX; j = next) {
                int r;

                next = j->next;
                if (j->worker)
                        continue;
                r = start_job(j);
                if (r < 0) {
                        if (r != -ENOENT)
                                (void) log_error_errno(
                                                r,
                                                "%s: failed to start work on the repository: %m",
                                                j->subscription);
                        (void) job_free(j);
                        continue;
                }
                n++;
        }
}

int manager_check_repository(Manager *m, const char *subscription) {
        RepositoryJob *j;
        int r;

        r = job_get(m, subscription, &j);
        if (r < 0)
                return r;
        if (j->worker)
                j->again = true;
        start_jobs(m);
        return 0;
}

int manager_check_repositories(Manager *m, bool unfinished) {
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = store_subscription_names(m->db, unfinished, &names);
        STRV_FOREACH (name, names)
                if (r >= 0)
                        r = manager_check_repository(m, *name);
        return r;
}

/* A push that leads on from the tip that is known tells all: the repository need not be looked at. 1 if so,
 * 0 if it must be looked at. */
static int follow_push(
                Manager *m,
                const char *subscription,
                const char *pushed_by,
                const char *old_tip,
                const char *tip,
                uint64_t n) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        if (n == 0 || find_job(m, subscription))
                return 0;
        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = store_subscription_load(m->db, subscription, &s);
        if (r < 0)
                return r;
        if (!s->repository_ready || s->removing)
                return 0;
        if (isempty(s->tip) ? strspn(old_tip, "0") != strlen(old_tip) : !streq(s->tip, old_tip))
                return 0;
        r = take_tip(m, s, s->revision + n, tip, pushed_by);
        if (r >= 0)
                r = store_subscription_save(m->db, s);
        if (r >= 0)
                r = manager_step_subscription(m, subscription);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r >= 0)
                r = manager_mirror(m, subscription);
        return r < 0 ? r : 1;
}

/* Who pushed what; it needs no pull for it. */
static int note_pusher(Manager *m, const char *subscription, const char *pushed_by, const char *commit) {
        RepositoryJob *j;
        int r;

        if (!pushed_by)
                return 0;
        r = job_get(m, subscription, &j);
        if (r >= 0)
                r = free_and_strdup(&j->pushed_commit, commit);
        return r < 0 ? r : free_and_strdup(&j->pushed_by, pushed_by);
}

/* Reads the words of a hook's message. */
static int handle_push(Manager *m, char *const words[]) {
        _cleanup_free_ char *pushed_by = NULL;
        const char *subscription = words[1], *old_tip = words[3], *tip = words[4];
        int64_t key;
        uint64_t n;
        int r;

        if (parse_int64(words[2], &key) < 0 || parse_uint64(words[5], &n) < 0 || n > INT32_MAX)
                return -EINVAL;
        r = store_key_device(m->db, key, &pushed_by);
        if (r < 0 && r != -ENOENT)
                return r;
        r = follow_push(m, subscription, pushed_by, old_tip, tip, n);
        if (r == 0) {
                r = note_pusher(m, subscription, pushed_by, tip);
                if (r >= 0)
                        r = manager_check_repository(m, subscription);
        } else if (r > 0)
                manager_settle(m);
        return r;
}

int manager_handle_hook(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_strv_free_ char **words = NULL;
        Manager *m = userdata;
        char message[HOOK_MESSAGE_MAX];
        ssize_t n;
        int r;

        n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);
        if (n <= 0)
                return 0;
        message[n] = 0;
        r = strv_split(message, " \n", &words);
        if (r != HOOK_WORDS || !streq(words[0], "changed") || !subscription_name_is_valid(words[1])) {
                log_warning("A message of a hook is not understood, ignored.");
                return 0;
        }
        m->counters.pushes++;
        r = handle_push(m, words);
        if (r < 0)
                (void) log_error_errno(r, "%s: failed to follow a push: %m", words[1]);
        return 0;
}
