/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <curl/curl.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/admin/client.h"

typedef struct Buffer {
        char *data;
        size_t size;
} Buffer;

static size_t on_data(char *data, size_t one, size_t size, void *userdata) {
        Buffer *b = userdata;
        char *grown;

        if (b->size + size > RESPONSE_MAX)
                return 0;
        grown = realloc(b->data, b->size + size);
        if (!grown)
                return 0;
        memcpy(grown + b->size, data, size);
        b->data = grown;
        b->size += size;
        return size;
}

static int perform(
                CURL *curl,
                const char *socket,
                const char *method,
                const char *url,
                const char *body,
                Buffer *b) {
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        CURLcode rc;

        if (!headers)
                return -ENOMEM;
        (void) curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
        (void) curl_easy_setopt(curl, CURLOPT_URL, url);
        (void) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void) curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
        (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, b);
        if (body)
                (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        rc = curl_easy_perform(curl);
        curl_slist_free_all(headers);
        return rc == CURLE_OK ? 0 : -ECONNREFUSED;
}

int client_request(
                const char *socket,
                const char *method,
                const char *path,
                const json_t *body,
                long *ret_status,
                json_t **ret) {
        _cleanup_free_ char *url = strfmt("http://frontend%s", path), *text = NULL;
        Buffer b = {};
        json_t *answer = NULL;
        CURL *curl = curl_easy_init();
        long status = 0;
        int r = -ENOMEM;

        text = body ? json_dumps(body, JSON_COMPACT) : NULL;
        if (curl && url && (text || !body))
                r = perform(curl, socket, method, url, text, &b);
        if (curl) {
                (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
                curl_easy_cleanup(curl);
        }
        if (r >= 0 && b.size > 0) {
                answer = json_loadb(b.data, b.size, 0, NULL);
                r = answer ? 0 : -EBADMSG;
        }
        free(b.data);
        if (r < 0)
                return r;
        *ret_status = status;
        *ret = answer;
        return 0;
}

typedef struct Download {
        CURL *curl;
        int fd;
        Buffer error; /* the body of an answer that is none */
} Download;

static size_t on_download(char *data, size_t one, size_t size, void *userdata) {
        Download *d = userdata;
        long status = 0;

        (void) curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
                return on_data(data, one, size, &d->error);
        return loop_write(d->fd, data, size) < 0 ? 0 : size;
}

int client_download(const char *socket, const char *path, int fd, long *ret_status, json_t **ret) {
        _cleanup_free_ char *url = strfmt("http://frontend%s", path);
        Download d = { .curl = curl_easy_init(), .fd = fd };
        CURLcode rc = CURLE_OUT_OF_MEMORY;

        if (d.curl && url) {
                (void) curl_easy_setopt(d.curl, CURLOPT_UNIX_SOCKET_PATH, socket);
                (void) curl_easy_setopt(d.curl, CURLOPT_URL, url);
                (void) curl_easy_setopt(d.curl, CURLOPT_NOPROXY, "*");
                (void) curl_easy_setopt(d.curl, CURLOPT_WRITEFUNCTION, on_download);
                (void) curl_easy_setopt(d.curl, CURLOPT_WRITEDATA, &d);
                rc = curl_easy_perform(d.curl);
                (void) curl_easy_getinfo(d.curl, CURLINFO_RESPONSE_CODE, ret_status);
        }
        curl_easy_cleanup(d.curl);
        *ret = d.error.size > 0 ? json_loadb(d.error.data, d.error.size, 0, NULL) : NULL;
        free(d.error.data);
        return rc == CURLE_OK ? 0 : rc == CURLE_COULDNT_CONNECT ? -ECONNREFUSED : -EPIPE;
}

char *client_escape(const char *element) {
        char *escaped = curl_easy_escape(NULL, element, 0), *copy = escaped ? strdup(escaped) : NULL;

        curl_free(escaped);
        return copy;
}
