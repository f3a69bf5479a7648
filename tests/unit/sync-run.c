/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "tests/unit/sync-run.h"

#define KEPT_LAST '5'

static char *content_of(char kind, char digit) {
        return strfmt("%s%c", kind == 'l' ? "target" : "content ", digit);
}

/* The state's digit of an oid, or '?'. */
static char digit_of(char kind, const SyncOid *oid) {
        for (char digit = '1'; digit <= '9'; digit++) {
                _cleanup_free_ char *content = content_of(kind, digit);
                SyncOid candidate = folder_oid(content);

                if (sync_oid_equal(&candidate, oid))
                        return digit;
        }
        return '?';
}

SyncTree *run_tree(const char *text) {
        _cleanup_sync_tree_free_ SyncTree *model = model_tree(text);
        SyncTree *t;

        assert_int_equal(sync_tree_new(&t), 0);
        SYNC_TREE_FOREACH(m, model) {
                SyncEntry e = *m;

                if (e.kind != SYNC_DIRECTORY) {
                        _cleanup_free_ char *content = content_of(e.kind == SYNC_FILE ? 'f' : 'l', m->oid.bytes[0]);

                        e.oid = folder_oid(content);
                        e.size = strlen(content);
                        e.mtime_ns = INT64_C(1100000000) * 1000000000;
                }
                assert_int_equal(sync_tree_add(t, &e), 0);
        }
        return t;
}

void run_populate(const Folder *f, const char *text) {
        _cleanup_sync_tree_free_ SyncTree *t = model_tree(text);
        const char *last = NULL;

        SYNC_TREE_FOREACH(e, t) {
                _cleanup_free_ char *content = content_of(e->kind == SYNC_FILE ? 'f' : 'l', e->oid.bytes[0]);

                if (e->kind == SYNC_DIRECTORY)
                        folder_mkdir(f->root_fd, e->path);
                else if (e->kind == SYNC_SYMLINK)
                        assert_int_equal(symlinkat(content, f->root_fd, e->path), 0);
                else {
                        const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

                        folder_write(f->root_fd, e->path, content);
                        assert_int_equal(fchmodat(f->root_fd, e->path, e->executable ? 0755 : 0644, 0), 0);
                        assert_int_equal(utimensat(f->root_fd, e->path, old, 0), 0);
                        last = e->path;
                }
        }
        if (last)
                folder_age(f->root_fd, last);
}

char *run_text(const Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *t = folder_scan(f, NULL), *named = NULL;

        assert_int_equal(sync_tree_new(&named), 0);
        SYNC_TREE_FOREACH(e, t) {
                SyncEntry copy = *e;

                if (e->kind != SYNC_DIRECTORY)
                        copy.oid.bytes[0] = digit_of(e->kind == SYNC_FILE ? 'f' : 'l', &e->oid);
                assert_int_equal(sync_tree_add(named, &copy), 0);
        }
        return model_text(named);
}

void run_assert_folder(const Folder *f, const char *expected) {
        _cleanup_sync_tree_free_ SyncTree *t = model_tree(expected);
        _cleanup_free_ char *wanted = model_text(t), *text = run_text(f);

        assert_string_equal(text, wanted);
}

static int write_content(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        for (const char *kind = "fl"; *kind; kind++) {
                char digit = digit_of(*kind, oid);
                _cleanup_free_ char *content = NULL;

                if (digit == '?')
                        continue;
                content = content_of(*kind, digit);
                return loop_write(fd, content, strlen(content));
        }
        return -ENOENT;
}

static bool is_kept(const SyncOid *oid, void *userdata) {
        return digit_of('f', oid) <= KEPT_LAST || digit_of('l', oid) <= KEPT_LAST;
}

SyncApply run_apply(const Folder *f) {
        return (SyncApply) {
                .root_fd = f->root_fd,
                .staging_fd = f->staging_fd,
                .uid = (uid_t) -1,
                .gid = (gid_t) -1,
                .now = MODEL_NOW,
                .gateway_name = MODEL_GATEWAY,
                .may_move = true,
                .hasher = folder_hasher,
                .write_content = write_content,
                .is_kept = is_kept,
        };
}

int run_sync(const Folder *f, const SyncApply *apply, const SyncTree *base, const SyncTree *remote,
             SyncApplyReport *report) {
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_tree_free_ SyncTree *local = folder_scan(f, NULL);
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;

        plan = model_plan(base, local, remote, &context);
        return sync_apply(apply, plan, report);
}
