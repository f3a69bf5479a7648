/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/mman.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/fast-import.h"
#include "operator/storage/folder-tree.h"
#include "operator/storage/git-run.h"
#include "operator/storage/maintenance.h"
#include "operator/storage/retention.h"

#define MAIN "refs/heads/main"
/* While the new history is being written. */
#define NEW_MAIN RETENTION_REFS "new"
/* docs/repository-format.md: what a rewritten commit was first written as. */
#define ORIGINAL "Original: "
/* A push that comes between makes another try. */
#define TRIES_MAX 10U
/* The reference of a replaced history has a line of 110 bytes: so many are some hundred. */
#define REFS_MAX 65536U
#define ID_SIZE (40U + 1U)

typedef struct Version {
        char id[ID_SIZE], tree[ID_SIZE];
        const char *new_tree; /* of the last kept version that is not younger; NULL: there is none */
        bool changes;
} Version;

typedef struct History {
        Version *versions; /* in the order of history */
        size_t n;
} History;

static void history_done(History *h) {
        free(h->versions);
        *h = (History){};
}

/* --- commits, as git writes them --- */

typedef struct Commit {
        char *data;
        size_t size;
        const char *tree, *parent, *author, *committer, *message; /* in data; parent may be NULL */
} Commit;

static void commit_done(Commit *c) {
        free(c->data);
}

/* The rest of the line at *at if it begins so, with a NUL at its end; *at goes to the next one. */
static char *take_line(char **at, const char *begin) {
        char *line = *at, *end = strchr(line, '\n');

        if (!end || strncmp(line, begin, strlen(begin)) != 0)
                return NULL;
        *end = 0;
        *at = end + 1;
        return line + strlen(begin);
}

static int read_commit(ObjectReader *reader, const char *id, Commit *ret) {
        Commit c = {};
        char *at, *end;
        int r;

        r = object_read(reader, id, "commit", &c.data, &c.size);
        if (r < 0)
                return r == -ENOENT ? -EBADMSG : r;
        at = c.data;
        end = strstr(at, "\n\n");
        c.message = end ? end + 2 : NULL;
        c.tree = take_line(&at, "tree ");
        c.parent = take_line(&at, "parent ");
        c.author = take_line(&at, "author ");
        c.committer = take_line(&at, "committer ");
        /* A merge has a second parent where the author should be. */
        if (!c.message || !c.tree || strlen(c.tree) != ID_SIZE - 1 || !c.author || !c.committer ||
            (c.parent && strlen(c.parent) != ID_SIZE - 1)) {
                commit_done(&c);
                return -EBADMSG;
        }
        *ret = c;
        return 0;
}

static int commit_time(const Commit *c, int64_t *ret) {
        const char *time = strrchr(c->committer, '>');
        _cleanup_free_ char *digits = time && time[1] == ' ' ? strndup(time + 2, strcspn(time + 2, " ")) : NULL;

        return digits && parse_int64(digits, ret) >= 0 ? 0 : -EBADMSG;
}

static bool has_original(const Commit *c) {
        const size_t n = strlen(ORIGINAL) + ID_SIZE;
        const char *end = c->data + c->size, *line = end - n;

        return (size_t) (end - c->message) >= n && line[-1] == '\n' && startswith(line, ORIGINAL) && end[-1] == '\n' &&
               strspn(line + strlen(ORIGINAL), "0123456789abcdef") == ID_SIZE - 1;
}

/* --- main's history --- */

static int append_version(History *h, RetentionVersion **times, const char *id, const Commit *c) {
        int64_t time;
        int r;

        r = commit_time(c, &time);
        if (r < 0)
                return r;
        if (ARRAY_GROW(h->versions, h->n) < 0 || ARRAY_GROW(*times, h->n) < 0)
                return -ENOMEM;
        (*times)[h->n] = (RetentionVersion){ .time = time };
        h->versions[h->n] = (Version){};
        (void) strcpy(h->versions[h->n].id, id);
        (void) strcpy(h->versions[h->n].tree, c->tree);
        h->n++;
        return 0;
}

