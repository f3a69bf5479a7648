/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/channel.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"

void tls_ticket_done(TlsTicket *t) {
        if (t->data)
                explicit_bzero(t->data, t->size);
        free(t->data);
        *t = (TlsTicket) {};
}

void frame_done(Frame *f) {
        free(f->url);
        free(f->trusted_certificates);
        free(f->client_certificate);
        free(f->credentials.username);
        if (f->credentials.password)
                explicit_bzero(f->credentials.password, strlen(f->credentials.password));
        free(f->credentials.password);
        free(f->credentials.challenge);
        tls_ticket_done(&f->ticket);
        free(f->local_address);
        cwmp_message_free(f->message);
        free(f->error);
        *f = (Frame) {};
}

static int frame_encode(WireWriter *w, const Frame *f) {
        wire_put_u32(w, f->type);
        wire_put_string(w, f->url);
        wire_put_string(w, f->trusted_certificates);
        wire_put_string(w, f->client_certificate);
        wire_put_u32(w, f->basic_without_tls);
        wire_put_u32(w, f->clock_is_right);
        wire_put_u32(w, f->compress);
        wire_put_string(w, f->credentials.username);
        wire_put_string(w, f->credentials.password);
        wire_put_string(w, f->credentials.challenge);
        wire_put_u32(w, f->credentials.nonce_count);
        wire_put_bytes(w, f->ticket.data, f->ticket.size);
        wire_put_string(w, f->local_address);
        wire_put_string(w, f->error);
        wire_put_u32(w, !!f->message);
        if (f->message)
                cwmp_message_put(w, f->message);
        return wire_finish(w);
}

static TlsTicket get_ticket(WireReader *r) {
        TlsTicket t;

        t.data = wire_get_bytes(r, TLS_TICKET_MAX, &t.size);
        return t;
}

static int frame_decode(WireReader *r, Frame *ret) {
        _cleanup_frame_ Frame f = {
                .type = wire_get_u32(r),
                .url = wire_get_string(r),
                .trusted_certificates = wire_get_string(r),
                .client_certificate = wire_get_string(r),
                .basic_without_tls = wire_get_u32(r),
                .clock_is_right = wire_get_u32(r),
                .compress = wire_get_u32(r),
                .credentials.username = wire_get_string(r),
                .credentials.password = wire_get_string(r),
                .credentials.challenge = wire_get_string(r),
                .credentials.nonce_count = wire_get_u32(r),
                .ticket = get_ticket(r),
                .local_address = wire_get_string(r),
                .error = wire_get_string(r),
        };

        if (wire_get_u32(r))
                f.message = cwmp_message_get(r);
        int error = wire_reader_end(r);
        if (error < 0)
                return error;
        if (f.type >= FRAME_TYPE_MAX || (f.type == FRAME_MESSAGE) != !!f.message)
                return -EBADMSG;

        *ret = f;
        f = (Frame) {};
        return 0;
}

/* One byte of data goes along: a message without any could not be told from the end of the stream. */
static int send_descriptor(int socket_fd, int fd) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { .iov_base = (char[1]) {}, .iov_len = 1 };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
        return sendmsg(socket_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int channel_send(int fd, const Frame *f) {
        _cleanup_wire_writer_ WireWriter w = {};
        _cleanup_close_ int memory = -EBADF;

        int r = frame_encode(&w, f);
        if (r < 0)
                return r;
        if (w.size > CHANNEL_FRAME_MAX)
                return -EFBIG;

        memory = memfd_create("frame", MFD_CLOEXEC);
        if (memory < 0)
                return -errno;
        r = loop_write(memory, w.data, w.size);
        explicit_bzero(w.data, w.size);
        return r < 0 ? r : send_descriptor(fd, memory);
}

static int receive_descriptor(int socket_fd) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int fd;

        ssize_t n = recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        if (n == 0)
                return -EPIPE;

        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
                return -EBADMSG;
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
        return fd;
}

int channel_receive(int fd, Frame *ret) {
        _cleanup_close_ int memory = receive_descriptor(fd);
        _cleanup_free_ char *data = NULL;
        struct stat st;

        if (memory < 0)
                return memory == -EPIPE ? 0 : memory;
        if (fstat(memory, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        if (st.st_size > CHANNEL_FRAME_MAX)
                return -EFBIG;

        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;
        ssize_t n = pread(memory, data, (size_t) st.st_size, 0);
        if (n < 0)
                return -errno;

        WireReader reader = { .data = data, .size = (size_t) n };
        int r = frame_decode(&reader, ret);
        explicit_bzero(data, (size_t) n);
        return r < 0 ? r : 1;
}
