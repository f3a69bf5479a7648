/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commits, trees and metadata. */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/git-object.h"
#include "syncd/git-tree-internal.h"
#include "syncd/object-wants.h"
#include "syncd/transfer-part.h"
#include "syncd/transfer.h"

/* What an object of the store takes beside its bytes, in indexes and records: so a limit of bytes is one of objects. */
#define OBJECT_COST 2048U
/* What stays free on the file system of the state, and how many bytes may come until that is looked at again. */
#define STATE_FLOOR (UINT64_C(8) << 20)
#define STATE_LOOK_BYTES (UINT64_C(1) << 20)
/* What is missing is asked for again when a pack's deltas could not be resolved; each round must bring
 * something. */
#define ROUNDS_MAX 64U

typedef struct Fetch {
        Transfer *t;
        ObjectMap meta; /* what the trees so far name as metadata */
        bool content;   /* other blobs are content of small files, and welcome */
        bool trees;     /* nothing else is */
        uint64_t received;
        uint64_t metadata; /* of it, all that the store was to keep, with OBJECT_COST */
        uint64_t looked;   /* metadata, when the space was looked at last */
} Fetch;

/* git sends trees before the blobs that they name; what comes in another order is asked for later. */
static int note_meta(Fetch *f, const git_oid *tree, const void *data, size_t size) {
        bool inside = object_map_find(&f->meta, tree, NULL);
        GitTreeReader reader;
        GitTreeEntry e;
        int r;

        git_tree_reader_init(&reader, data, size);
        while ((r = git_tree_next(&reader, &e)) > 0)
                if (inside || (streq(e.name, TREE_NAME_META))) {
                        r = object_map_add(&f->meta, &e.id, 0);
                        if (r < 0)
                                return r;
                }
        return r;
}

/* Small content is an advance only: without room for it, it comes later. */
static void keep_content(Transfer *t, const git_oid *id, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        SyncOid file;

        git_store_oid_to_sync(&file, id);
        if (content_has(&t->area, &file) || !content_has_space(&t->area, size) ||
            transfer_part_open(&t->area, &file, SYNC_SIZE_UNKNOWN, &fd) < 0)
                return;
        if (transfer_part_write(&t->area, &file, fd, data, size, 0) == 0)
                (void) content_part_complete(&t->area, &file);
}

/* Before the store takes an object. */
static int check_room(Fetch *f, size_t size) {
        struct statvfs st;

        f->metadata += size + OBJECT_COST;
        if (f->metadata > f->t->metadata_max)
                return -E2BIG;
        if (f->metadata - f->looked < STATE_LOOK_BYTES)
                return 0;
        f->looked = f->metadata;
        if (fstatvfs(f->t->state_fd, &st) < 0)
                return -errno;
        return (uint64_t) st.f_bavail * st.f_frsize < STATE_FLOOR ? -ENOSPC : 0;
}

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        Fetch *f = userdata;
        Transfer *t = f->t;
        int r;

        f->received += size;
        r = t->progress(f->received, 0, t->userdata);
        if (r < 0)
                return r;
        if (type == GIT_OBJECT_TREE) {
                r = note_meta(f, id, data, size);
                if (r < 0)
                        return r;
        }
        if (type == GIT_OBJECT_BLOB && f->trees)
                return 0;
        if (type == GIT_OBJECT_BLOB && f->content && !object_map_find(&f->meta, id, NULL)) {
                keep_content(t, id, data, size);
                return 0;
        }
        r = check_room(f, size);
        return r < 0 ? r : git_store_write_named(t->store, type, data, size, id);
}

static int find_base(
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size,
                void *userdata) {
        Fetch *f = userdata;

        return git_store_read(f->t->store, id, ret_type, ret_data, ret_size);
}

static PackConsumer consumer_of(Fetch *f) {
        return (PackConsumer){
                .object = take_object,
                .find = find_base,
                .userdata = f,
                .blob_max = TRANSFER_META_MAX,
                .other_max = GIT_STORE_OBJECT_MAX,
                .total_max = f->t->metadata_max + content_space(&f->t->area),
        };
}

/* Fetches objects by their ids; each tree comes with those beneath it. */
static int fetch_wants(Fetch *f, PktStream *s, const git_oid *ids, size_t n) {
        size_t asked = 0, answered = 0;
        PackConsumer consumer = consumer_of(f);
        int r;

        /* What is asked for by its id is metadata, whatever the trees say. */
        f->content = false;
        while (answered < n) {
                PackSummary summary;
                git_oid none;

                while (asked < n && asked < answered + UPLOAD_PACK_REQUESTS_MAX * UPLOAD_PACK_WANTS_MAX) {
                        UploadPackRequest q = {
                                .wants = ids + asked,
                                .n_wants = MIN(n - asked, (size_t) UPLOAD_PACK_WANTS_MAX),
                                .filter = "blob:none",
                        };

                        r = upload_pack_request(s, &q);
                        if (r < 0)
                                return r;
                        asked += q.n_wants;
                }
                r = upload_pack_receive(s, NULL, &none, &consumer, &summary, &f->t->link.text);
                if (r < 0)
                        return r;
                answered += MIN(n - answered, (size_t) UPLOAD_PACK_WANTS_MAX);
        }
        return 0;
}