static void reverse(History *h, RetentionVersion *times) {
        for (size_t i = 0, j = h->n; i + 1 < j; i++) {
                Version version = h->versions[i];
                RetentionVersion time = times[i];

                j--;
                h->versions[i] = h->versions[j];
                h->versions[j] = version;
                times[i] = times[j];
                times[j] = time;
        }
}

/* From the tip back; *ret_times is the caller's, also after an error. */
static int read_history(ObjectReader *reader, const char *tip, History *h, RetentionVersion **ret_times) {
        char id[ID_SIZE];
        bool more = true;

        if (strlen(tip) != ID_SIZE - 1)
                return -EBADMSG;
        (void) strcpy(id, tip);
        while (more) {
                _cleanup_(commit_done) Commit c = {};
                int r = read_commit(reader, id, &c);

                if (r >= 0)
                        r = append_version(h, ret_times, id, &c);
                if (r < 0)
                        return r;
                more = c.parent;
                if (more)
                        (void) strcpy(id, c.parent);
        }
        reverse(h, *ret_times);
        return 0;
}

/* 1 if the tree holds nothing but the format's mark. */
static int is_bare(ObjectReader *reader, const char *id) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        TreeEntry e;
        int r;

        r = object_read(reader, id, "tree", &tree, &size);
        if (r >= 0)
                r = tree_next(tree, size, &at, &e);
        if (r <= 0)
                return r;
        return streq(e.name, NAME_FORMAT) && at == size;
}

/* What each version is to show. */
static int choose_trees(ObjectReader *reader, History *h, const RetentionVersion *times, RetentionResult *result) {
        const char *kept = NULL;

        *result = (RetentionResult){ .n_versions = h->n };
        for (size_t i = 0; i < h->n; i++) {
                Version *v = h->versions + i;
                int r;

                if (times[i].kept)
                        kept = v->tree;
                v->new_tree = kept;
                r = kept ? streq(kept, v->tree) : is_bare(reader, v->tree);
                if (r < 0)
                        return r;
                v->changes = r == 0;
                if (!v->changes)
                        continue;
                result->newest = times[i].time;
                if (result->n_expired++ == 0)
                        result->oldest = times[i].time;
        }
        return 0;
}

/* --- how much it is --- */

static int list_trees(const History *h, int fd) {
        _cleanup_close_ int copy = dup(fd);
        _cleanup_fclose_ FILE *f = copy >= 0 ? fdopen(copy, "w") : NULL;
        const char *last = NULL;

        if (!f)
                return -errno;
        TAKE_FD(copy);
        for (size_t i = 0; i < h->n; i++) {
                const Version *v = h->versions + i;

                if (v->changes)
                        (void) fprintf(f, "%s\n", v->tree);
                if (v->new_tree && v->new_tree != last)
                        (void) fprintf(f, "^%s\n", v->new_tree);
                last = v->new_tree;
        }
        return fflush(f) == 0 && !ferror(f) ? 0 : -EIO;
}

/* What the trees of versions that expire reach and no other tree does. */
static int measure(const History *h, uint64_t *ret) {
        static const char *const arguments[] = { "rev-list", "--objects", "--disk-usage", "--stdin", NULL };
        _cleanup_close_ int input = memfd_create("trees", MFD_CLOEXEC), output = memfd_create("size", MFD_CLOEXEC);
        char text[32] = "";
        pid_t pid;
        int r;

        if (input < 0 || output < 0)
                return -errno;
        r = list_trees(h, input);
        if (r >= 0 && lseek(input, 0, SEEK_SET) < 0)
                r = -errno;
        if (r >= 0)
                r = git_spawn(arguments, input, output, &pid);
        if (r >= 0)
                r = git_wait(pid);
        if (r != 0)
                return r < 0 ? r : -EIO;
        if (pread(output, text, sizeof(text) - 1, 0) < 0)
                return -errno;
        text[strcspn(text, "\n")] = 0;
        return parse_uint64(text, ret);
}

