/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-repository: makes, measures and removes a subscription's repository. The frontend runs it as a
 * worker and reads the one-line answer from its socket; by hand it answers on standard output.
 *
 *   create DIRECTORY QUOTA_MIB HOOKS SOCKET   makes it, or renews its settings   "<n> <tip>"
 *   tip DIRECTORY N COMMIT                    main had N commits at COMMIT       "<n> <tip>"
 *   maintain DIRECTORY QUOTA_MIB HOOKS SOCKET renews its settings, packs it      {...}
 *   check DIRECTORY                           verifies every object              {...}
 *   export DIRECTORY VERSION PATH             what a version has (export.h)      a tar archive
 *   publish DIRECTORY {FILE PATH}...          commits files of the spool         {...}
 *   retain DIRECTORY POLICY [dry-run|now]     lets versions expire (retention.h) {...}
 *   mirror DIRECTORY REMOTE CONFIG REVISION   copies what is new (mirror.h)      {...}
 *   restore REPOSITORIES REMOTE CONFIG        makes what only the mirror has     {...}
 *   remove DIRECTORY [REMOTE CONFIG]          here, and in the mirror            "removed" */
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"
#include "operator/common/repository-program.h"
#include "operator/storage/export.h"
#include "operator/storage/git-run.h"
#include "operator/storage/maintenance.h"
#include "operator/storage/mirror.h"
#include "operator/storage/publish.h"
#include "operator/storage/repository-config.h"
#include "operator/storage/retention.h"

/* The server side of docs/operator.md: large blobs are not searched for deltas, every push stays a pack,
 * gateways fetch parts, named refs and what these reach, history only goes forward, maintenance has its own
 * time. While a push is checked, git asks an alternate object store for its refs, which here is the
 * repository itself. Staging refs are never packed, so that each keeps the time when it was touched. */
static const char *const settings[][2] = {
        { "core.alternateRefsCommand", "true" },
        { "core.bigFileThreshold", "64k" },
        { "core.fsync", "all" },
        { "core.fsyncMethod", "fsync" },
        { "core.logAllRefUpdates", "false" },
        { "transfer.unpackLimit", "1" },
        { "receive.unpackLimit", "1" },
        { "receive.denyNonFastForwards", "true" },
        { "receive.autogc", "false" },
        { "receive.fsckObjects", "true" },
        { "uploadpack.allowFilter", "true" },
        { "uploadpack.allowRefInWant", "true" },
        { "uploadpack.allowReachableSHA1InWant", "true" },
        { "gc.auto", "0" },
        { "gc.packRefs", "false" },
        { "maintenance.auto", "false" },
        { "repack.updateServerInfo", "false" },
};

