/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/daemon/worker.h"
#include "operator/common/repository-program.h"
#include "operator/frontend/api-export.h"

/* A packet of the program's. */
#define PACKET_SIZE 32768U
#define EXPORT_TIMEOUT_USEC (6 * 3600 * 1000000ULL)

struct Export {
        Manager *manager;
        ApiServer *server;
        struct MHD_Connection *connection;
        Worker *worker; /* NULL: it has ended */
        int exit_status;
        int socket;
        sd_event_source *io_source; /* on while the connection is suspended */
        bool suspended;
        size_t at, size; /* what is left of the packet */
        char packet[PACKET_SIZE];
};

static void wake(Export *e) {
        if (!e->suspended)
                return;
        e->suspended = false;
        (void) sd_event_source_set_enabled(e->io_source, SD_EVENT_OFF);
        MHD_resume_connection(e->connection);
        api_server_wake(e->server);
}

static void suspend(Export *e) {
        if (e->suspended)
                return;
        e->suspended = true;
        /* At the end the socket is always readable: then only the exit is waited for. */
        if (e->io_source)
                (void) sd_event_source_set_enabled(e->io_source, SD_EVENT_ON);
        MHD_suspend_connection(e->connection);
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        wake(userdata);
        return 0;
}

static void on_export_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        Export *e = userdata;

        e->exit_status = si->si_code == CLD_EXITED ? si->si_status : EXIT_FAILURE;
        e->worker = worker_free(e->worker);
        wake(e);
}

/* 1 if there is content, 0 at the end, -EAGAIN. */
static int fill(Export *e) {
        ssize_t n;

        if (e->at < e->size)
                return 1;
        n = recv(e->socket, e->packet, sizeof(e->packet), MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN ? -EAGAIN : -errno;
        e->at = 0;
        e->size = (size_t) n;
        return n > 0;
}

/* The source fires without end when the other side is closed. */
static int wait_for_exit(Export *e) {
        e->io_source = sd_event_source_disable_unref(e->io_source);
        suspend(e);
        return -EAGAIN;
}

static ssize_t on_read(void *userdata, uint64_t position, char *buffer, size_t max) {
        Export *e = userdata;
        int r = fill(e);
        size_t n;

        if (r == -EAGAIN) {
                suspend(e);
                return 0;
        }
        if (r == 0 && e->worker) {
                (void) wait_for_exit(e);
                return 0;
        }
        if (r == 0 && e->exit_status == EXIT_SUCCESS)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (r <= 0)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        n = MIN(max, e->size - e->at);
        memcpy(buffer, e->packet + e->at, n);
        e->at += n;
        return (ssize_t) n;
}

int export_start(
                Export **ret,
                Manager *m,
                ApiServer *server,
                struct MHD_Connection *connection,
                const ExportRequest *q) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_free_ char *directory = NULL;
        Export *e;
        int r;

        if (m->n_exports >= EXPORTS_MAX)
                return -EAGAIN;
        r = store_subscription_load(m->db, q->subscription, &s);
        if (r < 0)
                return r;
        directory = strfmt("%s/%s.git", m->config->repositories, s->name);
        e = calloc(1, sizeof(*e));
        if (!directory || !e) {
                free(e);
                return -ENOMEM;
        }
        *e = (Export){ .manager = m, .server = server, .connection = connection, .socket = -EBADF };
        m->n_exports++;
        char *argv[] = {
                m->config->repository_command, (char *) "export",          directory,
                (char *) strempty(q->version), (char *) strempty(q->path), NULL,
        };

        r = worker_spawn(&e->worker, &e->socket, m->event, argv, EXPORT_TIMEOUT_USEC, on_export_exit, e);
        if (r >= 0)
                r = sd_event_add_io(m->event, &e->io_source, e->socket, EPOLLIN, on_readable, e);
        if (r < 0) {
                (void) export_free(e);
                return r;
        }
        suspend(e);
        *ret = e;
        return 0;
}

int export_respond(Export *e, enum MHD_Result *ret) {
        struct MHD_Response *response;
        int r = fill(e);

        if (r == 0 && e->worker) {
                *ret = MHD_YES;
                (void) wait_for_exit(e);
                return 0;
        }
        if (r == -EAGAIN) {
                *ret = MHD_YES;
                suspend(e);
                return 0;
        }
        if (r <= 0)
                return e->exit_status == REPOSITORY_NOT_FOUND ? -ENOENT : -EIO;
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PACKET_SIZE, on_read, e, NULL);
        if (!response)
                return -ENOMEM;
        (void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-tar");
        *ret = MHD_queue_response(e->connection, MHD_HTTP_OK, response);
        MHD_destroy_response(response);
        return 0;
}

Export *export_free(Export *e) {
        if (!e)
                return NULL;
        e->manager->n_exports--;
        e->io_source = sd_event_source_disable_unref(e->io_source);
        if (e->suspended)
                wake(e);
        (void) worker_free(e->worker);
        (void) safe_close(e->socket);
        return mfree(e);
}