static int tree_of(GitStore *store, const git_oid *commit, git_oid *ret) {
        *ret = (git_oid){};
        return git_oid_is_zero(commit) ? 0 : git_store_commit_tree(store, commit, ret);
}

/* Fetches what is missing of the commit's tree, as far as the commit from does not have it. */
static int complete_tree(Fetch *f, PktStream *s, const git_oid *from, const git_oid *commit) {
        git_oid tree, older;
        int r;

        r = tree_of(f->t->store, commit, &tree);
        if (r < 0)
                return r;
        if (tree_of(f->t->store, from, &older) < 0)
                older = (git_oid){};
        for (unsigned round = 0; round < ROUNDS_MAX; round++) {
                _cleanup_(object_wants_done) ObjectWants wants = {};

                r = object_wants_add_missing(&wants, f->t->store, &tree, &older);
                if (r < 0 || wants.n == 0)
                        return r;
                r = fetch_wants(f, s, wants.ids, wants.n);
                if (r < 0)
                        return r;
        }
        return -EBADMSG;
}

static int check_tip(GitStore *store, const git_oid *known, bool another, const git_oid *tip) {
        int r = git_store_check_succession(store, known, tip);

        return r == -EXDEV && another ? git_store_check_descent(store, &(git_oid){}, tip) : r;
}

static int take_main(const char *name, const git_oid *id, void *userdata) {
        if (streq(name, GIT_STORE_MAIN))
                *(git_oid *) userdata = *id;
        return 0;
}

static int request_main(Fetch *f, PktStream *s, const UploadPackRequest *q, git_oid *ret_tip) {
        PackConsumer consumer = consumer_of(f);
        PackSummary summary;
        int r;

        r = upload_pack_request(s, q);
        if (r >= 0)
                r = upload_pack_receive(s, q->want_reference, ret_tip, &consumer, &summary, &f->t->link.text);
        return r == -ESTALE && q->certain ? -EBADMSG : r;
}

/* What prefetches have asked for need not come with the commits: what of it does not arrive is fetched as content. */
static size_t list_seen(Fetch *f, git_oid ret[static UPLOAD_PACK_HAVE_TREES_MAX]) {
        SyncOid seen[UPLOAD_PACK_HAVE_TREES_MAX];
        size_t n = content_list_seen(&f->t->area, seen, UPLOAD_PACK_HAVE_TREES_MAX);

        for (size_t i = 0; i < n; i++)
                git_store_oid_from_sync(ret + i, seen + i);
        return n;
}

/* main and all that is new in it; -ESTALE if the server is not sure that it leads on from what is known, and certain is
 * not set. With anew nothing that is here counts. */
static int fetch_main(Fetch *f, PktStream *s, const git_oid *known, bool anew, bool certain, git_oid *ret_tip) {
        bool first = anew || git_oid_is_zero(known);
        git_oid seen[UPLOAD_PACK_HAVE_TREES_MAX];
        UploadPackRequest q = {
                .want_reference = GIT_STORE_MAIN,
                .have = first ? NULL : known,
                .have_trees = seen,
                .n_have_trees = first ? 0 : list_seen(f, seen),
                .certain = first || certain,
                .thin = !first,
                .filter = first        ? "blob:none"
                          : f->content ? "blob:limit=16384"
                                       : "blob:none",
        };

        static_assert(TRANSFER_SMALL_BLOB_MAX == 16384, "it stands in the filter");
        return request_main(f, s, &q, ret_tip);
}

/* main where it may have been rewritten: the server may not have what is known any more, and would send all of its
 * history with all small files. The commits tell what it is; of the tip's tree complete_tree() gets what is missing. */
static int fetch_rewritten(Fetch *f, PktStream *s, const git_oid *known, git_oid *ret_tip) {
        UploadPackRequest q = {
                .want_reference = GIT_STORE_MAIN,
                .have = known,
                .certain = true,
                .filter = "tree:0",
        };
        int r;

        r = request_main(f, s, &q, ret_tip);
        if (r < 0 || git_store_check_descent(f->t->store, known, ret_tip) < 0)
                return r;
        /* It does lead on, with commits whose clocks do not. */
        return fetch_main(f, s, known, false, true, ret_tip);
}

