/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Planning a push: what is new between main and the candidate, and what of it the server has elsewhere. */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/push-internal.h"

/* To look through main's whole tree for content that is here under another name, costs less than to send so
 * much. With more, the chunks of its large files are looked through too. */
#define SEARCH_MIN (UINT64_C(1) << 20)
#define SEARCH_CHUNKS_MIN (UINT64_C(8) << 20)
/* Content that was sent is remembered up to so many objects; what comes again later costs its bytes. */
#define SENT_MAX 65536U
/* Commits that one push brings; a gateway makes one at a time. */
#define COMMITS_MAX 65536U

typedef struct Plan {
        Push *push;
        git_oid main_tree; /* zero: none */
        git_oid tree;
        PushList window;
        PushList batch;
        PushList rest; /* for the final push */
        ObjectMap sent;
        uint64_t batch_content;
        uint64_t batch_max; /* 0: all in one push */
        unsigned n_batches; /* ended */
        uint64_t items;     /* measured */
        TransferResult result;
} Plan;

static void plan_done(Plan *plan) {
        push_list_done(&plan->window);
        push_list_done(&plan->batch);
        push_list_done(&plan->rest);
        object_map_done(&plan->sent);
}

/* Ends a walk with a result. */
static int stop(Plan *plan, TransferResult result) {
        plan->result = result;
        return result == TRANSFER_OK ? 0 : 1;
}

/* The bytes of a content object. */
static int content_length(Plan *plan, const PushFound *found, uint64_t *ret) {
        *ret = found->length;
        if (found->kind != PUSH_FILE && found->kind != PUSH_SYMLINK)
                return 0;
        return push_source_size(
                        &plan->push->source, &found->file, found->path, found->kind == PUSH_SYMLINK, ret);
}

static TransferResult content_failure(Plan *plan, const PushFound *found, int error) {
        return push_failure(plan->push, NULL, error, &(PushFile){ .oid = found->file, .path = (char *) found->path });
}

/* Content that the store has (a version of before had all of it) comes from there. */
static PushFound classify(Plan *plan, const PushFound *found) {
        PushFound f = *found;

        if (push_kind_is_content(f.kind) && git_store_has(plan->push->t->store, &f.id))
                f.kind = PUSH_META;
        return f;
}

static int walk_commits(Plan *plan, PushWalkHandler handler) {
        _cleanup_(object_map_done) ObjectMap visited = {};
        _cleanup_free_ git_oid *commits = NULL;
        GitStore *store = plan->push->t->store;
        git_oid at = *plan->push->candidate;
        size_t n = 0;
        int r;

        for (; !git_oid_equal(&at, plan->push->known); n++) {
                if (git_oid_is_zero(&at) || n == COMMITS_MAX)
                        return git_oid_is_zero(&at) ? -EXDEV : -E2BIG;
                if ((n & (n - 1)) == 0) {
                        git_oid *more = reallocarray(commits, n > 0 ? n * 2 : 1, sizeof(*more));

                        if (!more)
                                return -ENOMEM;
                        commits = more;
                }
                commits[n] = at;
                r = git_store_commit_parent(store, &at, &at);
                if (r < 0)
                        return r;
        }
        while (n-- > 0) {
                PushFound found = { .kind = PUSH_COMMIT, .id = commits[n], .path = "" };
                git_oid tree, parent, older = {};

                if ((r = git_store_commit_tree(store, commits + n, &tree)) < 0 ||
                    (r = git_store_commit_parent(store, commits + n, &parent)) < 0 ||
                    (!git_oid_is_zero(&parent) && (r = git_store_commit_tree(store, &parent, &older)) < 0))
                        return r;
                r = push_walk(store, &tree, &older, &visited, handler, plan);
                if (r == 0)
                        r = handler(&found, plan);
                if (r != 0)
                        return r;
        }
        return 0;
}

static int measure(const PushFound *found, void *userdata) {
        PushFound f = classify(userdata, found);
        Plan *plan = userdata;
        uint64_t length;
        int r;

        plan->items++;
        if (!push_kind_is_content(f.kind))
                return 0;
        r = content_length(plan, &f, &length);
        if (r < 0)
                return stop(plan, content_failure(plan, &f, r));
        plan->push->total += length;
        return 0;
}

static void mark_present(const git_oid *id, void *userdata) {
        PushList *window = userdata;
        uint32_t i;

        if (object_map_find(&window->index, id, &i))
                window->items[i].present = true;
}

/* The bytes of content that main was not found to have. */
static uint64_t window_left(const Plan *plan) {
        uint64_t n = 0;

        for (size_t i = 0; i < plan->window.n; i++)
                if (push_kind_is_content(plan->window.items[i].kind) && !plan->window.items[i].present)
                        n += plan->window.items[i].length;
        return n;
}

