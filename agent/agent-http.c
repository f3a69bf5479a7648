/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two listeners answer. */
#include <fcntl.h>
#include <time.h>

#include "agent/agent-http.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define PATH_FILE "connection-request-path"

static int on_connection_request(const HttpGet *get, char **ret_response, size_t *ret_size, void *userdata) {
        Agent *a = userdata;
        char nonce[AGENT_RANDOM_SIZE], response[CONNECTION_REQUEST_RESPONSE_MAX];
        struct timespec now;

        int r = agent_random(nonce);
        if (r < 0)
                return r;
        if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
                return -errno;

        uint64_t usec = (uint64_t) now.tv_sec * 1000000U + (uint64_t) now.tv_nsec / 1000U;
        bool accepted = connection_requests_decide(a->connection_requests, get, usec, nonce, response);
        char *copy = strdup(response);
        if (!copy)
                return -ENOMEM;
        *ret_response = copy;
        *ret_size = strlen(copy);

        /* The session starts when this turn of the event loop is over, after the response (TR-069 3.2.2). */
        if (accepted)
                agent_add_event(a, INFORM_CONNECTION_REQUEST, NULL);
        /* Who was challenged answers on the same connection. */
        return startswith(response, "HTTP/1.1 401 ") != NULL;
}

/* The documents that SupportedDataModel names, and those that they import: all that is in the directory. */
static bool is_document_name(const char *name) {
        return name[0] != '.' && endswith(name, ".xml") &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == strlen(name);
}

static int on_document_request(const HttpGet *get, char **ret_response, size_t *ret_size, void *userdata) {
        static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        Agent *a = userdata;
        _cleanup_free_ char *path = NULL, *content = NULL, *response = NULL;
        size_t size;

        path = strfmt("%s/%s", a->config.document_directory, get->path + 1);
        if (!path)
                return -ENOMEM;
        int r = is_document_name(get->path + 1) ? read_file(AT_FDCWD, path, LISTENER_RESPONSE_MAX, &content, &size) :
                                                  -ENOENT;
        if (r == -ENOENT)
                return (*ret_response = strdup(not_found)) ? (*ret_size = strlen(not_found), 0) : -ENOMEM;
        if (r < 0)
                return r;

        response =
                        strfmt("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: "
                               "%zu\r\nConnection: close\r\n\r\n%s",
                               size,
                               content);
        if (!response)
                return -ENOMEM;
        *ret_size = strlen(response);
        *ret_response = TAKE_PTR(response);
        return 0;
}

/* TR-069 3.2.2: the path should be random and unique to the device; it stays the same over restarts. */
static int load_path(Agent *a) {
        _cleanup_free_ char *file = agent_state_path(a, PATH_FILE), *known = NULL;
        char random[AGENT_RANDOM_SIZE];

        if (!file)
                return -ENOMEM;
        int r = read_file(AT_FDCWD, file, PARAMETER_NAME_MAX, &known, NULL);
        if (r >= 0 && known[0] == '/') {
                a->connection_request_path = TAKE_PTR(known);
                return 0;
        }

        r = agent_random(random);
        if (r < 0)
                return r;
        a->connection_request_path = strfmt("/%s", random);
        if (!a->connection_request_path)
                return -ENOMEM;
        return write_file_atomic(AT_FDCWD, file, a->connection_request_path, strlen(a->connection_request_path), 0600);
}

int agent_http_setup(Agent *a) {
        int r = load_path(a);
        if (r >= 0)
                r = connection_requests_new(&a->connection_requests, a->connection_request_path);
        return r < 0 ? log_error_errno(r, "Cannot make the connection request's path: %m") : 0;
}

int agent_http_listen(Agent *a) {
        const AgentConfig *c = &a->config;

        int r = listener_new(&a->connection_request_listener, a->event, c->connection_request_address,
                             c->connection_request_interface, CONNECTION_REQUEST_PORT, on_connection_request, a);
        if (r < 0)
                return log_error_errno(r, "Cannot listen for connection requests: %m");
        r =
                        listener_new(&a->document_listener,
                                     a->event,
                                     c->connection_request_address,
                                     c->connection_request_interface,
                                     DOCUMENT_PORT,
                                     on_document_request,
                                     a);
        return r < 0 ? log_error_errno(r, "Cannot listen for requests of documents: %m") : 0;
}
