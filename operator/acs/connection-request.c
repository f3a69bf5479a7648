/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <search.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/connection-request.h"
#include "operator/common/curl-loop.h"

#define ACCURACY_USEC 1000ULL

typedef struct Request {
        ConnectionRequester *requester;
        struct Request *previous_due, *next_due;
        char *device;
        CURL *easy; /* while it is under way */
        sd_event_source *timer;
        uint64_t retry_usec;
        bool is_due; /* waits for its turn, in the list */
} Request;

struct ConnectionRequester {
        sd_event *event;
        Store *store;
        ConnectionRequestNeeded needed;
        void *userdata;
        CurlLoop *loop;
        void *requests; /* tsearch(3), by device */
        Request *first_due, *last_due;
        unsigned n_running;
};

static void start_due(ConnectionRequester *q);

static void close_handle(Request *r) {
        if (!r->easy)
                return;
        curl_loop_cancel(r->requester->loop, r->easy);
        r->easy = NULL;
        r->requester->n_running--;
}

static Request *request_free(Request *r) {
        if (!r)
                return NULL;
        close_handle(r);
        (void) sd_event_source_disable_unref(r->timer);
        free(r->device);
        free(r);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Request *, request_free);

static int compare_requests(const void *a, const void *b) {
        return strcmp(((const Request *) a)->device, ((const Request *) b)->device);
}

static void set_due(Request *r) {
        ConnectionRequester *q = r->requester;

        r->is_due = true;
        r->previous_due = q->last_due;
        *(q->last_due ? &q->last_due->next_due : &q->first_due) = r;
        q->last_due = r;
}

static void unset_due(Request *r) {
        ConnectionRequester *q = r->requester;

        if (!r->is_due)
                return;
        *(r->previous_due ? &r->previous_due->next_due : &q->first_due) = r->next_due;
        *(r->next_due ? &r->next_due->previous_due : &q->last_due) = r->previous_due;
        r->previous_due = r->next_due = NULL;
        r->is_due = false;
}

static void forget(Request *r) {
        unset_due(r);
        (void) tdelete(r, &r->requester->requests, compare_requests);
        (void) request_free(r);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Request *r = userdata;

        set_due(r);
        start_due(r->requester);
        return 0;
}

/* Half of the time for sure, the other half by chance: devices that failed together do not come back
 * together. */
static void wait_for(Request *r, uint64_t usec) {
        uint64_t random = 0;

        (void) getrandom(&random, sizeof(random), GRND_NONBLOCK);
        usec = usec / 2 + random % (usec / 2 + 1);
        r->timer = sd_event_source_disable_unref(r->timer);
        if (sd_event_add_time_relative(
                            r->requester->event, &r->timer, CLOCK_MONOTONIC, usec, ACCURACY_USEC, on_timer, r) < 0)
                forget(r);
}

static void retry(Request *r, uint64_t max_usec) {
        uint64_t usec = MIN(r->retry_usec, max_usec);

        r->retry_usec = MIN(usec * 2, max_usec);
        wait_for(r, usec);
}

static size_t discard(char *data, size_t size, size_t n, void *userdata) {
        return size * n;
}

/* Digest only: the password must not go out in clear to whom it may concern. */
static bool configure(Request *r, const DeviceAccess *a) {
        CURL *e = r->easy;

        return curl_easy_setopt(e, CURLOPT_URL, a->url) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_DIGEST) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_USERNAME, a->username) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_PASSWORD, a->password) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, CONNECTION_REQUEST_TIMEOUT_MSEC) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK &&
                        curl_easy_setopt(e, CURLOPT_PRIVATE, r) == CURLE_OK;
}

static void start(Request *r) {
        ConnectionRequester *q = r->requester;
        _cleanup_device_access_ DeviceAccess access = {};

        unset_due(r);
        if (!q->needed(r->device, q->userdata) || store_device_get_access(q->store, r->device, &access) < 0 ||
            !access.url || !access.provisioned) {
                forget(r);
                return;
        }
        r->easy = curl_easy_init();
        if (r->easy)
                q->n_running++;
        if (!r->easy || !configure(r, &access) || curl_loop_start(q->loop, r->easy) < 0) {
                close_handle(r);
                retry(r, CONNECTION_REQUEST_RETRY_MAX_USEC);
        }
}

static void start_due(ConnectionRequester *q) {
        while (q->first_due && q->n_running < CONNECTION_REQUESTS_MAX)
                start(q->first_due);
}

static void evaluate(Request *r, CURLcode code) {
        long status = 0;

        (void) curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        close_handle(r);
        if (code == CURLE_OK && (status == 200 || status == 204)) {
                r->retry_usec = CONNECTION_REQUEST_RETRY_MIN_USEC;
                wait_for(r, 2 * CONNECTION_REQUEST_PATIENCE_USEC);
                return;
        }
        /* 503: it is in a session, or was asked too often (TR-069 section 3.2.2.1). Soon is soon enough. */
        if (status != 503)
                log_info("Connection request to %s failed: %s", r->device,
                         code == CURLE_OK ? "the device refused it" : curl_easy_strerror(code));
        retry(r, status == 503 ? CONNECTION_REQUEST_BUSY_MAX_USEC : CONNECTION_REQUEST_RETRY_MAX_USEC);
}

static void on_done(CURL *easy, CURLcode code, void *userdata) {
        Request *r = userdata;
        ConnectionRequester *q = r->requester;

        evaluate(r, code);
        start_due(q);
}

int connection_requester_new(
                ConnectionRequester **ret,
                sd_event *event,
                Store *store,
                ConnectionRequestNeeded needed,
                void *userdata) {
        _cleanup_(connection_requester_freep) ConnectionRequester *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        q->event = sd_event_ref(event);
        q->store = store;
        q->needed = needed;
        q->userdata = userdata;
        /* A challenge is answered on its own connection, which the device closes after that. */
        r = curl_loop_new(&q->loop, event, CONNECTION_REQUESTS_MAX, on_done);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

ConnectionRequester *connection_requester_free(ConnectionRequester *q) {
        if (!q)
                return NULL;
        while (q->requests)
                forget(*(Request **) q->requests);
        (void) curl_loop_free(q->loop);
        (void) sd_event_unref(q->event);
        free(q);
        return NULL;
}

static Request *find(ConnectionRequester *q, const char *device) {
        Request **found = tfind(&(Request) { .device = (char *) device }, &q->requests, compare_requests);

        return found ? *found : NULL;
}

int connection_requester_ask(ConnectionRequester *q, const char *device) {
        _cleanup_(request_freep) Request *r = NULL;

        if (find(q, device))
                return 0; /* it is being asked, or will be */
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->requester = q;
        r->retry_usec = CONNECTION_REQUEST_RETRY_MIN_USEC;
        r->device = strdup(device);
        if (!r->device)
                return -ENOMEM;
        if (!tsearch(r, &q->requests, compare_requests))
                return -ENOMEM;
        set_due(TAKE_PTR(r));
        start_due(q);
        return 0;
}

void connection_requester_stop(ConnectionRequester *q, const char *device) {
        Request *r = find(q, device);

        if (!r || q->needed(device, q->userdata))
                return;
        forget(r);
        start_due(q);
}