/* --- the new history --- */

static int write_version(FastImport *f, ObjectReader *reader, const Version *v, const char *from) {
        _cleanup_(commit_done) Commit c = {};
        _cleanup_free_ char *message = NULL;
        int r;

        r = read_commit(reader, v->id, &c);
        if (r < 0)
                return r;
        message = has_original(&c) ? strdup(c.message) : strfmt("%s\n" ORIGINAL "%s\n", c.message, v->id);
        if (!message)
                return -ENOMEM;
        fast_import_copy_commit(f, NEW_MAIN, from, c.author, c.committer, message, strlen(message));
        if (v->new_tree)
                fast_import_set_root(f, v->new_tree);
        else {
                fast_import_clear_root(f);
                fast_import_set_content(f, NAME_FORMAT, "", 0);
        }
        return 0;
}

/* From the first version on that changes; the reference NEW_MAIN is the new tip then. */
static int write_history(const char *directory, ObjectReader *reader, const History *h) {
        const char *from = NULL;
        size_t i = 0;
        FastImport f;
        int r, q;

        r = fast_import_start(directory, &f);
        if (r < 0)
                return r;
        for (; !h->versions[i].changes; i++)
                from = h->versions[i].id;
        for (; i < h->n && r >= 0; i++, from = NULL)
                r = write_version(&f, reader, h->versions + i, from);
        q = fast_import_finish(&f);
        return r < 0 ? r : q;
}

static int ask(const char *question, char **ret) {
        const char *const arguments[] = { "rev-parse", "--verify", "--quiet", question, NULL };
        int r = git_run(arguments, ret);

        return r > 0 ? -EIO : r;
}

/* What must be true of what takes main's place, looked at once more in what was written. */
static int check_new_main(const History *h) {
        static const char *const arguments[] = { "rev-list", "--count", NEW_MAIN, "--", NULL };
        _cleanup_free_ char *tree = NULL, *count = NULL;
        uint64_t n;
        int r;

        r = ask(NEW_MAIN "^{tree}", &tree);
        if (r >= 0)
                r = git_run(arguments, &count);
        if (r != 0)
                return r < 0 ? r : -EIO;
        return streq(tree, h->versions[h->n - 1].tree) && parse_uint64(count, &n) >= 0 && n == h->n ? 0 : -EIO;
}

static int update_refs(const char *text) {
        static const char *const update[] = { "update-ref", "--stdin", NULL };
        _cleanup_close_ int fd = memfd_create("refs", MFD_CLOEXEC);
        pid_t pid;
        int r;

        if (fd < 0)
                return -errno;
        r = loop_write(fd, text, strlen(text));
        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        if (r >= 0)
                r = git_spawn(update, fd, -EBADF, &pid);
        return r < 0 ? r : git_wait(pid);
}

/* All at once, and only if main is still what it was. */
static int replace_main(const Retention *retention, const History *h) {
        _cleanup_free_ char *keep = NULL, *text = NULL, *tip = NULL;
        const char *old = h->versions[h->n - 1].id;
        int r;

        r = ask(NEW_MAIN, &tip);
        if (r < 0)
                return r;
        keep = retention->at_once
                               ? strdup("")
                               : strfmt("update " RETENTION_REFS "%lld-%s %s\n", (long long) retention->now, old, old);
        text = keep ? strfmt("%supdate " MAIN " %s %s\ndelete " NEW_MAIN " %s\n", keep, tip, old, tip) : NULL;
        if (!text)
                return -ENOMEM;
        r = update_refs(text);
        return r > 0 ? -EAGAIN : r;
}