static int answer(const char *text) {
        struct stat st;

        if (fstat(WORKER_SOCKET_FD, &st) >= 0 && S_ISSOCK(st.st_mode))
                return send(WORKER_SOCKET_FD, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0;
        return puts(text) < 0 ? -EIO : 0;
}

/* Runs git and takes any other end than success for a failure. */
static int git(const char *const arguments[], char **ret_answer) {
        int r = git_run(arguments, ret_answer);

        return r > 0 ? -EIO : r;
}

/* Main's tip, "" if there is none. */
static int read_tip(char **ret) {
        const char *const arguments[] = { "rev-parse", "--verify", "--quiet", "refs/heads/main", NULL };
        char *tip;
        int r;

        r = git_run(arguments, &tip);
        if (r < 0)
                return r;
        if (r > 0) {
                free(tip);
                tip = strdup("");
        }
        *ret = tip;
        return tip ? 0 : -ENOMEM;
}

static int count(const char *range, uint64_t *ret) {
        const char *const arguments[] = { "rev-list", "--count", range, "--", NULL };
        _cleanup_free_ char *text = NULL;
        int r = git(arguments, &text);

        return r < 0 ? r : parse_uint64(text, ret);
}

/* How many commits lead from the known tip to the present one. 0, or -ESTALE if it does not lead there. */
static int count_from(const char *known, const char *tip, uint64_t *ret) {
        _cleanup_free_ char *range = strfmt("%s...%s", known, tip), *text = NULL;
        char *tab;

        if (!range)
                return -ENOMEM;
        const char *const arguments[] = { "rev-list", "--left-right", "--count", range, "--", NULL };

        if (git_run(arguments, &text) != 0)
                return -ESTALE;
        tab = strchr(text, '\t');
        if (!tab || strncmp(text, "0\t", 2) != 0)
                return -ESTALE;
        return parse_uint64(tab + 1, ret);
}

static int answer_tip(uint64_t known_n, const char *known) {
        _cleanup_free_ char *tip = NULL, *text = NULL;
        uint64_t n = 0;
        int r;

        r = read_tip(&tip);
        if (r < 0)
                return r;
        if (!isempty(tip)) {
                r = known_n > 0 ? count_from(known, tip, &n) : -ESTALE;
                if (r >= 0)
                        n += known_n;
                else if (r == -ESTALE)
                        r = count(tip, &n);
                if (r < 0)
                        return r;
        }
        text = strfmt("%llu %s", (unsigned long long) n, tip);
        return text ? answer(text) : -ENOMEM;
}

static int set(const char *directory, const char *name, const char *value) {
        const char *const arguments[] = { "-C", directory, "config", name, value, NULL };

        return git(arguments, NULL);
}

static int configure(const char *directory, const char *hooks, const RepositoryConfig *config) {
        int r = set(directory, "core.hooksPath", hooks);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(settings); i++)
                r = set(directory, settings[i][0], settings[i][1]);
        return r < 0 ? r : repository_config_write(directory, config);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_tree(const char *path) {
        if (nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS) < 0)
                return errno == ENOENT ? 0 : -errno;
        return 0;
}

/* Sets the repository for all that git does from here on. */
static int enter(const char *directory) {
        return setenv("GIT_DIR", directory, 1) < 0 ? -errno : 0;
}

static int create(const char *directory, const char *hooks, const RepositoryConfig *config) {
        _cleanup_free_ char *temporary = strfmt("%s.new", directory);
        struct stat st;
        int r;

        if (!temporary)
                return -ENOMEM;
        if (stat(directory, &st) < 0) {
                const char *const init[] = {
                        "init",        "--quiet", "--bare", "--shared=group", "--initial-branch=main",
                        "--template=", temporary, NULL,
                };

                /* What an interrupted attempt left. */
                r = remove_tree(temporary);
                if (r >= 0)
                        r = git(init, NULL);
                if (r >= 0)
                        r = configure(temporary, hooks, config);
                if (r < 0)
                        return r;
                if (rename(temporary, directory) < 0)
                        return -errno;
        } else {
                r = configure(directory, hooks, config);
                if (r < 0)
                        return r;
        }
        r = enter(directory);
        return r < 0 ? r : answer_tip(0, "");
}

static int remove_repository(const char *directory, const Mirror *mirror) {
        _cleanup_free_ char *removed = strfmt("%s.removed", directory);
        int r;

        if (!removed)
                return -ENOMEM;
        /* From here on nobody finds it, even if this is interrupted. */
        r = remove_tree(removed);
        if (r >= 0 && rename(directory, removed) < 0 && errno != ENOENT)
                r = -errno;
        if (r >= 0)
                r = remove_tree(removed);
        if (r >= 0 && !isempty(mirror->remote))
                r = mirror_remove(directory, mirror);
        return r < 0 ? r : answer("removed");
}

/* The archive, in packets of this size. */
#define PACKET_SIZE 32768U

typedef struct Output {
        bool is_socket;
        size_t size;
        char data[PACKET_SIZE];
} Output;

