/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/transfer-order.h"

#include <sys/socket.h>

#include "common/base/str.h"

void transfer_order_done(TransferOrder *o) {
        free(o->url);
        free(o->username);
        if (o->password)
                explicit_bzero(o->password, strlen(o->password));
        free(o->password);
        free(o->path);
        free(o->trusted_certificates);
        *o = (TransferOrder) {};
}

void transfer_result_done(TransferResult *r) {
        free(r->text);
        *r = (TransferResult) {};
}

static int send_message(int fd, WireWriter *w) {
        int r = wire_finish(w);
        if (r >= 0 && send(fd, w->data, w->size, MSG_NOSIGNAL) < 0)
                r = -errno;
        if (w->data)
                explicit_bzero(w->data, w->size);
        return r;
}

int transfer_order_send(int fd, const TransferOrder *o) {
        _cleanup_wire_writer_ WireWriter w = {};

        wire_put_u32(&w, o->upload);
        wire_put_string(&w, o->url);
        wire_put_string(&w, o->username);
        wire_put_string(&w, o->password);
        wire_put_string(&w, o->path);
        wire_put_string(&w, o->trusted_certificates);
        wire_put_u64(&w, o->file_size);
        wire_put_u64(&w, o->max_size);
        wire_put_u64(&w, o->disk_floor);
        return send_message(fd, &w);
}

int transfer_result_send(int fd, const TransferResult *r) {
        _cleanup_wire_writer_ WireWriter w = {};

        wire_put_u32(&w, r->fault_code);
        wire_put_string(&w, r->text);
        return send_message(fd, &w);
}

static ssize_t receive_message(int fd, char data[static TRANSFER_ORDER_MAX]) {
        ssize_t n = recv(fd, data, TRANSFER_ORDER_MAX, 0);
        return n < 0 ? (errno == ECONNRESET ? 0 : -errno) : n;
}

int transfer_order_receive(int fd, TransferOrder *ret) {
        _cleanup_transfer_order_ TransferOrder o = {};
        char data[TRANSFER_ORDER_MAX];

        ssize_t n = receive_message(fd, data);
        if (n <= 0)
                return (int) n;
        WireReader reader = { .data = data, .size = (size_t) n };
        o = (TransferOrder) {
                .upload = wire_get_u32(&reader),
                .url = wire_get_string(&reader),
                .username = wire_get_string(&reader),
                .password = wire_get_string(&reader),
                .path = wire_get_string(&reader),
                .trusted_certificates = wire_get_string(&reader),
                .file_size = wire_get_u64(&reader),
                .max_size = wire_get_u64(&reader),
                .disk_floor = wire_get_u64(&reader),
        };
        explicit_bzero(data, sizeof(data));
        int r = wire_reader_end(&reader);
        if (r < 0 || !o.url || !o.path)
                return r < 0 ? r : -EBADMSG;

        *ret = o;
        o = (TransferOrder) {};
        return 1;
}

int transfer_result_receive(int fd, TransferResult *ret) {
        char data[TRANSFER_ORDER_MAX];

        ssize_t n = receive_message(fd, data);
        if (n <= 0)
                return (int) n;
        WireReader reader = { .data = data, .size = (size_t) n };
        TransferResult r = { .fault_code = wire_get_u32(&reader), .text = wire_get_string(&reader) };
        int error = wire_reader_end(&reader);
        if (error < 0) {
                transfer_result_done(&r);
                return error;
        }

        *ret = r;
        return 1;
}
