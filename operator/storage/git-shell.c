/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-git-shell: the forced command of every gateway's key, and the login shell of the account, so
 * that no other shell takes part. It runs git's server side on the one repository of that key.
 *
 *   ispstorage-git-shell REPOSITORIES SUBSCRIPTION KEY NAMESPACE SESSIONS        or, as a login shell,
 *   ispstorage-git-shell -c "<its path> REPOSITORIES SUBSCRIPTION KEY NAMESPACE SESSIONS"
 *
 * NAMESPACE is where the gateway's staging refs are (operator/storage/staging.h), SESSIONS how many of these
 * sessions the key may have at a time. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/common/key-list.h"
#include "operator/storage/session-limit.h"
#include "operator/storage/ssh-command.h"
#include "operator/storage/staging.h"

#define GIT "/usr/bin/git"
#define PACK_OBJECTS "ispstorage-pack-objects"

static int fail(const char *what) {
        /* git shows it to the gateway as the reason. */
        (void) fprintf(stderr, "ispstorage: %s\n", what);
        return EXIT_FAILURE;
}

/* sshd asked when the connection began; since then the subscription may be suspended or the device removed.
 */
static bool key_is_authorized(const char *directory, const char *key) {
        _cleanup_free_ char *path = strfmt("%s/" KEY_LIST_FILE, directory), *text = NULL;
        _cleanup_strv_free_ char **ids = NULL;

        return path && read_file(AT_FDCWD, path, KEY_LIST_SIZE_MAX, &text, NULL) >= 0 &&
               strv_split(text, "\n", &ids) > 0 && strv_contains(ids, key);
}

typedef struct Request {
        const char *repositories, *subscription, *key, *name_space;
        uint64_t key_id;
        uint32_t sessions;
        GitService service;
} Request;

static int set_environment(const Request *q) {
        const char *const environment[][2] = {
                { "PATH", "/usr/bin:/bin" },
                { "HOME", "/nonexistent" },
                { "LC_ALL", "C.UTF-8" },
                { "GIT_CONFIG_NOSYSTEM", "1" },
                { "GIT_CONFIG_GLOBAL", "/dev/null" },
                { "GIT_PROTOCOL", "version=2" },
                { "ISPSTORAGE_SUBSCRIPTION", q->subscription },
                { "ISPSTORAGE_KEY", q->key },
                { "ISPSTORAGE_STAGING", q->name_space },
        };

        if (clearenv() != 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(environment); i++)
                if (setenv(environment[i][0], environment[i][1], 1) < 0)
                        return -errno;
        return 0;
}

/* The setting with which git-upload-pack leaves the packing to the program beside this one. *ret is the caller's. */
static int make_hook_setting(char **ret) {
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *name;

        if (n < 0)
                return -errno;
        self[n] = 0;
        name = strrchr(self, '/');
        if (name)
                *name = 0;
        *ret = strfmt("uploadpack.packObjectsHook=%s/" PACK_OBJECTS, self);
        return *ret ? 0 : -ENOMEM;
}

static int run_git(const Request *q) {
        _cleanup_free_ char *directory = strfmt("%s/%s.git", q->repositories, q->subscription);
        _cleanup_free_ char *safe = NULL, *shown = NULL, *hook = NULL;
        struct stat st;

        safe = directory ? strfmt("safe.directory=%s", directory) : NULL;
        shown = strfmt("receive.hideRefs=!" STAGING_REFS "%s", q->name_space);
        if (!safe || !shown || make_hook_setting(&hook) < 0)
                return fail("out of memory");
        if (stat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
                return fail("unavailable: the repository is not there");
        if (!key_is_authorized(directory, q->key))
                return fail("denied: this key is not authorized any more");
        switch (session_limit_take(directory, q->key_id, q->sessions)) {
        case 0:
                break;
        case -EAGAIN:
                return fail("busy: this key has as many sessions as it may have at a time");
        default:
                return fail("unavailable: the sessions cannot be counted");
        }
        if (set_environment(q) < 0)
                return fail("out of memory");
        /* The repository belongs to the frontend, which shares it with this account. A push is shown, and
         * git walks, main and the gateway's own staging refs; there may be many of others. And no push may leave out
         * what only a former history has: maintenance may be about to delete it. */
        (void) execl(GIT,
                     "git",
                     "-c",
                     safe,
                     "-c",
                     "receive.hideRefs=refs/staging",
                     "-c",
                     "receive.hideRefs=refs/retention",
                     "-c",
                     shown,
                     "-c",
                     hook,
                     git_service_to_string(q->service),
                     directory,
                     (char *) NULL);
        return fail("unavailable: git cannot be started");
}

int main(int argc, char *argv[]) {
        _cleanup_strv_free_ char **words = NULL;
        char **arguments = argv + 1;
        const char *command = getenv("SSH_ORIGINAL_COMMAND");
        Request q;

        if (argc == 3 && streq(argv[1], "-c")) {
                if (strv_split(argv[2], " ", &words) != 6)
                        return fail("denied: no interactive access");
                arguments = words + 1;
        } else if (argc != 6)
                return fail("denied: no interactive access");
        q = (Request){
                .repositories = arguments[0],
                .subscription = arguments[1],
                .key = arguments[2],
                .name_space = arguments[3],
                .service = _GIT_SERVICE_MAX,
        };
        if (q.repositories[0] != '/' || parse_uint64(q.key, &q.key_id) < 0 ||
            parse_uint32(arguments[4], &q.sessions) < 0 || !staging_name_is_valid(q.name_space))
                return fail("denied: no interactive access");
        switch (ssh_command_parse(strempty(command), q.subscription, &q.service)) {
        case 0:
                return run_git(&q);
        case -EACCES:
                return fail("denied: this key belongs to another repository");
        default:
                return fail("denied: only git-upload-pack and git-receive-pack are served");
        }
}