/* Finds what main has: the server has all of main's tip. */
static int mark_window(Plan *plan) {
        GitStore *store = plan->push->t->store;
        static const git_oid none = {};
        uint64_t left;
        int r;

        /* What changed, or moved away, has older content in the old place. */
        r = push_walk_present(store, &plan->main_tree, &plan->tree, true, mark_present, &plan->window);
        left = window_left(plan);
        if (r < 0 || left < SEARCH_MIN)
                return r;
        return push_walk_present(
                        store,
                        &plan->main_tree,
                        &none,
                        left >= SEARCH_CHUNKS_MIN,
                        mark_present,
                        &plan->window);
}

static TransferResult send_batch(Plan *plan) {
        TransferResult result;

        if (plan->batch.n == 0)
                return TRANSFER_OK;
        result = push_send_batch(plan->push, &plan->batch);
        push_list_done(&plan->batch);
        plan->batch_content = 0;
        plan->n_batches++;
        return result;
}

/* Whether a batch with so much content ends behind the object. The first ones are small, so that others who prefetch
 * begin early. */
static bool ends_batch(const Plan *plan, uint64_t content, const git_oid *id) {
        uint64_t max = PUSH_BATCH_FIRST;

        for (unsigned i = 0; i < plan->n_batches && max < plan->batch_max; i++)
                max *= PUSH_BATCH_GROWTH;
        max = MIN(max, plan->batch_max);
        return content >= max ||
               (content >= PUSH_BATCH_LEAST(max) && (id->id[GIT_OID_RAWSZ - 1] & PUSH_BATCH_MASK) == 0);
}

/* Moves a unit, the items from begin to end of the window, to the batch or to the final push. */
static TransferResult take_unit(Plan *plan, size_t begin, size_t end) {
        PushList *to = plan->batch_max > 0 ? &plan->batch : &plan->rest;

        for (size_t i = begin; i < end; i++) {
                const PushItem *item = plan->window.items + i;
                int r;

                if (item->present) {
                        plan->push->total -= item->length;
                        continue;
                }
                r = push_list_copy(to, &plan->window, item);
                if (r >= 0 && push_kind_is_content(item->kind) && plan->sent.n < SENT_MAX)
                        r = object_map_add(&plan->sent, &item->id, 0);
                if (r < 0)
                        return transfer_link_failure(&plan->push->t->link, NULL, r);
                plan->batch_content += push_kind_is_content(item->kind) ? item->length : 0;
        }
        if (plan->batch_max == 0)
                return TRANSFER_OK;
        return ends_batch(plan, plan->batch_content, &plan->window.items[end - 1].id) ? send_batch(plan) : TRANSFER_OK;
}

static bool fits_batch(const Plan *plan, size_t begin, size_t end) {
        uint64_t content = plan->batch_content;

        for (size_t i = begin; i + 1 < end; i++) {
                const PushItem *item = plan->window.items + i;

                if (!push_kind_is_content(item->kind))
                        continue;
                content += item->present ? 0 : item->length;
                if (ends_batch(plan, content, &item->id))
                        return false;
        }
        return true;
}

/* Moves a group with its chunks. If a batch is to end within it, the chunks go by themselves, and the group behind all
 * of them. */
static TransferResult take_group(Plan *plan, size_t begin, size_t end) {
        const PushItem *group = plan->window.items + begin;
        TransferResult result = TRANSFER_OK;
        int r;

        if (plan->batch_max == 0 || fits_batch(plan, begin, end))
                return take_unit(plan, begin, end);
        for (size_t i = begin + 1; i < end && result == TRANSFER_OK; i++) {
                plan->window.items[i].alone = true;
                result = take_unit(plan, i, i + 1);
        }
        if (result != TRANSFER_OK || group->present)
                return result;
        r = push_list_copy(&plan->rest, &plan->window, group);
        return r < 0 ? transfer_link_failure(&plan->push->t->link, NULL, r) : TRANSFER_OK;
}

/* Distributes what the window has. */
static TransferResult flush_window(Plan *plan) {
        TransferResult result = TRANSFER_OK;
        PushList *w = &plan->window;
        int r;

        r = mark_window(plan);
        if (r < 0)
                return transfer_link_failure(&plan->push->t->link, NULL, r);
        for (size_t i = 0, end; i < w->n && result == TRANSFER_OK; i = end) {
                PushItem *item = w->items + i;

                end = i + 1;
                if (item->kind == PUSH_GROUP) {
                        for (; end < w->n && w->items[end].kind == PUSH_CHUNK; end++)
                                w->items[end].present = w->items[end].present || item->present;
                        result = take_group(plan, i, end);
                } else if (push_kind_is_content(item->kind))
                        result = take_unit(plan, i, end);
                else if (!item->present) {
                        r = push_list_copy(&plan->rest, w, item);
                        if (r < 0)
                                result = transfer_link_failure(&plan->push->t->link, NULL, r);
                }
        }
        push_list_done(w);
        plan->push->settle_first = false;
        return result;
}