static int replace(const char *directory, const Retention *retention, ObjectReader *reader, const History *h) {
        int r;

        r = write_history(directory, reader, h);
        if (r >= 0)
                r = check_new_main(h);
        return r < 0 ? r : replace_main(retention, h);
}

static int apply_once(const char *directory, const Retention *retention, RetentionResult *ret) {
        static const char *const main_tip[] = { "rev-parse", "--verify", "--quiet", MAIN, NULL };
        _cleanup_(object_reader_freep) ObjectReader *reader = NULL;
        _cleanup_(history_done) History history = {};
        _cleanup_free_ RetentionVersion *times = NULL;
        _cleanup_free_ char *tip = NULL;
        int r;

        r = git_run(main_tip, &tip);
        if (r != 0) {
                *ret = (RetentionResult){};
                return MIN(r, 0);
        }
        r = object_reader_new(&reader);
        if (r >= 0)
                r = read_history(reader, tip, &history, &times);
        if (r < 0)
                return r;
        retention_select(&retention->policy, retention->now, times, history.n);
        r = choose_trees(reader, &history, times, ret);
        if (r < 0 || ret->n_expired == 0)
                return r;
        r = measure(&history, &ret->bytes);
        return r < 0 || retention->dry_run ? r : replace(directory, retention, reader, &history);
}

int retention_apply(const char *directory, const Retention *retention, RetentionResult *ret) {
        /* What was replaced before need not stay either; what is not finished never does. */
        int64_t now = retention->at_once ? INT64_MAX : retention->now;
        unsigned n = 0;
        int r = -EAGAIN;

        for (unsigned i = 0; i < TRIES_MAX && r == -EAGAIN; i++) {
                r = retention->dry_run ? 0 : retention_expire(now, &n);
                if (r >= 0)
                        r = apply_once(directory, retention, ret);
        }
        if (r >= 0 && (n > 0 || (retention->at_once && ret->n_expired > 0)))
                maintenance_collect_soon(directory);
        return r;
}

/* "delete <name> <id>" for the line "<id> <name>" if it is its time. */
static int add_expired(const char *line, int64_t now, FILE *to, unsigned *n) {
        const char *name = strchr(line, ' '), *word = name ? startswith(name + 1, RETENTION_REFS) : NULL;
        _cleanup_free_ char *time = word ? strndup(word, strcspn(word, "-")) : NULL;
        int64_t since;

        if (!time)
                return -EBADMSG;
        if (parse_int64(time, &since) >= 0 && since > now - RETENTION_KEEP_SEC)
                return 0;
        (*n)++;
        return fprintf(to, "delete %s %.*s\n", name + 1, (int) (name - line), line) < 0 ? -ENOMEM : 0;
}

int retention_expire(int64_t now, unsigned *n) {
        static const char *const list[] = { "for-each-ref", "--format=%(objectname) %(refname)", RETENTION_REFS, NULL };
        _cleanup_free_ char *refs = calloc(1, REFS_MAX), *text = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_close_ int fd = -EBADF;
        unsigned n_expired = 0;
        size_t size;
        ssize_t k;
        pid_t pid;
        FILE *f;
        int r;

        if (!refs)
                return -ENOMEM;
        r = git_start(list, &fd, &pid);
        if (r < 0)
                return r;
        k = loop_read(fd, refs, REFS_MAX - 1);
        fd = safe_close(fd);
        r = git_wait(pid);
        if (r != 0 || k < 0)
                return r < 0 ? r : -EIO;
        r = strv_split(refs, "\n", &lines);
        f = r >= 0 ? open_memstream(&text, &size) : NULL;
        if (!f)
                return r < 0 ? r : -ENOMEM;
        STRV_FOREACH (line, lines)
                if (r >= 0)
                        r = add_expired(*line, now, f, &n_expired);
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r >= 0 && n_expired > 0)
                r = update_refs(text);
        *n += n_expired;
        return r > 0 ? -EIO : r;
}
