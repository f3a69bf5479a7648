/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending a push: batches on staging refs, two sessions at a time, and the last push that makes all of it
 * main. */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/push-internal.h"

void push_done(Push *p) {
        p->awaiting = transfer_link_close(&p->t->link, p->awaiting);
        p->session = transfer_link_close(&p->t->link, p->session);
        push_source_done(&p->source);
        object_map_done(&p->staged);
        object_map_done(&p->used);
}

int push_progress(Push *p) {
        int r = p->t->progress(p->done, p->total, p->t->userdata);

        p->stop |= r == -ECANCELED;
        return r == -ECANCELED ? 0 : r;
}

TransferResult push_failure(Push *p, SshSession *session, int error, const PushFile *file) {
        bool unreadable = (error == -EACCES || error == -EPERM || error == -EIO || error == -EKEYREJECTED) && file;
        const char *why = error == -EKEYREJECTED ? "it is part of a collision attack on SHA-1" : strerror(-error);

        if (error != -ESTALE && !unreadable)
                return transfer_link_failure(&p->t->link, session, error);
        (void) free_and_strdup(&p->outcome->path, file ? file->path : NULL);
        p->outcome->version = file ? file->oid : (SyncOid) {};
        (void) free_and_strdup(&p->t->link.text, unreadable ? why : "it changed while it was sent");
        /* Without a snapshot, and with a file that cannot be read, the rest need not wait for it. */
        return unreadable ? TRANSFER_REFUSED : TRANSFER_CHANGED;
}

static int take_reference(const char *name, const git_oid *id, void *userdata) {
        Push *p = userdata;
        const char *rest;

        if (!name) {
                p->server_main = (git_oid){};
                return 0;
        }
        if (streq(name, GIT_STORE_MAIN))
                p->server_main = *id;
        rest = startswith(name, STAGING_PREFIX);
        rest = rest ? startswith(rest, p->t->gateway) : NULL;
        if (rest && *rest == '/')
                return object_map_add(&p->staged, id, 0);
        return 0;
}

TransferResult push_open(Push *p, bool *ret_landed) {
        TransferResult result;
        SshSession *session;

        result = transfer_link_receive(&p->t->link, take_reference, p, &session, &p->fresh);
        if (result != TRANSFER_OK)
                return result;
        *ret_landed = git_oid_equal(&p->server_main, p->candidate);
        if (*ret_landed || (p->fresh && !git_oid_equal(&p->server_main, p->known))) {
                (void) pkt_write_special(ssh_session_stream(session), PKT_FLUSH);
                (void) pkt_flush(ssh_session_stream(session));
                (void) transfer_link_close(&p->t->link, session);
                return *ret_landed ? TRANSFER_OK : TRANSFER_NON_FAST_FORWARD;
        }
        p->session = session;
        return TRANSFER_OK;
}

/* The session for the next push. */
static TransferResult take_session(Push *p, SshSession **ret) {
        bool fresh;

        if (!p->session)
                return transfer_link_receive(&p->t->link, take_reference, p, ret, &fresh);
        *ret = TAKE_PTR(p->session);
        return TRANSFER_OK;
}

typedef struct ObjectSearch {
        const git_oid *id;
        char *path;
        SyncOid version;
} ObjectSearch;

static int compare_found(const PushFound *found, void *userdata) {
        ObjectSearch *search = userdata;

        if (!git_oid_equal(&found->id, search->id))
                return 0;
        search->path = *found->path ? strdup(found->path) : NULL;
        if (push_kind_is_content(found->kind) || found->kind == PUSH_GROUP)
                search->version = found->file;
        return 1;
}

/* What the commit brought. 1 if the object is among it, 0 or a negative errno. */
static int find_in_commit(
                Push *p, const git_oid *commit, const git_oid *parent, ObjectMap *visited, ObjectSearch *search) {

        GitStore *store = p->t->store;
        git_oid tree, older = {};
        int r;

        r = git_store_commit_tree(store, commit, &tree);
        if (r >= 0 && !git_oid_is_zero(parent))
                r = git_store_commit_tree(store, parent, &older);
        return r < 0 ? r : push_walk(store, &tree, &older, visited, compare_found, search);
}

