/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/daemon/worker.h"
#include "operator/common/repository-program.h"
#include "operator/frontend/manager.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/store-task.h"

/* A check, or the first packing, of a large repository. */
#define TASK_TIMEOUT_USEC (12 * 3600 * 1000000ULL)
/* Two words for each file of a publication. */
#define TASK_ARGUMENTS_MAX (2U * PUBLISH_FILES_MAX)
/* Subscriptions whose maintenance is ordered in one go. */
#define MAINTENANCE_BATCH 100U
/* Each push is a pack; with more than this many a push and a fetch take noticeably longer. */
#define MAINTENANCE_PUSHES 100U

/* A file to publish that was put there and not named since. */
#define SPOOL_KEEP_SEC 86400

/* A task that runs. */
struct TaskJob {
        TaskJob *next;
        Manager *manager;
        Task *task;
        Worker *worker;
        int socket;
};

static TaskJob *task_job_free(TaskJob *j) {
        if (!j)
                return NULL;
        for (TaskJob **p = &j->manager->task_jobs; *p; p = &(*p)->next)
                if (*p == j) {
                        *p = j->next;
                        break;
                }
        (void) worker_free(j->worker);
        (void) safe_close(j->socket);
        (void) task_free(j->task);
        return mfree(j);
}

void manager_free_task_jobs(Manager *m) {
        while (m->task_jobs)
                (void) task_job_free(m->task_jobs);
}

static int finish(Manager *m, const Task *t, const char *state, const char *result) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_free_ char *key = strfmt("task-%lld", (long long) t->id);
        int r;

        r = key ? sqlite_begin(m->db, &transaction) : -ENOMEM;
        if (r >= 0)
                r = store_task_set(m->db, t, state, result, manager_now());
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r >= 0)
                r = strv_extend(&m->finished, key);
        /* It may have moved main. */
        return r < 0 ? r : manager_check_repository(m, t->subscription);
}

static void on_task_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        TaskJob *j = userdata;
        Manager *m = j->manager;
        _cleanup_json_ json_t *answer = NULL;
        char text[TASK_ANSWER_MAX];
        ssize_t n;
        bool ok;
        int r;

        n = recv(j->socket, text, sizeof(text) - 1, MSG_DONTWAIT);
        if (n > 0)
                answer = json_loadb(text, (size_t) n, 0, NULL);
        text[MAX(n, (ssize_t) 0)] = 0;
        ok = worker_succeeded(si) && answer;
        if (ok)
                log_info("%s: %s is done: %s", j->task->subscription, j->task->kind, text);
        else
                log_error("%s: %s failed%s.",
                          j->task->subscription,
                          j->task->kind,
                          timed_out ? " (time out)" : "");
        r = finish(m, j->task, ok ? "done" : "failed", answer ? text : NULL);
        if (r < 0)
                (void) log_error_errno(r, "%s: failed to note the end of a task: %m", j->task->subscription);
        (void) task_job_free(j);
        manager_start_tasks(m);
        manager_settle(m);
}

/* ispstorage-repository <kind> <directory> [<quota> <hooks> <socket>] <arguments>... */
static int spawn(TaskJob *j, const Subscription *s) {
        Manager *m = j->manager;
        _cleanup_json_ json_t *arguments = json_loads(j->task->arguments, 0, NULL);
        _cleanup_free_ char *directory = strfmt("%s/%s.git", m->config->repositories, s->name);
        char *argv[TASK_ARGUMENTS_MAX + 8] = { m->config->repository_command, j->task->kind, directory };
        char quota[sizeof("18446744073709551615")], revision[sizeof("18446744073709551615")];
        size_t n = 3, i;
        json_t *a;

        if (!arguments || !directory || json_array_size(arguments) > TASK_ARGUMENTS_MAX)
                return -ENOMEM;
        (void) snprintf(quota, sizeof(quota), "%llu", (unsigned long long) manager_quota(m, s));
        if (streq(j->task->kind, "maintain")) {
                argv[n++] = quota;
                argv[n++] = m->config->hooks;
                argv[n++] = m->config->hook_socket;
        }
        if (task_is_mirror(j->task)) {
                (void) snprintf(revision, sizeof(revision), "%llu", (unsigned long long) s->revision);
                argv[n++] = m->config->mirror_remote;
                argv[n++] = m->config->mirror_config_file;
                argv[n++] = revision;
        }
        json_array_foreach(arguments, i, a) argv[n++] = (char *) strempty(json_string_value(a));
        return worker_spawn(&j->worker, &j->socket, m->event, argv, TASK_TIMEOUT_USEC, on_task_exit, j);
}