static int flush_output(Output *o) {
        size_t size = o->size;

        o->size = 0;
        if (!o->is_socket)
                return loop_write(STDOUT_FILENO, o->data, size);
        return send(WORKER_SOCKET_FD, o->data, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int write_output(const void *data, size_t size, void *userdata) {
        Output *o = userdata;
        const char *p = data;

        while (size > 0) {
                size_t n = MIN(size, PACKET_SIZE - o->size);
                int r;

                memcpy(o->data + o->size, p, n);
                o->size += n;
                p += n;
                size -= n;
                r = o->size == PACKET_SIZE ? flush_output(o) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int export(const char *version, const char *path) {
        _cleanup_free_ char *commit = NULL;
        _cleanup_free_ Output *o = calloc(1, sizeof(*o));
        TarWriter t = { .write = write_output, .userdata = o };
        struct stat st;
        int r;

        if (!o)
                return -ENOMEM;
        o->is_socket = fstat(WORKER_SOCKET_FD, &st) >= 0 && S_ISSOCK(st.st_mode);
        r = export_resolve(version, &commit);
        if (r >= 0)
                r = export_tar(commit, path, &t);
        return r < 0 ? r : flush_output(o);
}

static int answer_json(json_t *result) {
        _cleanup_free_ char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;

        json_decref(result);
        return text ? answer(text) : -ENOMEM;
}

/* What went wrong, for the administrator. */
static const char *publish_reason(int error) {
        switch (error) {
        case -EINVAL:
                return "not a path that a file can have";
        case -EISDIR:
                return "there is a directory of that name";
        case -ENOTDIR:
                return "a directory of the path is a file";
        case -EPROTO:
                return "the folder is of version 0, which has no files above 1 MiB in chunks";
        case -ENOENT:
                return "the file to publish is gone";
        case -EBADMSG:
                return "the folder is of a version that is not known";
        case -EAGAIN:
                return "the gateways push without a pause, try again";
        default:
                return strerror(-error);
        }
}

static int run_publish(const char *directory, char *const words[], size_t n_words) {
        PublishFile files[PUBLISH_FILES_MAX];
        const char *path = NULL;
        unsigned n = 0;
        int r;

        if (n_words == 0 || n_words % 2 != 0 || n_words / 2 > PUBLISH_FILES_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n_words / 2; i++)
                files[i] = (PublishFile){ words[2 * i], words[2 * i + 1] };
        r = publish(directory, files, n_words / 2, &n, &path);
        if (r >= 0)
                return answer_json(json_pack("{s:i}", "published", (int) n));
        (void) answer_json(json_pack("{s:s, s:s*}", "error", publish_reason(r), "path", path));
        return r;
}

static int restore(const char *repositories, const Mirror *mirror) {
        unsigned n;
        int r = mirror_restore(repositories, mirror, &n);

        return r < 0 ? r : answer_json(json_pack("{s:i}", "restored", (int) n));
}

static int update_mirror(const char *directory, const Mirror *mirror, const char *revision) {
        int r = mirror_update(directory, mirror);

        return r < 0 ? r : answer_json(json_pack("{s:s}", "revision", revision));
}

static int maintain(const char *directory, const char *hooks, const RepositoryConfig *config) {
        MaintenanceResult m;
        int r;

        r = configure(directory, hooks, config);
        if (r >= 0)
                r = repository_maintain(directory, (int64_t) time(NULL), &m);
        return r < 0 ? r
                     : answer_json(
                                       json_pack("{s:i, s:i, s:i, s:b}",
                                                 "staging_expired",
                                                 (int) m.n_staging_expired,
                                                 "histories_expired",
                                                 (int) m.n_histories_expired,
                                                 "temporary_removed",
                                                 (int) m.n_temporary,
                                                 "cruft",
                                                 m.cruft));
}

static json_t *time_or_null(int64_t t) {
        char buf[DATETIME_SIZE];

        return t != 0 ? json_string(format_datetime(t, buf)) : json_null();
}

static const char *retention_reason(int error) {
        switch (error) {
        case -EINVAL:
                return RETENTION_RULE;
        case -EAGAIN:
                return "the gateways push without a pause, try again";
        case -EBADMSG:
                return "main is no history as gateways make it";
        default:
                return strerror(-error);
        }
}

static int retain(const char *directory, const char *policy, const char *how) {
        Retention retention = {
                .now = (int64_t) time(NULL),
                .dry_run = streq(how, "dry-run"),
                .at_once = streq(how, "now"),
        };
        RetentionResult result;
        int r;

        r = retention_policy_parse(policy, &retention.policy);
        if (r >= 0 && !isempty(how) && !retention.dry_run && !retention.at_once)
                r = -EINVAL;
        if (r >= 0)
                r = retention_apply(directory, &retention, &result);
        if (r < 0) {
                (void) answer_json(json_pack("{s:s}", "error", retention_reason(r)));
                return r;
        }
        return answer_json(json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:o}",
                                     "policy", policy,
                                     "dry_run", retention.dry_run,
                                     "versions", (json_int_t) result.n_versions,
                                     "expired", (json_int_t) result.n_expired,
                                     "bytes", (json_int_t) result.bytes,
                                     "oldest", time_or_null(result.oldest),
                                     "newest", time_or_null(result.newest)));
}

static int check(void) {
        _cleanup_free_ char *findings = NULL;
        int r = repository_check(&findings);

        return r < 0 && r != -EBADMSG
                               ? r
                               : answer_json(json_pack("{s:b, s:s*}", "sound", r >= 0, "finding", findings));
}

static int run(int argc, char *argv[]) {
        RepositoryConfig config = {};
        Mirror mirror = {};
        uint64_t n;

        if (argc < 3 || argv[2][0] != '/')
                return -EINVAL;
        if (streq(argv[1], "create") && argc == 6 && parse_uint32(argv[3], &config.quota_mib) >= 0) {
                config.hook_socket = argv[5];
                return create(argv[2], argv[4], &config);
        }
        if (argc >= 5)
                mirror = (Mirror){ argv[3], argv[4] };
        if (streq(argv[1], "remove") && (argc == 3 || argc == 5))
                return remove_repository(argv[2], &mirror);
        if (streq(argv[1], "restore") && argc == 5)
                return restore(argv[2], &mirror);
        if (streq(argv[1], "mirror") && argc == 6)
                return update_mirror(argv[2], &mirror, argv[5]);
        if (enter(argv[2]) < 0)
                return -errno;
        if (streq(argv[1], "tip") && argc == 5 && parse_uint64(argv[3], &n) >= 0)
                return answer_tip(n, argv[4]);
        if (streq(argv[1], "maintain") && argc == 6 && parse_uint32(argv[3], &config.quota_mib) >= 0) {
                config.hook_socket = argv[5];
                return maintain(argv[2], argv[4], &config);
        }
        if (streq(argv[1], "check") && argc == 3)
                return check();
        if (streq(argv[1], "retain") && (argc == 4 || argc == 5))
                return retain(argv[2], argv[3], argc == 5 ? argv[4] : "");
        if (streq(argv[1], "publish"))
                return run_publish(argv[2], argv + 3, (size_t) argc - 3);
        if (streq(argv[1], "export") && argc == 5)
                return export(argv[3], argv[4]);
        return -EINVAL;
}

int main(int argc, char *argv[]) {
        int r;

        log_open();
        /* Nothing of the caller's environment or of an administrator's own settings takes part. */
        if (clearenv() != 0 || setenv("PATH", "/usr/bin:/bin", 1) < 0 ||
            setenv("HOME", "/nonexistent", 1) < 0 || setenv("GIT_CONFIG_NOSYSTEM", "1", 1) < 0 ||
            setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1) < 0)
                return EXIT_FAILURE;
        (void) umask(0007);
        r = run(argc, argv);
        if (r < 0)
                (void) log_error_errno(r, "%s %s: %m", argc > 1 ? argv[1] : "?", argc > 2 ? argv[2] : "?");
        return r == -ENOENT ? REPOSITORY_NOT_FOUND : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