static int add_found(const PushFound *found, void *userdata) {
        PushFound f = classify(userdata, found);
        Plan *plan = userdata;
        uint64_t length = 0;
        int r = 0;

        /* A group stays whole. */
        if (plan->batch_max > 0 && plan->window.n >= PUSH_WINDOW_MAX && f.kind != PUSH_CHUNK) {
                r = stop(plan, flush_window(plan));
                if (r == 0)
                        r = stop(plan, send_batch(plan));
                if (r != 0)
                        return r;
        }
        if (push_kind_is_content(f.kind)) {
                r = content_length(plan, &f, &length);
                if (r < 0)
                        return stop(plan, content_failure(plan, &f, r));
                r = object_map_find(&plan->sent, &f.id, NULL) ? 0 : push_list_add(&plan->window, &f, length);
                if (r == 0) {
                        plan->push->total -= length;
                        plan->push->settle_first = true;
                }
        } else
                r = push_list_add(&plan->window, &f, 0);
        return r < 0 ? r : 0;
}

static TransferResult walk(Plan *plan, PushWalkHandler handler) {
        int r;

        plan->result = TRANSFER_OK;
        r = walk_commits(plan, handler);
        return r < 0 ? transfer_link_failure(&plan->push->t->link, NULL, r) : plan->result;
}

/* In steps, so that a push that has grown a little makes the same batches. */
static uint64_t batch_size(uint64_t total) {
        uint64_t size = PUSH_BATCH_SIZE;

        while (total / size > PUSH_BATCHES_MAX)
                size *= 2;
        return size;
}

/* The rest and the batch that was begun. */
static TransferResult send_rest(Plan *plan) {
        PushList *last = plan->batch.n > 0 ? &plan->batch : &plan->rest;

        object_map_done(&plan->sent);
        for (size_t i = 0; last == &plan->batch && i < plan->rest.n; i++) {
                int r = push_list_copy(last, &plan->rest, plan->rest.items + i);

                if (r < 0)
                        return transfer_link_failure(&plan->push->t->link, NULL, r);
        }
        return push_send_final(plan->push, last);
}

static TransferResult run(Plan *plan) {
        Push *p = plan->push;
        TransferResult result;
        bool landed;
        int r;

        result = walk(plan, measure);
        if (result != TRANSFER_OK)
                return result;
        if (p->total > PUSH_WHOLE_MAX || plan->items > PUSH_WINDOW_MAX)
                plan->batch_max = batch_size(p->total);
        r = push_progress(p);
        if (r < 0)
                return transfer_link_failure(&p->t->link, NULL, r);
        result = push_open(p, &landed);
        if (result != TRANSFER_OK || landed)
                return result;
        result = walk(plan, add_found);
        if (result == TRANSFER_OK)
                result = flush_window(plan);
        return result == TRANSFER_OK ? send_rest(plan) : result;
}

static TransferResult try_push(
                Transfer *t,
                const git_oid *known,
                const git_oid *candidate,
                bool last,
                TransferOutcome *outcome,
                bool *ret_fresh) {

        Push push = {
                .t = t, .known = known, .candidate = candidate, .outcome = outcome, .fresh = true, .last = last
        };
        _cleanup_(plan_done) Plan plan = { .push = &push };
        TransferResult result;
        int r;

        r = push_source_init(&push.source, &t->area, t->folder_fd);
        if (r >= 0)
                r = git_store_commit_tree(t->store, candidate, &plan.tree);
        if (r >= 0 && !git_oid_is_zero(known))
                r = git_store_commit_tree(t->store, known, &plan.main_tree);
        result = r < 0 ? transfer_link_failure(&t->link, NULL, r) : run(&plan);
        *ret_fresh = push.fresh;
        push_done(&push);
        return result;
}

TransferResult transfer_push(
                Transfer *t, const git_oid *known, const git_oid *candidate, bool last, TransferOutcome *ret) {
        TransferResult result;
        bool fresh;
        int r;

        result = try_push(t, known, candidate, last, ret, &fresh);
        if (!fresh && (result == TRANSFER_UNREACHABLE || result == TRANSFER_NON_FAST_FORWARD))
                result = try_push(t, known, candidate, last, ret, &fresh);
        /* What was opened beforehand does not know of the batches that have landed since. */
        t->link.receive = transfer_link_close(&t->link, t->link.receive);
        if (result == TRANSFER_OK || result == TRANSFER_STOPPED)
                transfer_link_prepare_receive(&t->link);
        if (result != TRANSFER_OK)
                return result;
        r = git_store_set_reference(t->store, GIT_STORE_REMOTE, candidate);
        if (r >= 0)
                r = git_store_sync(t->store);
        if (r < 0)
                return transfer_link_failure(&t->link, NULL, r);
        ret->tip = *candidate;
        return TRANSFER_OK;
}
