/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/sync-apply.h"
#include "syncd/sync-scan-internal.h"

void sync_scan_report_clear(SyncScanReport *r) {
        free(r->problem_path);
        free(r->busy_path);
        strv_free(r->linked);
        *r = (SyncScanReport) {};
}

bool sync_problem_is_lasting(int error) {
        return error == SYNC_PROBLEM_KIND || error == -ENAMETOOLONG;
}

/* The first one is told; an entry that can never travel only if there is nothing worse. */
static void note_problem(Scanner *s, int error) {
        SyncScanReport *r = s->report;

        if (r->problem_error && (!sync_problem_is_lasting(r->problem_error) || sync_problem_is_lasting(error)))
                return;
        r->problem_error = error;
        (void) free_and_strdup(&r->problem_path, s->path);
}

static bool is_same(const SyncEntry *a, const SyncEntry *b) {
        return sync_entry_same_identity(a, b) && sync_oid_equal(&a->oid, &b->oid) && a->mode == b->mode &&
               a->certainty == b->certainty && a->executable == b->executable && a->fuzzy == b->fuzzy;
}

/* What the index has before the path (NULL: to its end) is there no more. *ret is what it has at the path, or NULL;
 * until the next call. */
static int remove_before(Scanner *s, const char *path, const SyncEntry **ret) {
        *ret = NULL;
        for (; s->next < sync_tree_size(s->index) && !*ret; s->next++) {
                const SyncEntry *known;
                SyncEntry absent = { .kind = SYNC_ABSENT };
                int order, r = 0;

                sync_tree_leave(s->index, s->next);
                known = sync_tree_at(s->index, s->next);
                absent.path = known->path;
                order = path ? sync_path_compare(known->path, path) : -1;
                if (order > 0)
                        break;
                if (order == 0)
                        *ret = known;
                else if (!*s->removed || !sync_path_is_below(known->path, s->removed)) {
                        strcpy(s->removed, known->path);
                        r = sync_tree_add(s->tree, &absent);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_change(Scanner *s, const SyncEntry *e) {
        const SyncEntry *known = NULL;
        int r;

        if (s->all) {
                r = remove_before(s, e->path, &known);
                if (r < 0)
                        return r;
        }
        return known && is_same(known, e) ? 0 : sync_tree_add(s->tree, e);
}

static int add_entry(Scanner *s, const SyncEntry *e) {
        int r;

        s->report->n_racy += e->certainty == SYNC_RACY;
        s->report->n_busy += e->certainty == SYNC_BUSY;
        if (e->certainty == SYNC_BUSY && !s->report->busy_path)
                s->report->busy_path = strdup(e->path);
        s->report->n_unknown += e->certainty == SYNC_UNKNOWN;
        r = add_change(s, e);
        if (r < 0)
                return r;
        s->report->n_entries++;
        if (s->scan->progress && s->report->n_entries % PROGRESS_STEP == 0 &&
            s->scan->progress(s->tree, s->scan->userdata) != 0)
                return -ECANCELED;
        return 0;
}

/* What is at the path cannot be read: it and what was known to be beneath it stays, as unknown. */
static int keep_unknown(Scanner *s, int error) {
        size_t i = sync_tree_lower_bound(s->index, s->path);
        const SyncEntry *known = sync_tree_find(s->index, s->path);
        SyncEntry e = { .path = s->path, .kind = SYNC_SPECIAL, .certainty = SYNC_UNKNOWN };
        int r;

        if (error)
                note_problem(s, error);
        if (!known)
                return add_entry(s, &e);
        for (; i < sync_tree_size(s->index); i++) {
                e = *sync_tree_at(s->index, i);
                if (!streq(e.path, s->path) && !sync_path_is_below(e.path, s->path))
                        break;
                e.certainty = SYNC_UNKNOWN;
                /* It is not time that this lacks. */
                if (sync_entry_is_unread(&e))
                        e.kind = SYNC_SPECIAL;
                r = add_entry(s, &e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* All names of a directory, sorted, or an error and none: half a list would look like deletions. */
static int list_directory(Scanner *s, int fd, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_closedir_ DIR *d = NULL;
        size_t n = 0, allocated = 0;
        int copy;

        copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return -errno;
        d = fdopendir(copy);
        if (!d) {
                safe_close(copy);
                return -errno;
        }
        rewinddir(d);

        for (;;) {
                struct dirent *e;

                errno = 0;
                e = readdir(d);
                if (!e && errno != 0)
                        return -errno;
                if (!e)
                        break;
                if (streq(e->d_name, ".") || streq(e->d_name, ".."))
                        continue;
                if (sync_name_is_ignored(e->d_name)) {
                        s->report->n_ignored++;
                        continue;
                }
                if (n + 1 >= allocated) {
                        char **more = reallocarray(names, allocated * 2 + 64, sizeof(char *));

                        if (!more)
                                return -ENOMEM;
                        names = more;
                        allocated = allocated * 2 + 64;
                }
                names[n] = strdup(e->d_name);
                names[n + 1] = NULL;
                if (!names[n++])
                        return -ENOMEM;
        }
        if (n > 0)
                qsort(names, n, sizeof(char *), compare_names);
        *ret = TAKE_PTR(names);
        return 0;
}

/* Puts the name behind the path. False, and the path stays, if it is too long or too deep for that. */
static bool enter(Scanner *s, const char *name) {
        size_t length = strlen(s->path), size = strlen(name);

        if (length + 1 + size > SYNC_PATH_MAX)
                return false;
        if (length > 0)
                s->path[length] = '/';
        memcpy(s->path + length + (length > 0), name, size + 1);
        if (sync_path_is_valid(s->path))
                return true;
        s->path[length] = '\0';
        return false;
}

static int scan_entries(Scanner *s, int fd, char **names) {
        size_t length = strlen(s->path);
        int r;

        STRV_FOREACH(name, names) {
                if (!enter(s, *name))
                        continue;
                r = sync_scan_entry(s, fd, *name);
                s->path[length] = '\0';
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool all_can_enter(Scanner *s, char **names) {
        size_t length = strlen(s->path);

        STRV_FOREACH(name, names) {
                if (!enter(s, *name))
                        return false;
                s->path[length] = '\0';
        }
        return true;
}

static int scan_directory(Scanner *s, int parent_fd, const char *name, SyncEntry *e) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = sync_open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY);
        if (fd == -ENOENT)
                return 0;
        r = fd < 0 ? fd : list_directory(s, fd, &names);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return keep_unknown(s, r);
        /* What cannot travel is told of as long as it is there: such a directory is read in each scan. */
        if (!all_can_enter(s, names)) {
                note_problem(s, -ENAMETOOLONG);
                e->certainty = SYNC_RACY;
        }
        r = add_entry(s, e);
        if (r < 0)
                return r;
        return scan_entries(s, fd, names);
}

int sync_scan_entry(Scanner *s, int parent_fd, const char *name) {
        SyncEntry e = { .path = s->path };
        size_t n_hashed;
        struct stat st;
        int r;

        if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : keep_unknown(s, -errno);
        sync_entry_set_stat(&e, &st);
        switch (e.kind) {
        case SYNC_DIRECTORY:
                return scan_directory(s, parent_fd, name, &e);
        case SYNC_FILE:
        case SYNC_SYMLINK:
                n_hashed = s->report->n_hashed;
                r = sync_scan_content(s, parent_fd, name, &e);
                if (st.st_nlink > 1 && s->report->n_hashed > n_hashed && s->n_linked < LINKED_MAX)
                        s->linked[s->n_linked++] = st.st_ino;
                if (r == -ENOENT)
                        return 0;
                if (r == -ENOMEM || r == -ENOSPC || r == -EDQUOT || r == -ECANCELED)
                        return r;
                return r < 0 ? keep_unknown(s, r) : add_entry(s, &e);
        default:
                s->report->n_special++;
                note_problem(s, SYNC_PROBLEM_KIND);
                e = (SyncEntry) { .path = s->path, .kind = SYNC_SPECIAL, .certainty = SYNC_UNKNOWN };
                return add_entry(s, &e);
        }
}

/* Is the folder there, and is it the one that we think it is? */
static SyncScanResult check_root(const SyncScan *scan) {
        struct stat st;

        if (fstat(scan->root_fd, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_nlink == 0)
                return SYNC_SCAN_ROOT_MISSING;
        if (scan->staging_fd >= 0 && scan->file_system_uuid) {
                struct stat staging;

                if (fstat(scan->staging_fd, &staging) < 0 || staging.st_dev != st.st_dev || staging.st_nlink == 0)
                        return SYNC_SCAN_ROOT_MISSING;
                if (sync_marker_check(scan->staging_fd, scan->file_system_uuid) < 0)
                        return SYNC_SCAN_ROOT_MISSING;
        }
        return SYNC_SCAN_OK;
}

static int finish(const SyncScan *scan, const SyncTree *index, SyncTree **tree, SyncTree **ret) {
        if (check_root(scan) != SYNC_SCAN_OK)
                return SYNC_SCAN_ROOT_MISSING;
        if (sync_tree_size(*tree) == 0 && sync_tree_size(index) >= SYNC_EMPTIED_MIN && !scan->accept_empty)
                return SYNC_SCAN_ROOT_EMPTIED;
        *ret = TAKE_PTR(*tree);
        return SYNC_SCAN_OK;
}

static int scan_all(Scanner *s) {
        _cleanup_strv_free_ char **names = NULL;
        const SyncEntry *none;
        int r;

        s->all = true;
        r = list_directory(s, s->scan->root_fd, &names);
        if (r >= 0)
                r = scan_entries(s, s->scan->root_fd, names);
        if (r >= 0)
                r = remove_before(s, NULL, &none);
        return r < 0 ? r : sync_tree_sort(s->tree);
}

int sync_scan_full(const SyncScan *scan, const SyncTree *index, SyncTree **ret, SyncScanReport *report) {
        _cleanup_sync_tree_free_ SyncTree *changes = NULL, *tree = NULL;
        _cleanup_sync_scanner_free_ Scanner *s = NULL;
        int r;

        if (check_root(scan) != SYNC_SCAN_OK)
                return SYNC_SCAN_ROOT_MISSING;
        r = sync_scanner_new(&s, scan, index, report, &changes);
        if (r >= 0)
                r = scan_all(s);
        if (r >= 0)
                r = index ? sync_tree_patch(index, changes, &tree) : 0;
        return r < 0 ? r : finish(scan, index, index ? &tree : &changes, ret);
}

static bool is_gone(int error) {
        return error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
}

/* Cuts path at the first directory that the index does not know (its event may come later than those beneath it), and
 * then at one that is there. */
static void shorten(Scanner *s, char *path) {
        const char *name;

        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                const SyncEntry *e;

                *slash = '\0';
                e = sync_tree_find(s->index, path);
                if (!e || e->kind != SYNC_DIRECTORY)
                        break;
                *slash = '/';
        }
        while (strchr(path, '/')) {
                int fd = sync_open_parent(s->scan->root_fd, path, &name);

                safe_close(fd);
                if (!is_gone(fd))
                        break;
                *strrchr(path, '/') = '\0';
        }
}

static int compare_paths(const void *a, const void *b) {
        return sync_path_compare(*(char *const *) a, *(char *const *) b);
}

/* The paths to begin at, sorted, as changes that remove all that was known there. */
static int make_starts(Scanner *s, char *const *paths, SyncTree *starts) {
        _cleanup_strv_free_ char **sorted = NULL;
        const char *last = NULL;
        int r;

        STRV_FOREACH(path, paths) {
                _cleanup_free_ char *copy = NULL;

                if (sync_path_is_ignored(*path))
                        continue;
                copy = strdup(*path);
                if (!copy)
                        return -ENOMEM;
                /* What is too deep is told of with its directory. */
                while (!sync_path_is_valid(copy) && strchr(copy, '/'))
                        *strrchr(copy, '/') = '\0';
                if (!sync_path_is_valid(copy))
                        continue;
                shorten(s, copy);
                r = strv_extend(&sorted, copy);
                if (r >= 0 && !streq(copy, *path))
                        r = strv_extend(&s->report->linked, copy);
                if (r < 0)
                        return r;
        }
        if (sorted)
                qsort(sorted, strv_length(sorted), sizeof(char *), compare_paths);
        STRV_FOREACH(path, sorted) {
                SyncEntry absent = { .path = *path, .kind = SYNC_ABSENT };

                if (last && (streq(*path, last) || sync_path_is_below(*path, last)))
                        continue;
                last = *path;
                r = sync_tree_add(starts, &absent);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int scan_starts(Scanner *s, const SyncTree *starts) {
        int r;

        SYNC_TREE_FOREACH(start, starts) {
                _cleanup_close_ int fd = -EBADF;
                const char *name;

                strcpy(s->path, start->path);
                fd = sync_open_parent(s->scan->root_fd, s->path, &name);
                /* Gone just now: another event follows. */
                if (fd < 0)
                        r = keep_unknown(s, is_gone(fd) ? 0 : fd);
                else
                        r = sync_scan_entry(s, fd, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_linked(const Scanner *s, uint64_t inode) {
        for (size_t i = 0; i < s->n_linked; i++)
                if (s->linked[i] == inode)
                        return true;
        return false;
}

/* True if the path, or what it is beneath, is among the starts. */
static bool is_started(const SyncTree *starts, const char *path) {
        size_t i = sync_tree_lower_bound(starts, path);
        const SyncEntry *e = i < sync_tree_size(starts) ? sync_tree_at(starts, i) : NULL;

        if (e && streq(e->path, path))
                return true;
        return i > 0 && sync_path_is_below(path, sync_tree_at(starts, i - 1)->path);
}

/* Who writes to a file writes to all its names, and events tell of one. The others, as far as the index knows them,
 * as more starts. */
static int make_linked_starts(Scanner *s, const SyncTree *starts, SyncTree *ret) {
        if (s->n_linked == 0)
                return 0;
        SYNC_TREE_FOREACH(e, s->index) {
                SyncEntry absent = { .path = e->path, .kind = SYNC_ABSENT };
                int r;

                if (e->kind != SYNC_FILE || !is_linked(s, e->inode) || is_started(starts, e->path))
                        continue;
                if (sync_tree_size(ret) == LINKED_NAMES_MAX)
                        break;
                if ((r = sync_tree_add(ret, &absent)) < 0 || (r = strv_extend(&s->report->linked, e->path)) < 0)
                        return r;
        }
        return 0;
}

int sync_scan_dirty(const SyncScan *scan, const SyncTree *index, char *const *paths, SyncTree **ret,
                    SyncScanReport *report) {
        _cleanup_sync_tree_free_ SyncTree *starts = NULL, *linked = NULL, *rest = NULL, *others = NULL, *found = NULL,
                                          *tree = NULL;
        _cleanup_sync_scanner_free_ Scanner *s = NULL;
        int r;

        if (!index || strv_contains(paths, ""))
                return sync_scan_full(scan, index, ret, report);
        if (check_root(scan) != SYNC_SCAN_OK)
                return SYNC_SCAN_ROOT_MISSING;

        r = sync_scanner_new(&s, scan, index, report, &found);
        if (r < 0)
                return r;
        if ((r = sync_tree_new(&starts)) < 0 || (r = sync_tree_new(&linked)) < 0 ||
            (r = make_starts(s, paths, starts)) < 0 || (r = sync_scan_list_origins(s, starts)) < 0 ||
            (r = scan_starts(s, starts)) < 0 ||
            (r = make_linked_starts(s, starts, linked)) < 0 || (r = scan_starts(s, linked)) < 0 ||
            (r = sync_tree_sort(found)) < 0)
                return r;
        if ((r = sync_tree_patch(index, starts, &rest)) < 0 || (r = sync_tree_patch(rest, linked, &others)) < 0 ||
            (r = sync_tree_patch(others, found, &tree)) < 0)
                return r;
        return finish(scan, index, &tree, ret);
}
