/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instance's key: made by ssh-keygen, private to the instance's directory, and read by the transfer
 * worker alone. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/instance.h"
#include "syncd/repository.h"

#define SSH_KEYGEN "/usr/bin/ssh-keygen"
#define MAKING "key-making"
#define PUBLIC_KEY_MAX 256U
#define KEY_TIMEOUT_USEC (UINT64_C(60) * 1000000)

/* -ENOENT if there is none. */
static int read_public_key(Repository *r, const char *key, char **ret) {
        _cleanup_free_ char *path = strfmt("%s/%s.pub", r->directory, key), *text = NULL;
        size_t n;
        int k;

        if (!path)
                return -ENOMEM;
        k = read_file(AT_FDCWD, path, PUBLIC_KEY_MAX, &text, NULL);
        if (k < 0)
                return k;
        n = strlen(text);
        while (n > 0 && strchr(" \r\n", text[n - 1]))
                n--;
        text[n] = 0;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Gives the new key its name. The public half first: a private half without it is not taken for a key. */
static int install_key(Repository *r, const char *key) {
        _cleanup_free_ char *from = strfmt("%s/" MAKING, r->directory),
                            *to = strfmt("%s/%s", r->directory, key),
                            *from_pub = strfmt("%s/" MAKING ".pub", r->directory),
                            *to_pub = strfmt("%s/%s.pub", r->directory, key);

        if (!from || !to || !from_pub || !to_pub)
                return -ENOMEM;
        if (rename(from, to) < 0 || rename(from_pub, to_pub) < 0)
                return -errno;
        return 0;
}

static void on_key_made(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Repository *r = userdata;
        int k = -EIO;

        r->key_maker = worker_free(r->key_maker);
        if (worker_succeeded(si))
                k = install_key(r, r->key_maker_next ? INSTANCE_KEY_NEXT : INSTANCE_KEY);
        if (k < 0)
                (void) log_error_errno(k, "Failed to make a key for instance %u: %m", r->instance);
        else
                k = repository_check_keys(r);
        repository_step(r);
}

static int make_key(Repository *r, bool next) {
        _cleanup_free_ char *path = strfmt("%s/" MAKING, r->directory),
                            *pub = strfmt("%s/" MAKING ".pub", r->directory);
        char *argv[] = { (char *) SSH_KEYGEN, (char *) "-q", (char *) "-t", (char *) "ed25519",
                         (char *) "-N",       (char *) "",   (char *) "-C", (char *) "",
                         (char *) "-f",       path,          NULL };

        if (r->key_maker)
                return 0;
        if (!path || !pub)
                return -ENOMEM;
        /* What an interrupted making left would be asked about. */
        (void) unlink(path);
        (void) unlink(pub);
        r->key_maker_next = next;
        return worker_spawn(
                        &r->key_maker, NULL, r->environment->event, argv, KEY_TIMEOUT_USEC, on_key_made, r);
}

int repository_check_keys(Repository *r) {
        _cleanup_free_ char *current = NULL, *next = NULL;
        int k;

        k = read_public_key(r, INSTANCE_KEY, &current);
        if (k == -ENOENT)
                return r->facts.enabled ? make_key(r, false) : 0;
        if (k < 0)
                return k;
        if (r->rotate) {
                r->rotate = false;
                k = make_key(r, true);
                if (k < 0)
                        return k;
        }
        /* The one that is to be authorized. */
        k = read_public_key(r, INSTANCE_KEY_NEXT, &next);
        if (k < 0 && k != -ENOENT)
                return k;
        k = free_and_strdup(&r->public_key, next ?: current);
        if (k < 0)
                return k;
        r->facts.key_ready = true;
        sync_fsm_facts(&r->fsm, &r->facts);
        return 0;
}