static int start_task(Manager *m, Task **task) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        TaskJob *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        j->manager = m;
        j->socket = -EBADF;
        j->task = TAKE_PTR(*task);
        j->next = m->task_jobs;
        m->task_jobs = j;
        r = store_subscription_load(m->db, j->task->subscription, &s);
        if (r >= 0)
                r = store_task_set(m->db, j->task, "running", NULL, manager_now());
        if (r >= 0)
                r = spawn(j, s);
        if (r < 0) {
                (void) finish(m, j->task, "failed", NULL);
                (void) task_job_free(j);
        }
        return r;
}

static void start_class(Manager *m, bool mirror) {
        unsigned n = 0;

        for (const TaskJob *j = m->task_jobs; j; j = j->next)
                n += task_is_mirror(j->task) == mirror;
        for (; n < TASKS_MAX; n++) {
                _cleanup_(task_freep) Task *t = NULL;
                int r = store_task_next(m->db, mirror, &t);

                if (r > 0)
                        r = start_task(m, &t);
                else if (r == 0)
                        return;
                if (r < 0) {
                        (void) log_error_errno(r, "Failed to start a task: %m");
                        return;
                }
        }
}

void manager_start_tasks(Manager *m) {
        start_class(m, false);
        start_class(m, true);
}

int manager_mirror(Manager *m, const char *subscription) {
        int r;

        if (isempty(m->config->mirror_remote))
                return 0;
        r = store_task_insert_mirror(m->db, subscription, manager_now());
        if (r >= 0)
                start_class(m, true);
        return r < 0 ? r : 0;
}

void manager_make_spool(Manager *m) {
        _cleanup_free_ char *path = strfmt("%s/" PUBLISH_SPOOL, m->config->repositories);

        if (!path || (mkdir(path, 0770) < 0 && errno != EEXIST))
                log_warning("%s cannot be made, nothing can be published.", strempty(path));
}

/* What no publication needs any more. */
static void clean_spool(Manager *m) {
        _cleanup_free_ char *path = strfmt("%s/" PUBLISH_SPOOL, m->config->repositories);
        _cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
        const struct dirent *e;
        int64_t n = 1;

        if (!d ||
            sqlite_get_int(m->db,
                           &n,
                           "SELECT count(*) FROM tasks WHERE kind = 'publish' AND finished IS NULL",
                           "") < 0 ||
            n > 0)
                return;
        while ((e = readdir(d))) {
                struct stat st;

                if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
                    S_ISREG(st.st_mode) && st.st_ctime < manager_now() - SPOOL_KEEP_SEC)
                        (void) unlinkat(dirfd(d), e->d_name, 0);
        }
}

int manager_schedule_maintenance(Manager *m) {
        int r;

        clean_spool(m);

        r = store_task_expire(m->db, manager_now());
        if (r >= 0 && m->config->maintenance_interval_sec > 0)
                r = store_task_insert_maintenance(
                                m->db,
                                manager_now(),
                                (int64_t) m->config->maintenance_interval_sec,
                                MAINTENANCE_PUSHES,
                                MAINTENANCE_BATCH);
        if (r >= 0)
                r = manager_mirror(m, NULL);
        if (r >= 0)
                manager_start_tasks(m);
        return r;
}