/* Where in the folder the object is, or was, that the server's fsck refused. */
static void find_poison(Push *p, const git_oid *id) {
        _cleanup_(object_map_done) ObjectMap visited = {};
        ObjectSearch search = { .id = id };
        git_oid at = *p->candidate, parent;

        while (!git_oid_is_zero(id) && !git_oid_is_zero(&at) && !git_oid_equal(&at, p->known)) {
                if (git_store_commit_parent(p->t->store, &at, &parent) < 0 ||
                    find_in_commit(p, &at, &parent, &visited, &search) != 0)
                        break;
                at = parent;
        }
        free(p->outcome->path);
        p->outcome->path = search.path;
        p->outcome->version = search.version;
}

/* Reads how the push on this session ended, and closes it. */
static TransferResult read_report(Push *p, SshSession *session) {
        _cleanup_free_ PushReport *report = malloc(sizeof(*report));
        TransferLink *l = &p->t->link;
        TransferResult result;
        git_oid object = {};
        int r;

        r = report ? receive_pack_report(ssh_session_stream(session), report, &l->text) : -ENOMEM;
        if (r < 0)
                result = transfer_link_failure(l, session, r);
        else
                result = push_report_judge(report, &l->text, &object);
        find_poison(p, &object);
        (void) transfer_link_close(l, session);
        return result;
}

TransferResult push_settle(Push *p) {
        return p->awaiting ? read_report(p, TAKE_PTR(p->awaiting)) : TRANSFER_OK;
}

static int write_stream(const void *data, size_t size, void *userdata) {
        return pkt_write_raw(userdata, data, size);
}

