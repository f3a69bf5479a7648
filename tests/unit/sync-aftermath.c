/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "tests/unit/sync-aftermath.h"

const char aftermath_base[] = "a=f1 b=f2 c=d c/d=f3 e=l1 g=d g/h=f4 k=f5 m=d n=f1 o=f2 t=f3 u=d u/v=f2 u/w=f1x";
const char aftermath_local[] = "a=f1 b=f6 c=d c/d=f7 e=l1 g=d g/h=f4 k=f5 m=d n=f1 o=f8 t=f3 u=d u/v=f2 u/w=f1x "
                              "z=f9";
const char aftermath_remote[] = "a=f3 b=f4 c=f5 e=f1 g=l2 m=f2 n=d n/x=f4 o=l3 q=d q/r=f1x q/s=l4 s=f3 x=d x/v=f2 "
                               "x/w=f1x";
static const char final_text[] = "a=f3 b=f4 b!=f6 c=f5 c!=d c!/d=f7 e=f1 g=l2 m=f2 n=d n/x=f4 o=l3 "
                                 "o!=f8 q=d q/r=f1x q/s=l4 s=f3 x=d x/v=f2 x/w=f1x z=f9";

/* Nothing is lost, and nothing is there that nobody wrote. */
static void check_contents(const Folder *f) {
        _cleanup_free_ char *text = run_text(f);

        for (const char *state = "f6\0f7\0f8\0f9\0"; *state; state += 3)
                if (!strstr(text, state))
                        fail_msg("%s is lost: %s", state, text);
        assert_null(strchr(text, '?'));
}

void aftermath_check(const Folder *f, bool base_recorded) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree(aftermath_base), *r = run_tree(aftermath_remote), *l = NULL,
                                          *held = NULL, *base = NULL;
        SyncApplyReport recovered = {}, report = {};
        SyncApply a = run_apply(f);

        assert_int_equal(sync_apply_recover(&a, &recovered), 0);
        check_contents(f);
        assert_int_equal(recovered.n_kept, 0);
        assert_int_equal(recovered.n_failures, 0);
        l = folder_scan(f, NULL);
        held = model_advance_base(base_recorded ? r : b, l, r, recovered.placed);
        assert_int_equal(sync_tree_patch(r, held, &base), 0);

        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        assert_int_equal(run_sync(f, &a, base, r, &report), 0);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        run_assert_folder(f, final_text);
        assert_int_equal(folder_count(f->staging_fd, "."), 1);
        sync_apply_report_clear(&recovered);
        sync_apply_report_clear(&report);
}
