/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/instance.h"
#include "syncd/side-band.h"
#include "syncd/transfer-link.h"
#include "syncd/upload-pack.h"

#define UPLOAD_PACK "git-upload-pack"
#define RECEIVE_PACK "git-receive-pack"
/* A session that died while it waited is found dead within this. */
#define DEATH_USEC UINT64_C(5000000)

static void count(const SshSession *session, uint64_t *sent, uint64_t *received) {
        const PktStream *s = session ? ssh_session_stream((SshSession *) (uintptr_t) session) : NULL;

        if (!s)
                return;
        *sent += s->sent;
        *received += s->received;
}

SshSession *transfer_link_close(TransferLink *l, SshSession *session) {
        count(session, &l->sent, &l->received);
        return ssh_session_free(session);
}

void transfer_link_done(TransferLink *l) {
        l->upload = transfer_link_close(l, l->upload);
        l->next_upload = transfer_link_close(l, l->next_upload);
        l->receive = transfer_link_close(l, l->receive);
        l->text = mfree(l->text);
}

void transfer_link_count(const TransferLink *l, uint64_t *ret_sent, uint64_t *ret_received) {
        *ret_sent = l->sent;
        *ret_received = l->received;
        count(l->upload, ret_sent, ret_received);
        count(l->next_upload, ret_sent, ret_received);
        count(l->receive, ret_sent, ret_received);
}

static bool has_next_key(const TransferLink *l) {
        _cleanup_free_ char *path = strfmt("%s/" INSTANCE_KEY_NEXT, l->directory);

        return path && access(path, R_OK) >= 0;
}

/* The private half goes last: until then the next try does it again. */
static int adopt_next_key(TransferLink *l) {
        _cleanup_free_ char *from = strfmt("%s/" INSTANCE_KEY_NEXT, l->directory),
                            *to = strfmt("%s/" INSTANCE_KEY, l->directory),
                            *from_pub = strfmt("%s.pub", strempty(from)),
                            *to_pub = strfmt("%s.pub", strempty(to));

        if (!from || !to || !from_pub || !to_pub)
                return -ENOMEM;
        if (rename(from_pub, to_pub) < 0 && errno != ENOENT)
                return -errno;
        if (rename(from, to) < 0)
                return -errno;
        l->next_key = true;
        return 0;
}

static char *control_path_of(const TransferLink *l, const char *key) {
        return strfmt("%s-%s", l->control_path, key);
}

static int start(TransferLink *l, const char *key, const char *service, SshSession **ret) {
        _cleanup_free_ char *key_path = strfmt("%s/%s", l->directory, key),
                            *known_hosts = strfmt("%s/" INSTANCE_KNOWN_HOSTS, l->directory),
                            *control = control_path_of(l, key);
        SshTarget target = {
                .url = l->url,
                .key_path = key_path,
                .known_hosts_path = known_hosts,
                .control_path = *l->control_path ? control : NULL,
                .background = l->background,
                .aes = ssh_processor_has_aes(),
        };
        int r;

        if (!key_path || !known_hosts || !control)
                return -ENOMEM;
        r = ssh_session_new(ret, &target, service);
        if (r < 0)
                return r;
        ssh_session_stream(*ret)->limit_in = l->limit_in;
        ssh_session_stream(*ret)->limit_out = l->limit_out;
        if (l->silence_msec > 0)
                ssh_session_stream(*ret)->silence_msec = l->silence_msec;
        return 0;
}

TransferResult transfer_link_failure(TransferLink *l, SshSession *session, int error) {
        switch (error) {
        case -EREMOTEIO:
                return TRANSFER_REFUSED;
        case -EBADMSG:
        case -E2BIG:
                return TRANSFER_PROTOCOL_ERROR;
        case -EXDEV:
                return TRANSFER_HISTORY_REWRITTEN;
        case -EPIPE:
        case -ECONNRESET:
        case -ETIMEDOUT: {
                TransferResult result;

                l->text = mfree(l->text);
                result = ssh_session_failure(session, error, &l->text);
                if (l->text)
                        side_band_set_text(&l->text, l->text, strlen(l->text));
                return result;
        }
        default:
                free(l->text);
                l->text = strdup(strerror(-error));
                return error == -ENOSPC || error == -EDQUOT ? TRANSFER_DISK_FULL : TRANSFER_LOCAL_ERROR;
        }
}

/* What the server says first. */
typedef struct Greeting {
        const char *service;
        ReceivePackReferenceHandler handler;
        void *userdata;
} Greeting;