static int send_items(Push *p, const PushList *l, PackWriter *w, const PushFile **ret_file) {
        for (size_t i = 0; i < l->n; i++) {
                const PushItem *item = l->items + i;
                int r = push_item_write(l, item, p->t->store, &p->source, w);

                if (r < 0) {
                        if (push_kind_is_content(item->kind))
                                *ret_file = l->files + item->file;
                        return r;
                }
                if (push_kind_is_content(item->kind)) {
                        p->done += item->length;
                        r = push_progress(p);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* Sends commands and a pack: the list, and the trees of a batch if staging is not NULL. Without it, nothing counts
 * before the end of the pack, which waits for the report of the batch before: *ret_settled is what that says, and
 * -ECANCELED is returned if it is not TRANSFER_OK. */
static int send_push(
                Push *p,
                SshSession *session,
                const PushCommand *commands,
                size_t n_commands,
                const PushList *l,
                const PushStaging *staging,
                TransferResult *ret_settled,
                const PushFile **ret_file) {

        _cleanup_(pack_writer_freep) PackWriter *w = NULL;
        PktStream *s = ssh_session_stream(session);
        int r;

        r = receive_pack_command(s, commands, n_commands);
        if (r >= 0)
                r = pack_writer_new(&w, (uint32_t) (l->n + (staging ? staging->n_trees : 0)), write_stream, s);
        for (size_t i = 0; r >= 0 && staging && i < staging->n_trees; i++)
                r = pack_writer_add(w, GIT_OBJECT_TREE, staging->trees[i].data, staging->trees[i].size);
        if (r >= 0)
                r = send_items(p, l, w, ret_file);
        if (r >= 0 && !staging) {
                r = pkt_flush(s);
                *ret_settled = push_settle(p);
                if (*ret_settled != TRANSFER_OK)
                        return -ECANCELED;
        }
        if (r >= 0)
                r = pack_writer_finish(w);
        return r < 0 ? r : pkt_flush(s);
}

/* The server may refuse before it has read all: then its report says why. */
static TransferResult sending_failed(Push *p, SshSession *session, int error, const PushFile *file) {
        TransferResult result;

        if (error == -EPIPE || error == -ECONNRESET) {
                _cleanup_free_ PushReport *report = malloc(sizeof(*report));
                git_oid object;

                if (report &&
                    receive_pack_report(ssh_session_stream(session), report, &p->t->link.text) >= 0) {
                        result = push_report_judge(report, &p->t->link.text, &object);
                        if (result != TRANSFER_OK) {
                                find_poison(p, &object);
                                (void) transfer_link_close(&p->t->link, session);
                                return result;
                        }
                }
        }
        result = push_failure(p, session, error, file);
        (void) transfer_link_close(&p->t->link, session);
        return result;
}

static uint64_t content_of(const PushList *l) {
        uint64_t n = 0;

        for (size_t i = 0; i < l->n; i++)
                if (push_kind_is_content(l->items[i].kind))
                        n += l->items[i].length;
        return n;
}

TransferResult push_send_batch(Push *p, PushList *batch) {
        char name[STAGING_NAME_MAX];
        PushCommand command = { .name = name };
        _cleanup_(push_staging_done) PushStaging staging = {};
        TransferResult result;
        const PushFile *file = NULL;
        SshSession *session;
        int r;

        r = push_staging_make(&staging, batch);
        if (r < 0)
                return transfer_link_failure(&p->t->link, NULL, r);
        command.new = staging.id;
        r = object_map_add(&p->used, &command.new, 0);
        if (r < 0)
                return transfer_link_failure(&p->t->link, NULL, r);
        if (object_map_find(&p->staged, &command.new, NULL)) {
                p->done += content_of(batch);
                return TRANSFER_OK;
        }
        staging_reference_name(p->t->gateway, &command.new, name);
        result = p->settle_first ? push_settle(p) : TRANSFER_OK;
        if (result == TRANSFER_OK)
                result = take_session(p, &session);
        if (result != TRANSFER_OK)
                return result;
        /* Opens while this one is sent. */
        transfer_link_prepare_receive(&p->t->link);
        r = send_push(p, session, &command, 1, batch, &staging, NULL, &file);
        if (r < 0)
                return sending_failed(p, session, r, file);
        /* The server works on the batch before while this one is under way. */
        result = push_settle(p);
        p->awaiting = session;
        r = object_map_add(&p->staged, &command.new, 0);
        if (result == TRANSFER_OK && p->stop)
                result = push_settle(p);
        if (result != TRANSFER_OK || r < 0)
                return result != TRANSFER_OK ? result : TRANSFER_LOCAL_ERROR;
        return p->stop ? TRANSFER_STOPPED : TRANSFER_OK;
}

/* Main, and the removal of the staging refs that nothing is left for. names has room for all. */
static size_t make_commands(Push *p, PushCommand *commands, char (*names)[STAGING_NAME_MAX]) {
        size_t n = 0;

        commands[n++] = (PushCommand){ .name = GIT_STORE_MAIN, .old = *p->known, .new = *p->candidate };
        for (size_t i = 0; i < p->staged.n_slots; i++) {
                const git_oid *tree = &p->staged.slots[i].id;

                if (git_oid_is_zero(tree) || (!p->last && !object_map_find(&p->used, tree, NULL)))
                        continue;
                staging_reference_name(p->t->gateway, tree, names[n]);
                commands[n] = (PushCommand){ .name = names[n], .old = *tree };
                n++;
        }
        return n;
}

TransferResult push_send_final(Push *p, PushList *rest) {
        _cleanup_free_ PushCommand *commands = calloc(p->staged.n + 1, sizeof(*commands));
        char(*names)[STAGING_NAME_MAX] = calloc(p->staged.n + 1, sizeof(*names));
        TransferResult result, settled = TRANSFER_OK;
        const PushFile *file = NULL;
        SshSession *session;
        int r;

        result = take_session(p, &session);
        if (result == TRANSFER_OK && (!commands || !names)) {
                (void) transfer_link_close(&p->t->link, session);
                result = TRANSFER_LOCAL_ERROR;
        }
        if (result == TRANSFER_OK) {
                r = send_push(p, session, commands, make_commands(p, commands, names), rest, NULL, &settled, &file);
                if (settled != TRANSFER_OK) {
                        (void) transfer_link_close(&p->t->link, session);
                        result = settled;
                } else
                        result = r < 0 ? sending_failed(p, session, r, file) : read_report(p, session);
        }
        free(names);
        return result;
}