static int fetch(Fetch *f, PktStream *s, const git_oid *known, bool another, git_oid *ret_tip) {
        git_oid tip = {};
        int r;

        /* A reference that is asked for must be there; this session is a new one, so the list is right. */
        if (another || git_oid_is_zero(known)) {
                char *prefixes[] = { (char *) GIT_STORE_MAIN, NULL };

                r = upload_pack_list(s, prefixes, take_main, &tip, &f->t->link.text);
                if (r < 0)
                        return r;
                *ret_tip = tip;
                if (git_oid_is_zero(&tip))
                        return 0;
        }
        f->content = !another;
        r = fetch_main(f, s, known, false, false, &tip);
        if (r == -ESTALE)
                r = fetch_rewritten(f, s, known, &tip);
        if (r >= 0)
                r = check_tip(f->t->store, known, another, &tip);
        if (r == -ENOENT) {
                f->content = false;
                r = fetch_main(f, s, known, true, true, &tip);
                if (r >= 0)
                        r = check_tip(f->t->store, known, another, &tip);
                /* Sent twice, and not there. */
                if (r == -ENOENT)
                        r = -EBADMSG;
        }
        if (r >= 0 && !git_oid_equal(&tip, known))
                r = complete_tree(f, s, known, &tip);
        if (r >= 0)
                *ret_tip = tip;
        return r;
}

/* upload-pack's words for a reference that is not there. */
static bool main_is_gone(const Transfer *t, int error) {
        return error == -EREMOTEIO && t->link.text && strstr(t->link.text, "unknown ref " GIT_STORE_MAIN);
}

TransferResult transfer_fetch(Transfer *t, const git_oid *known, bool another, TransferOutcome *ret) {
        bool fresh = another || git_oid_is_zero(known);
        _cleanup_(object_map_done) ObjectMap meta = {};
        TransferResult result;
        PktStream *s;
        git_oid tip;
        Fetch f;
        int r;

        for (;;) {
                result = transfer_link_upload(&t->link, fresh, &s);
                if (result != TRANSFER_OK)
                        return result;
                f = (Fetch){ .t = t, .meta = meta };
                r = fetch(&f, s, known, another, &tip);
                meta = f.meta;
                if (r >= 0 || !transfer_link_upload_died(&t->link, r))
                        break;
                fresh = true;
        }
        if (r >= 0)
                r = git_store_set_reference(t->store, GIT_STORE_REMOTE, &tip);
        if (r >= 0)
                r = git_store_sync(t->store);
        if (r < 0) {
                if (main_is_gone(t, r))
                        r = -EXDEV;
                return transfer_link_upload_failed(&t->link, r);
        }
        /* What they are of is main's now, as a rule, and each would be told the server in all fetches of a day. */
        if (!git_oid_equal(&tip, known))
                content_forget_seen(&t->area);
        ret->tip = tip;
        return TRANSFER_OK;
}

static TransferResult fetch_by_id(Transfer *t, Fetch *f, const git_oid *ids, size_t n) {
        for (bool fresh = false;; fresh = true) {
                TransferResult result;
                PktStream *s;
                int r;

                result = transfer_link_upload(&t->link, fresh, &s);
                if (result != TRANSFER_OK)
                        return result;
                r = fetch_wants(f, s, ids, n);
                if (r < 0 && transfer_link_upload_died(&t->link, r))
                        continue;
                object_map_done(&f->meta);
                return r < 0 ? transfer_link_upload_failed(&t->link, r) : TRANSFER_OK;
        }
}

TransferResult transfer_fetch_trees(Transfer *t, const git_oid *ids, size_t n) {
        return fetch_by_id(t, &(Fetch){ .t = t, .trees = true }, ids, n);
}

static TransferResult fetch_and_sync(Transfer *t, const git_oid *ids, size_t n) {
        TransferResult result = fetch_by_id(t, &(Fetch){ .t = t }, ids, n);
        int r;

        if (result != TRANSFER_OK)
                return result;
        r = git_store_sync(t->store);
        return r < 0 ? transfer_link_failure(&t->link, NULL, r) : TRANSFER_OK;
}

TransferResult transfer_fetch_objects(Transfer *t, const git_oid *ids, size_t n) {
        return n > 0 ? fetch_and_sync(t, ids, n) : TRANSFER_OK;
}

/* 1 if all trees of the history are there, 0 if not. */
static int history_is_complete(GitStore *store, const git_oid *tip) {
        git_oid commit = *tip;

        while (!git_oid_is_zero(&commit)) {
                _cleanup_(object_wants_done) ObjectWants wants = {};
                git_oid parent, tree, older = {};
                int r;

                if ((r = git_store_commit_parent(store, &commit, &parent)) < 0 ||
                    (r = git_store_commit_tree(store, &commit, &tree)) < 0 ||
                    (r = tree_of(store, &parent, &older)) < 0 ||
                    (r = object_wants_add_missing(&wants, store, &tree, &older)) < 0)
                        return r;
                if (wants.n > 0)
                        return 0;
                commit = parent;
        }
        return 1;
}

TransferResult transfer_history(Transfer *t, const git_oid *tip) {
        int r = history_is_complete(t->store, tip);

        if (r > 0)
                return TRANSFER_OK;
        return r < 0 ? transfer_link_failure(&t->link, NULL, r) : fetch_and_sync(t, tip, 1);
}
