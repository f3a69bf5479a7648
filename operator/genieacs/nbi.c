/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/common/curl-loop.h"
#include "operator/genieacs/nbi.h"

typedef struct Lane {
        NbiRequest *first, *last; /* wait for their turn */
        unsigned n_running, n_running_max;
} Lane;

struct NbiRequest {
        Nbi *nbi;
        Lane *lane;
        NbiRequest *previous, *next; /* among those that wait for their turn */
        CURL *easy;
        char *body;
        char *answer;
        size_t size, allocated;
        NbiHandler handler;
        void *userdata;
        bool is_waiting : 1;
        bool is_too_large : 1;
};

struct Nbi {
        CurlLoop *loop;
        sd_event_source *start_source;
        char *url, *ca_file;
        /* Devices that do not answer are asked again and again: they have a share of their own. */
        Lane work, ask;
        bool is_silent; /* it did not answer the last request; that is in the log */
};

static void append(NbiRequest *r) {
        Lane *l = r->lane;

        r->is_waiting = true;
        r->previous = l->last;
        *(l->last ? &l->last->next : &l->first) = r;
        l->last = r;
}

static void unlink_waiting(NbiRequest *r) {
        Lane *l = r->lane;

        *(r->previous ? &r->previous->next : &l->first) = r->next;
        *(r->next ? &r->next->previous : &l->last) = r->previous;
        r->previous = r->next = NULL;
        r->is_waiting = false;
}

static NbiRequest *request_free(NbiRequest *r) {
        if (!r)
                return NULL;
        if (r->easy)
                curl_easy_cleanup(r->easy);
        free(r->body);
        free(r->answer);
        free(r);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(NbiRequest *, request_free);

/* The next request whose turn it is, or NULL. */
static NbiRequest *next_request(Nbi *n) {
        if (n->work.first && n->work.n_running < n->work.n_running_max)
                return n->work.first;
        return n->ask.n_running < n->ask.n_running_max ? n->ask.first : NULL;
}

static void schedule(Nbi *n) {
        if (next_request(n))
                (void) sd_event_source_set_enabled(n->start_source, SD_EVENT_ONESHOT);
}

NbiRequest *nbi_cancel(NbiRequest *r) {
        Nbi *n;

        if (!r)
                return NULL;
        n = r->nbi;
        if (r->is_waiting)
                unlink_waiting(r);
        else {
                curl_loop_cancel(n->loop, TAKE_PTR(r->easy));
                r->lane->n_running--;
        }
        schedule(n);
        return request_free(r);
}

static void finish(NbiRequest *r, long status) {
        json_auto_t *body = r->size > 0 ? json_loadb(r->answer, r->size, 0, NULL) : NULL;
        NbiHandler handler = r->handler;
        void *userdata = r->userdata;
        Nbi *n = r->nbi;

        r->lane->n_running--;
        schedule(n);
        (void) request_free(r);
        handler(status, body, userdata);
}

/* Once for each time. */
static void note_silence(Nbi *n, const char *why) {
        if (why && !n->is_silent)
                log_warning("The NBI %s does not answer: %s", n->url, why);
        else if (!why && n->is_silent)
                log_notice("The NBI %s answers again.", n->url);
        n->is_silent = why != NULL;
}

static void on_done(CURL *easy, CURLcode code, void *userdata) {
        NbiRequest *r = userdata;
        long status = 0;

        if (code == CURLE_OK)
                (void) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        else if (r->is_too_large)
                status = NBI_STATUS_TOO_LARGE;
        note_silence(r->nbi, status == 0 ? curl_easy_strerror(code) : NULL);
        finish(r, status);
}

static int on_start(sd_event_source *s, void *userdata) {
        Nbi *n = userdata;
        NbiRequest *r;

        while ((r = next_request(n))) {
                unlink_waiting(r);
                r->lane->n_running++;
                if (curl_loop_start(n->loop, r->easy) < 0)
                        finish(r, 0);
        }
        return 0;
}

static size_t take(char *data, size_t size, size_t n, void *userdata) {
        NbiRequest *r = userdata;

        size *= n;
        if (size > NBI_ANSWER_MAX - r->size) {
                r->is_too_large = true;
                return 0;
        }
        if (r->size + size > r->allocated) {
                size_t allocated = MIN(MAX(r->allocated * 2, r->size + size), (size_t) NBI_ANSWER_MAX);
                char *p = realloc(r->answer, allocated);

                if (!p)
                        return 0;
                r->answer = p;
                r->allocated = allocated;
        }
        memcpy(r->answer + r->size, data, size);
        r->size += size;
        return size;
}

static bool configure(NbiRequest *r, const char *url, const char *method, long timeout) {
        CURL *e = r->easy;

        return curl_easy_setopt(e, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_WRITEDATA, r) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_PRIVATE, r) == CURLE_OK &&
               /* Without a path, or libcurl takes the authorities of the system for as good. */
               (!r->nbi->ca_file || (curl_easy_setopt(e, CURLOPT_CAINFO, r->nbi->ca_file) == CURLE_OK &&
                                     curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
               /* libcurl repeats a request, a POST too, when a connection that it used before was closed
                * without an answer; but the task may be done by then. */
               (!streq(method, "POST") ||
                (curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK &&
                 curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
                 curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long) strlen(r->body)) == CURLE_OK &&
                 curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body) == CURLE_OK)) &&
               (!streq(method, "DELETE") || curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK);
}

