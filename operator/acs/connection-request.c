/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <curl/curl.h>
#include <search.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/connection-request.h"

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
        CURLM *multi;
        sd_event_source *timer;
        void *requests; /* tsearch(3), by device */
        Request *first_due, *last_due;
        unsigned n_running;
};

static void start_due(ConnectionRequester *q);

static void close_handle(Request *r) {
        if (!r->easy)
                return;
        (void) curl_multi_remove_handle(r->requester->multi, r->easy);
        curl_easy_cleanup(r->easy);
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
                        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
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
        if (!r->easy || !configure(r, &access) || curl_multi_add_handle(q->multi, r->easy) != CURLM_OK) {
                close_handle(r);
                retry(r, CONNECTION_REQUEST_RETRY_MAX_USEC);
        }
}

static void start_due(ConnectionRequester *q) {
        while (q->first_due && q->n_running < CONNECTION_REQUESTS_MAX)
                start(q->first_due);
}

static void finish(Request *r, CURLcode code) {
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

static void finish_all(ConnectionRequester *q) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(q->multi, &left))) {
                Request *r = NULL;

                if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r) == CURLE_OK)
                        finish(r, m->data.result);
        }
        start_due(q);
}

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        ConnectionRequester *q = userdata;
        int running, action = 0;

        if (revents & EPOLLIN)
                action |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                action |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                action |= CURL_CSELECT_ERR;
        (void) curl_multi_socket_action(q->multi, fd, action, &running);
        finish_all(q);
        return 0;
}

static int on_multi_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        ConnectionRequester *q = userdata;
        int running;

        (void) curl_multi_socket_action(q->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        finish_all(q);
        return 0;
}

/* libcurl tells which sockets it wants watched; the source is the socket's private pointer. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
        ConnectionRequester *q = userdata;
        sd_event_source *source = socket_data;
        uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

        if (what == CURL_POLL_REMOVE) {
                (void) sd_event_source_disable_unref(source);
                (void) curl_multi_assign(q->multi, fd, NULL);
                return 0;
        }
        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
        if (sd_event_add_io(q->event, &source, fd, events, on_socket_ready, q) < 0)
                return -1;
        (void) curl_multi_assign(q->multi, fd, source);
        return 0;
}

static int set_timer(CURLM *multi, long msec, void *userdata) {
        ConnectionRequester *q = userdata;

        q->timer = sd_event_source_disable_unref(q->timer);
        if (msec < 0)
                return 0;
        return sd_event_add_time_relative(
                               q->event, &q->timer, CLOCK_MONOTONIC, (uint64_t) msec * 1000, ACCURACY_USEC,
                               on_multi_timer, q) < 0 ? -1 : 0;
}

int connection_requester_new(
                ConnectionRequester **ret,
                sd_event *event,
                Store *store,
                ConnectionRequestNeeded needed,
                void *userdata) {
        _cleanup_(connection_requester_freep) ConnectionRequester *q = NULL;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -EIO;
        q = calloc(1, sizeof(*q));
        if (!q) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        q->event = sd_event_ref(event);
        q->store = store;
        q->needed = needed;
        q->userdata = userdata;
        q->multi = curl_multi_init();
        if (!q->multi || curl_multi_setopt(q->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
            curl_multi_setopt(q->multi, CURLMOPT_SOCKETDATA, q) != CURLM_OK ||
            curl_multi_setopt(q->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
            curl_multi_setopt(q->multi, CURLMOPT_TIMERDATA, q) != CURLM_OK)
                return -EIO;
        *ret = TAKE_PTR(q);
        return 0;
}

ConnectionRequester *connection_requester_free(ConnectionRequester *q) {
        if (!q)
                return NULL;
        while (q->requests)
                forget(*(Request **) q->requests);
        if (q->multi)
                (void) curl_multi_cleanup(q->multi);
        (void) sd_event_source_disable_unref(q->timer);
        (void) sd_event_unref(q->event);
        free(q);
        curl_global_cleanup();
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
