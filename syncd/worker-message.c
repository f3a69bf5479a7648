/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/parse.h"
#include "syncd/worker-message.h"

int worker_message_add(char ***message, const char *key, const char *value) {
        return strv_consume(message, strfmt("%s=%s", key, value));
}

int worker_message_addf(char ***message, const char *key, const char *format, ...) {
        _cleanup_free_ char *value = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&value, format, ap);
        va_end(ap);
        if (n < 0) {
                value = NULL;
                return -ENOMEM;
        }
        return worker_message_add(message, key, value);
}

const char *worker_message_field(const char *field, const char *key) {
        const char *rest = startswith(field, key);

        return rest && *rest == '=' ? rest + 1 : NULL;
}

const char *worker_message_get(char *const *message, const char *key) {
        STRV_FOREACH(field, message) {
                const char *value = worker_message_field(*field, key);

                if (value)
                        return value;
        }
        return NULL;
}

uint64_t worker_message_get_number(char *const *message, const char *key) {
        const char *value = worker_message_get(message, key);
        uint64_t n;

        return value && parse_uint64(value, &n) >= 0 ? n : 0;
}

int worker_message_send(int fd, char *const *message) {
        _cleanup_free_ char *buf = malloc(WORKER_MESSAGE_MAX);
        size_t size = 0;

        if (!buf)
                return -ENOMEM;
        STRV_FOREACH(field, message) {
                size_t n = strlen(*field) + 1;

                if (n > WORKER_MESSAGE_MAX - size)
                        return -EMSGSIZE;
                memcpy(buf + size, *field, n);
                size += n;
        }
        for (;;) {
                ssize_t n = send(fd, buf, size, MSG_NOSIGNAL);

                if (n >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static int receive(int fd, int flags, char ***ret) {
        _cleanup_free_ char *buf = malloc(WORKER_MESSAGE_MAX);
        _cleanup_strv_free_ char **message = NULL;
        ssize_t n;

        if (!buf)
                return -ENOMEM;
        do
                n = recv(fd, buf, WORKER_MESSAGE_MAX, flags);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        if (n == 0)
                return -EPIPE;
        if (buf[n - 1] != 0)
                return -EBADMSG;
        for (const char *p = buf; p < buf + n; p += strlen(p) + 1) {
                int r = strv_extend(&message, p);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(message);
        return 0;
}

int worker_message_receive(int fd, char ***ret) {
        return receive(fd, 0, ret);
}

int worker_message_peek(int fd, char ***ret) {
        return receive(fd, MSG_PEEK | MSG_DONTWAIT, ret);
}
