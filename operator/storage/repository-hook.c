/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-repository-hook: the hooks of every repository (githooks(5)), by the name under which git calls
 * it.
 *
 * pre-receive  checks names, history and quota; nothing of the push is visible yet
 * post-receive tells the frontend that main moved; if that is lost, the frontend reads the tip at its next
 * start */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/hook-rules.h"

#define FRONTEND_SOCKET "/run/ispstorage-operator/repository.socket"
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

/* 0 if there is no limit. */
static int read_quota(uint64_t *ret_mib) {
        const char *const arguments[] = { "config", "--get", "ispstorage.quotaMiB", NULL };
        _cleanup_free_ char *text = NULL;
        int r = git_run(arguments, &text);

        if (r < 0)
                return r;
        if (r > 0) {
                *ret_mib = 0;
                return 0;
        }
        return parse_uint64(text, ret_mib);
}

static int check_quota(void) {
        const char *directory = getenv("GIT_DIR");
        _cleanup_free_ char *objects = strfmt("%s/objects", directory ?: "."), *sentence = NULL;
        uint64_t quota, used;

        if (!objects || read_quota(&quota) < 0)
                return refuse("unavailable: the quota cannot be read");
        if (quota == 0)
                return EXIT_SUCCESS;
        /* What is pushed waits in a directory below this one, so it is counted. */
        if (directory_usage(objects, &used) < 0)
                return refuse("unavailable: the usage cannot be measured");
        if (used / (1024 * 1024) < quota)
                return EXIT_SUCCESS;
        sentence =
                        strfmt("quota: the %llu MiB of this subscription do not suffice",
                               (unsigned long long) quota);
        return refuse(sentence ?: "quota");
}

static int pre_receive(void) {
        char line[LINE_MAX_SIZE];
        bool stores = false;
        unsigned n = 0;
        RefUpdate u;
        int r;

        while ((r = read_update(line, &u)) > 0) {
                const char *refusal = ref_update_refusal(&u);

                if (!refusal && ++n > REF_UPDATES_MAX)
                        refusal = "refname: too many refs in one push";
                if (!refusal && streq(u.ref, REF_MAIN) && history_refusal(&u, &refusal) < 0)
                        refusal = "unavailable: the history cannot be checked";
                if (refusal)
                        return refuse(refusal);
                stores = stores || !object_id_is_null(u.new_id);
        }
        if (r < 0)
                return refuse("refname: not an update of a ref");
        return stores ? check_quota() : EXIT_SUCCESS;
}

static void tell_frontend(const char *tip) {
        const char *const arguments[] = { "config", "--get", "ispstorage.socket", NULL };
        const char *subscription = getenv("ISPSTORAGE_SUBSCRIPTION"), *key = getenv("ISPSTORAGE_KEY");
        _cleanup_free_ char *path = NULL, *message = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (!subscription || !key)
                return;
        if (git_run(arguments, &path) != 0)
                (void) free_and_strdup(&path, FRONTEND_SOCKET);
        message = strfmt("changed %s %s %s", subscription, key, tip);
        if (!path || !message || strlen(path) >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, strlen(path));
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
                        tell_frontend(u.new_id);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        if (streq(program_invocation_short_name, "pre-receive"))
                return pre_receive();
        if (streq(program_invocation_short_name, "post-receive"))
                return post_receive();
        return refuse("unavailable: not a hook that is served");
}
