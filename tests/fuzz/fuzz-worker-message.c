/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One datagram from a worker. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/worker-message.h"
#include "tests/fuzz/fuzz.h"

static void check(int fds[static 2], char **message) {
        _cleanup_strv_free_ char **again = NULL;
        size_t n = strv_length(message);

        STRV_FOREACH(field, message) {
                const char *equals = strchr(*field, '=');
                _cleanup_free_ char *key = equals ? strndup(*field, (size_t) (equals - *field)) : NULL;

                if (key && (!worker_message_get(message, key) || !streq(worker_message_field(*field, key), equals + 1)))
                        abort();
        }
        if (n == 0 || worker_message_send(fds[0], message) < 0 || worker_message_receive(fds[1], &again) < 0 ||
            strv_length(again) != n)
                abort();
        for (size_t i = 0; i < n; i++)
                if (!streq(again[i], message[i]))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_strv_free_ char **message = NULL;
        int fds[2];

        if (size == 0 || size > WORKER_MESSAGE_MAX)
                return 0;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
            send(fds[0], data, size, MSG_NOSIGNAL) != (ssize_t) size)
                abort();
        if (worker_message_receive(fds[1], &message) >= 0)
                check(fds, message);
        close(fds[0]);
        close(fds[1]);
        return 0;
}
