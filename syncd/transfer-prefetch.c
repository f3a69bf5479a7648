/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other gateways are pushing, before it is main: from their staging refs to the parts of files. */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/look-pace.h"
#include "syncd/object-wants.h"
#include "syncd/staging-ref.h"
#include "syncd/transfer.h"

/* A server that says nothing for so long, two of git's empty packets, has more important things to do, and what waits
 * for the end of the prefetch should not wait for that. */
#define SILENCE_MSEC 10000

typedef struct Prefetch {
        Transfer *t;
        LookPace pace;
        git_oid main;
        ObjectWants trees; /* all staging trees seen */
        size_t n_done;     /* of them */
} Prefetch;

static uint64_t now_usec(void) {
        return rate_clock_monotonic.now(NULL);
}

/* A pull may wait for the end. */
static void pause_until(Transfer *t, uint64_t end) {
        uint64_t now;

        while ((now = now_usec()) < end && t->progress(0, 0, t->userdata) >= 0)
                t->wait(end - now, t->userdata);
}

/* The bytes that were said in all sessions so far. */
static uint64_t bytes_said(const Prefetch *p) {
        uint64_t sent, received;

        transfer_link_count(&p->t->link, &sent, &received);
        return sent + received;
}

static int take_reference(const char *name, const git_oid *id, void *userdata) {
        Prefetch *p = userdata;
        const char *gateway = startswith(name, STAGING_PREFIX), *rest;

        if (streq(name, GIT_STORE_MAIN))
                p->main = *id;
        if (!gateway)
                return 0;
        rest = startswith(gateway, p->t->gateway);
        return rest && *rest == '/' ? 0 : object_wants_add(&p->trees, id);
}

/* A fresh look at the references of the server, in a session that has not looked yet: it would see no new ones. */
static TransferResult look(Prefetch *p) {
        char *prefixes[] = { (char *) GIT_STORE_MAIN, (char *) STAGING_PREFIX, NULL };

        for (;;) {
                TransferResult result;
                PktStream *s;
                int r;

                p->main = (git_oid){};
                result = transfer_link_upload(&p->t->link, true, &s);
                if (result != TRANSFER_OK)
                        return result;
                r = upload_pack_list(s, prefixes, take_reference, p, &p->t->link.text);
                if (r < 0 && transfer_link_upload_died(&p->t->link, r))
                        continue;
                if (r < 0)
                        return transfer_link_upload_failed(&p->t->link, r);
                /* Opens while what was seen is fetched. */
                transfer_link_prepare_upload(&p->t->link);
                return TRANSFER_OK;
        }
}

static int want_entry(Prefetch *p, const StagingEntry *e, Wanted *wanted) {
        SyncOid group;

        if (!e->group)
                return transfer_want_file(p->t, &e->file, e->size, wanted);
        git_store_oid_to_sync(&group, &e->id);
        return transfer_want_group(p->t, &e->file, e->size, &group, e->offset, wanted);
}

static TransferResult flush_wanted(Prefetch *p, Wanted *wanted) {
        TransferResult result = transfer_content(p->t, wanted);

        wanted_done(wanted);
        *wanted = (Wanted){};
        return result;
}

static TransferResult place_tree(Prefetch *p, const git_oid *tree, Wanted *wanted) {
        _cleanup_free_ void *data = NULL;
        GitTreeReader reader;
        git_object_t type;
        GitTreeEntry e;
        SyncOid seen;
        size_t size;
        int r;

        r = git_store_read(p->t->store, tree, &type, &data, &size);
        if (r >= 0 && type != GIT_OBJECT_TREE)
                r = -EBADMSG;
        if (r < 0)
                return transfer_link_failure(&p->t->link, NULL, r);
        git_store_oid_to_sync(&seen, tree);
        content_mark_seen(&p->t->area, &seen);
        git_tree_reader_init(&reader, data, size);
        while ((r = git_tree_next(&reader, &e)) > 0) {
                StagingEntry entry;

                r = staging_entry_parse(&e, &entry);
                if (r < 0)
                        break;
                /* Twice: once more after what fits was fetched. */
                for (unsigned i = 0; i < 2; i++) {
                        r = want_entry(p, &entry, wanted);
                        if (r != -E2BIG)
                                break;
                        TransferResult result = flush_wanted(p, wanted);
                        if (result != TRANSFER_OK)
                                return result;
                }
                if (r < 0)
                        break;
        }
        return r < 0 ? transfer_link_failure(&p->t->link, NULL, r) : TRANSFER_OK;
}

/* Fetches what the new staging trees hold, one after the other: what was not asked for when this is to stop comes with
 * the commits. */
static TransferResult place_new(Prefetch *p) {
        Transfer *t = p->t;
        TransferResult result;

        result = transfer_fetch_trees(t, p->trees.ids + p->n_done, p->trees.n - p->n_done);
        for (; p->n_done < p->trees.n && result == TRANSFER_OK && t->progress(0, 0, t->userdata) >= 0; p->n_done++) {
                Wanted wanted = {};

                result = place_tree(p, p->trees.ids + p->n_done, &wanted);
                if (result == TRANSFER_OK && wanted.n_files > 0)
                        result = flush_wanted(p, &wanted);
                wanted_done(&wanted);
        }
        return result;
}

TransferResult transfer_prefetch(Transfer *t, const git_oid *known, unsigned patience_sec) {
        Prefetch p = { .t = t };
        TransferResult result = TRANSFER_OK;
        uint64_t quiet = now_usec(); /* since then nothing came */

        t->link.silence_msec = SILENCE_MSEC;
        look_pace_begin(&p.pace, quiet);
        while (t->progress(0, 0, t->userdata) >= 0) {
                uint64_t looked, said = bytes_said(&p), end;

                result = look(&p);
                if (result != TRANSFER_OK || !git_oid_equal(&p.main, known))
                        break;
                looked = now_usec();
                said = bytes_said(&p) - said;
                if (p.n_done < p.trees.n) {
                        uint64_t before = bytes_said(&p);

                        result = place_new(&p);
                        if (result != TRANSFER_OK)
                                break;
                        look_pace_found(&p.pace, looked, bytes_said(&p) - before);
                        quiet = now_usec();
                } else
                        look_pace_missed(&p.pace);
                end = quiet + look_pace_patience(&p.pace, UINT64_C(1000000) * patience_sec);
                if (looked >= end)
                        break;
                pause_until(t, MIN(looked + look_pace_interval(&p.pace, looked, said), end));
        }
        /* A fetch of trees ends when it is told to, and with it what it was for. */
        if (result == TRANSFER_LOCAL_ERROR && t->progress(0, 0, t->userdata) < 0)
                result = TRANSFER_OK;
        t->link.next_upload = transfer_link_close(&t->link, t->link.next_upload);
        t->link.upload = transfer_link_close(&t->link, t->link.upload);
        t->link.silence_msec = 0;
        object_wants_done(&p.trees);
        return result;
}
