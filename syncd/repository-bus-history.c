/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "syncd/repository-bus-history.h"
#include "syncd/repository-bus-job.h"

#define LIST_MAX 1000U

/* A list, of which the reply is begun. The job is consumed. */
static int begin_list(
                BusJob *job, const char *path, const char *before, uint32_t limit, const char *type, bool tells_more) {
        _cleanup_(bus_job_freep) BusJob *j = job;
        int r;

        j->tells_more = tells_more;
        if ((r = sd_bus_message_new_method_return(j->request, &j->reply)) < 0 ||
            (r = sd_bus_message_open_container(j->reply, 'a', type)) < 0 ||
            (r = worker_message_add(&j->question, "path", path)) < 0 ||
            (r = worker_message_add(&j->question, "before", before)) < 0 ||
            (r = worker_message_addf(&j->question, "limit", "%u", MIN(limit, LIST_MAX))) < 0)
                return r;
        bus_job_ask(TAKE_PTR(j));
        return 1;
}

static int refuse(sd_bus_error *error, int r) {
        return bus_error_set_named(
                        error, r, r == -EBUSY ? "Something is being restored already, or too many calls are served"
                                              : bus_job_error_text(r));
}

int repository_bus_list_versions(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path;
        BusJob *j;
        int r;

        r = sd_bus_message_read(m, "s", &path);
        if (r < 0)
                return r;
        r = bus_job_new(&j, userdata, JOB_VERSIONS, m, "versions");
        return r < 0 ? refuse(error, r) : begin_list(j, path, "", LIST_MAX, "(sxxssxb)", false);
}

int repository_bus_list_versions_before(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *before;
        uint32_t limit;
        BusJob *j;
        int r;

        r = sd_bus_message_read(m, "ssu", &path, &before, &limit);
        if (r < 0)
                return r;
        r = bus_job_new(&j, userdata, JOB_VERSIONS, m, "versions");
        return r < 0 ? refuse(error, r) : begin_list(j, path, before, limit, "(sxxssxb)", true);
}

int repository_bus_list_commits(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *before;
        uint32_t limit;
        BusJob *j;
        int r;

        r = sd_bus_message_read(m, "su", &before, &limit);
        if (r < 0)
                return r;
        r = bus_job_new(&j, userdata, JOB_COMMITS, m, "commits");
        return r < 0 ? refuse(error, r) : begin_list(j, "", before, limit, "(sxss)", true);
}

int repository_bus_find_commit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(bus_job_freep) BusJob *j = NULL;
        int64_t time;
        int r;

        r = sd_bus_message_read(m, "x", &time);
        if (r < 0)
                return r;
        r = bus_job_new(&j, userdata, JOB_FIND, m, "commit-at");
        if (r < 0)
                return refuse(error, r);
        r = worker_message_addf(&j->question, "time", "%lld", (long long) time);
        if (r < 0)
                return r;
        bus_job_ask(TAKE_PTR(j));
        return 1;
}

int repository_bus_restore(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(bus_job_freep) BusJob *j = NULL;
        const char *path, *commit, *to;
        int r;

        r = sd_bus_message_read(m, "sss", &path, &commit, &to);
        if (r < 0)
                return r;
        if (isempty(to))
                to = path;
        r = bus_job_new(&j, userdata, JOB_RESTORE, m, "restore");
        if (r < 0)
                return refuse(error, r);
        if ((r = free_and_strdup(&j->path, path)) < 0 || (r = free_and_strdup(&j->to, to)) < 0 ||
            (r = worker_message_add(&j->question, "path", path)) < 0 ||
            (r = worker_message_add(&j->question, "commit", commit)) < 0 ||
            (r = worker_message_add(&j->question, "to", to)) < 0)
                return r;
        bus_job_ask(TAKE_PTR(j));
        return 1;
}

int repository_bus_cancel_restore(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ManagerEntry *e = userdata;

        for (BusJob *j = e->jobs, *next; j; j = next) {
                next = j->next;
                if (j->kind == JOB_RESTORE)
                        bus_job_cancel(j);
        }
        return sd_bus_reply_method_return(m, NULL);
}