/* Takes body over. */
static int request_new(
                Nbi *n,
                Lane *lane,
                const char *method,
                const char *url,
                char *body,
                long timeout,
                NbiHandler handler,
                void *userdata,
                NbiRequest **ret) {
        _cleanup_(request_freep) NbiRequest *r = calloc(1, sizeof(*r));

        if (!r) {
                free(body);
                return -ENOMEM;
        }
        r->body = body;
        r->nbi = n;
        r->lane = lane;
        r->handler = handler;
        r->userdata = userdata;
        r->easy = curl_easy_init();
        if (!r->easy)
                return -ENOMEM;
        if (!configure(r, url, method, timeout))
                return -EIO;
        append(r);
        schedule(n);
        *ret = TAKE_PTR(r);
        return 0;
}

/* Percent-encoded for a part of a path or a query. NULL if memory ran out. */
static char *encode(const char *s) {
        char *encoded = curl_easy_escape(NULL, s, 0), *copy = encoded ? strdup(encoded) : NULL;

        curl_free(encoded);
        return copy;
}

int nbi_query(Nbi *n,
              const char *collection,
              const json_t *query,
              const char *projection,
              unsigned limit,
              NbiHandler handler,
              void *userdata,
              NbiRequest **ret) {
        _cleanup_free_ char *text = json_dumps(query, JSON_COMPACT), *q = text ? encode(text) : NULL;
        _cleanup_free_ char *p = encode(strempty(projection)), *url = NULL;
        char most[32] = "";

        if (limit > 0)
                (void) snprintf(most, sizeof(most), "&limit=%u", limit);
        if (q && p)
                url = strfmt("%s/%s/?query=%s%s%s%s",
                             n->url,
                             collection,
                             q,
                             *p ? "&projection=" : "",
                             p,
                             most);
        if (!url)
                return -ENOMEM;
        return request_new(n, &n->work, "GET", url, NULL, NBI_TIMEOUT_MSEC, handler, userdata, ret);
}

int nbi_post_task(
                Nbi *n,
                const char *id,
                const json_t *task,
                bool connection_request,
                NbiHandler handler,
                void *userdata,
                NbiRequest **ret) {
        _cleanup_free_ char *p = encode(id), *url = NULL;
        char *body;

        assert(task || connection_request);

        if (p)
                url = strfmt("%s/devices/%s/tasks%s",
                             n->url,
                             p,
                             connection_request ? "?connection_request" : "");
        body = task ? json_dumps(task, JSON_COMPACT) : strdup("");
        if (!url || !body) {
                free(body);
                return -ENOMEM;
        }
        return request_new(
                        n,
                        task ? &n->work : &n->ask,
                        "POST",
                        url,
                        body,
                        NBI_SESSION_TIMEOUT_MSEC,
                        handler,
                        userdata,
                        ret);
}

int nbi_delete(Nbi *n,
               const char *collection,
               const char *id,
               NbiHandler handler,
               void *userdata,
               NbiRequest **ret) {
        _cleanup_free_ char *p = encode(id), *url = NULL;

        if (p)
                url = strfmt("%s/%s/%s", n->url, collection, p);
        if (!url)
                return -ENOMEM;
        return request_new(n, &n->work, "DELETE", url, NULL, NBI_TIMEOUT_MSEC, handler, userdata, ret);
}

int nbi_new(Nbi **ret, sd_event *event, const NbiSettings *settings) {
        _cleanup_(nbi_freep) Nbi *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->ask.n_running_max = MAX(settings->requests / 4, 1U);
        n->work.n_running_max = settings->requests - n->ask.n_running_max;
        n->url = strdup(settings->url);
        if (!n->url)
                return -ENOMEM;
        if (settings->ca_file) {
                n->ca_file = strdup(settings->ca_file);
                if (!n->ca_file)
                        return -ENOMEM;
        }
        r = sd_event_add_defer(event, &n->start_source, on_start, n);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->start_source, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = curl_loop_new(&n->loop, event, settings->requests, on_done);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

Nbi *nbi_free(Nbi *n) {
        if (!n)
                return NULL;
        (void) sd_event_source_disable_unref(n->start_source);
        (void) curl_loop_free(n->loop);
        free(n->url);
        free(n->ca_file);
        free(n);
        return NULL;
}
