/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-repository-hook: the hooks of every repository (githooks(5)), by the name under which git calls
 * it.
 *
 * pre-receive  checks names, history and quota; nothing of the push is visible yet
 * post-receive tells the frontend that main moved; if that is lost, the frontend reads the tip at its next
 * start */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/hook-rules.h"
#include "operator/storage/maintenance.h"
#include "operator/storage/repository-config.h"
#include "operator/storage/staging.h"

/* Two ids and a name of a ref. */
#define LINE_MAX_SIZE 1024U

static int refuse(const char *why) {
        /* The gateway tells the kinds apart by the first word of the line. */
        (void) fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
}

/* Reads one line of standard input. 1, 0 at its end, -EINVAL. The update's ref points into line. */
static int read_update(char line[static LINE_MAX_SIZE], RefUpdate *ret) {
        size_t n;

        if (!fgets(line, LINE_MAX_SIZE, stdin))
                return ferror(stdin) ? -EINVAL : 0;
        n = strlen(line);
        if (n == 0 || line[n - 1] != '\n')
                return -EINVAL;
        line[n - 1] = 0;
        return ref_update_parse(line, ret) < 0 ? -EINVAL : 1;
}

static int check_quota(const RepositoryConfig *config) {
        _cleanup_free_ char *sentence = NULL;
        uint64_t used;

        if (config->quota_mib == 0)
                return EXIT_SUCCESS;
        /* What is pushed waits in a directory below this one, so it is counted. */
        if (directory_usage("objects", &used) < 0)
                return refuse("unavailable: the usage cannot be measured");
        if (used / (1024 * 1024) < config->quota_mib)
                return EXIT_SUCCESS;
        sentence = strfmt("quota: the %u MiB of this subscription do not suffice", config->quota_mib);
        return refuse(sentence ?: "quota");
}

/* What was pushed so far. */
typedef struct Push {
        unsigned n_updates, n_staged;
        bool stores;
} Push;

/* The pre-receive hook has counted the new commits; the post-receive hook finds the number here if no other
 * push came between, and saves a start of git. */
#define COUNT_FILE "ispstorage-push"
#define COUNT_FORMAT "%s %s %llu"
#define COUNT_FILE_MAX 256U

static void note_count(const RefUpdate *u, uint64_t n) {
        _cleanup_free_ char *text = strfmt(COUNT_FORMAT, u->old_id, u->new_id, (unsigned long long) n);
        _cleanup_close_ int fd =
                        open(COUNT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);

        if (text && fd >= 0)
                (void) loop_write(fd, text, strlen(text));
}

static int read_count(const RefUpdate *u, uint64_t *ret) {
        _cleanup_free_ char *text = NULL, *prefix = strfmt("%s %s ", u->old_id, u->new_id);
        const char *number;
        int r;

        if (!prefix)
                return -ENOMEM;
        r = read_file(AT_FDCWD, COUNT_FILE, COUNT_FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        number = startswith(text, prefix);
        return number ? parse_uint64(number, ret) : -ESTALE;
}

static const char *update_refusal(Push *push, const RefUpdate *u, const char *name_space) {
        const char *refusal = ref_update_refusal(u, name_space);
        bool deletes = object_id_is_null(u->new_id);
        uint64_t n_commits;

        if (refusal)
                return refusal;
        push->stores = push->stores || !deletes;
        push->n_staged += startswith(u->ref, STAGING_REFS) && !deletes;
        if (++push->n_updates > REF_UPDATES_MAX || push->n_staged > STAGING_PER_PUSH_MAX)
                return "refname: too many refs in one push";
        if (!streq(u->ref, REF_MAIN))
                return NULL;
        if (history_refusal(u, &refusal, &n_commits) < 0)
                return "unavailable: the history cannot be checked";
        if (!refusal)
                note_count(u, n_commits);
        return refusal;
}

static int pre_receive(void) {
        _cleanup_(repository_config_done) RepositoryConfig config = {};
        const char *name_space = getenv("ISPSTORAGE_STAGING");
        char line[LINE_MAX_SIZE];
        Push push = {};
        RefUpdate u;
        unsigned n;
        int r;

        /* Who was killed with it would stop everybody. */
        remove_stale_main_lock(".", (int64_t) time(NULL));
        while ((r = read_update(line, &u)) > 0) {
                const char *refusal = update_refusal(&push, &u, name_space);

                if (refusal)
                        return refuse(refusal);
        }
        if (r < 0)
                return refuse("refname: not an update of a ref");
        if (push.n_staged > 0) {
                if (staging_count(".", name_space, &n) < 0)
                        return refuse("unavailable: the staging refs cannot be counted");
                if (n + push.n_staged > STAGING_NAMESPACE_MAX)
                        return refuse("refname: too many staging refs");
        }
        if (!push.stores)
                return EXIT_SUCCESS;
        if (repository_config_read(&config) < 0)
                return refuse("unavailable: the quota cannot be read");
        return check_quota(&config);
}

/* How many commits lead from the old tip to the new one. The frontend counts itself if this is 0. */
static uint64_t count_commits(const RefUpdate *u) {
        _cleanup_free_ char *range = object_id_is_null(u->old_id) ? strdup(u->new_id)
                                                                  : strfmt("%s..%s", u->old_id, u->new_id);
        _cleanup_free_ char *text = NULL;
        const char *const arguments[] = { "rev-list", "--count", range, "--", NULL };
        uint64_t n;

        if (read_count(u, &n) >= 0)
                return n;
        return range && git_run(arguments, &text) == 0 && parse_uint64(text, &n) >= 0 ? n : 0;
}

static void tell_frontend(const RefUpdate *u) {
        const char *subscription = getenv("ISPSTORAGE_SUBSCRIPTION"), *key = getenv("ISPSTORAGE_KEY");
        _cleanup_(repository_config_done) RepositoryConfig config = {};
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_free_ char *message = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (!subscription || !key || repository_config_read(&config) < 0)
                return;
        message =
                        strfmt("changed %s %s %s %s %llu",
                               subscription,
                               key,
                               u->old_id,
                               u->new_id,
                               (unsigned long long) count_commits(u));
        if (!message || strlen(config.hook_socket) >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, config.hook_socket, strlen(config.hook_socket));
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        /* The push is done whatever becomes of this. */
        (void) sendto(fd,
                      message,
                      strlen(message),
                      MSG_DONTWAIT,
                      (struct sockaddr *) &address,
                      sizeof(address));
}

static int post_receive(void) {
        char line[LINE_MAX_SIZE];
        RefUpdate u;

        while (read_update(line, &u) > 0)
                if (streq(u.ref, REF_MAIN))
                        tell_frontend(&u);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        if (streq(program_invocation_short_name, "pre-receive"))
                return pre_receive();
        if (streq(program_invocation_short_name, "post-receive"))
                return post_receive();
        return refuse("unavailable: not a hook that is served");
}