static int read_greeting(TransferLink *l, PktStream *s, const Greeting *g) {
        int r;

        if (streq(g->service, UPLOAD_PACK))
                return upload_pack_begin(s, &l->text);
        r = g->handler(NULL, NULL, g->userdata);
        return r < 0 ? r : receive_pack_begin(s, g->handler, g->userdata, &l->text);
}

static TransferResult open_with_key(TransferLink *l, const char *key, const Greeting *g, SshSession **ret) {
        _cleanup_free_ char *control = control_path_of(l, key);
        TransferResult result = TRANSFER_LOCAL_ERROR;
        SshSession *session;
        int r;

        l->text = mfree(l->text);
        r = control ? start(l, key, g->service, &session) : -ENOMEM;
        if (r < 0)
                return TRANSFER_LOCAL_ERROR;
        r = read_greeting(l, ssh_session_stream(session), g);
        if (r >= 0) {
                *ret = session;
                return TRANSFER_OK;
        }
        result = transfer_link_failure(l, session, r);
        (void) transfer_link_close(l, session);
        /* The shared connection may be older than the key's authorization: the next try opens one of its
         * own. */
        if ((result == TRANSFER_REFUSED || result == TRANSFER_AUTHENTICATION_FAILED) && *l->control_path)
                (void) unlink(control);
        return result;
}

static TransferResult open_session(TransferLink *l, const Greeting *g, SshSession **ret) {
        TransferResult result;

        if (has_next_key(l)) {
                result = open_with_key(l, INSTANCE_KEY_NEXT, g, ret);
                if (result == TRANSFER_OK && adopt_next_key(l) < 0) {
                        *ret = transfer_link_close(l, *ret);
                        return TRANSFER_LOCAL_ERROR;
                }
                if (result != TRANSFER_AUTHENTICATION_FAILED)
                        return result;
        }
        return open_with_key(l, INSTANCE_KEY, g, ret);
}

static void close_upload(TransferLink *l) {
        l->upload = transfer_link_close(l, l->upload);
}

void transfer_link_prepare_upload(TransferLink *l) {
        if (!l->next_upload && !has_next_key(l) && start(l, INSTANCE_KEY, UPLOAD_PACK, &l->next_upload) < 0)
                l->next_upload = NULL;
}

static bool take_next_upload(TransferLink *l) {
        SshSession *session = TAKE_PTR(l->next_upload);

        if (session && !has_next_key(l) &&
            read_greeting(l, ssh_session_stream(session), &(Greeting){ .service = UPLOAD_PACK }) >= 0)
                l->upload = session;
        else
                (void) transfer_link_close(l, session);
        return l->upload;
}

TransferResult transfer_link_upload(TransferLink *l, bool fresh, PktStream **ret) {
        /* A new key is to be tried as soon as there is one. */
        if (fresh || has_next_key(l))
                close_upload(l);
        l->upload_reused = l->upload || take_next_upload(l) ? rate_clock_monotonic.now(NULL) : 0;
        if (!l->upload) {
                TransferResult result = open_session(l, &(Greeting){ .service = UPLOAD_PACK }, &l->upload);

                if (result != TRANSFER_OK)
                        return result;
        }
        *ret = ssh_session_stream(l->upload);
        return TRANSFER_OK;
}

bool transfer_link_upload_died(const TransferLink *l, int error) {
        return (error == -EPIPE || error == -ECONNRESET) && l->upload_reused > 0 &&
                        rate_clock_monotonic.now(NULL) - l->upload_reused < DEATH_USEC;
}

TransferResult transfer_link_upload_failed(TransferLink *l, int error) {
        TransferResult result = transfer_link_failure(l, l->upload, error);

        if (error == -E2BIG)
                (void) free_and_strdup(&l->text, "the server sends more than a gateway takes");
        close_upload(l);
        return result;
}

void transfer_link_prepare_receive(TransferLink *l) {
        if (!l->receive && !has_next_key(l) && start(l, INSTANCE_KEY, RECEIVE_PACK, &l->receive) < 0)
                l->receive = NULL;
}

TransferResult transfer_link_receive(
                TransferLink *l,
                ReceivePackReferenceHandler handler,
                void *userdata,
                SshSession **ret,
                bool *ret_fresh) {
        Greeting greeting = { .service = RECEIVE_PACK, .handler = handler, .userdata = userdata };

        *ret_fresh = true;
        if (l->receive && !has_next_key(l)) {
                SshSession *session = TAKE_PTR(l->receive);

                l->text = mfree(l->text);
                if (read_greeting(l, ssh_session_stream(session), &greeting) >= 0) {
                        *ret = session;
                        *ret_fresh = false;
                        return TRANSFER_OK;
                }
                (void) transfer_link_close(l, session);
        }
        l->receive = transfer_link_close(l, l->receive);
        return open_session(l, &greeting, ret);
}
