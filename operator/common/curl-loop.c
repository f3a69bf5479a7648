/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/epoll.h>

#include "operator/common/curl-loop.h"

#define ACCURACY_USEC 1000ULL

struct CurlLoop {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        CurlDone done;
};

static void finish_all(CurlLoop *l) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(l->multi, &left))) {
                CURL *easy = m->easy_handle;
                CURLcode code = m->data.result;
                void *userdata = NULL;

                if (m->msg != CURLMSG_DONE ||
                    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &userdata) != CURLE_OK)
                        continue;
                (void) curl_multi_remove_handle(l->multi, easy);
                l->done(easy, code, userdata);
        }
}

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        CurlLoop *l = userdata;
        int running, action = 0;

        if (revents & EPOLLIN)
                action |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                action |= CURL_CSELECT_OUT;
        if (revents & (EPOLLERR | EPOLLHUP))
                action |= CURL_CSELECT_ERR;
        (void) curl_multi_socket_action(l->multi, fd, action, &running);
        finish_all(l);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        CurlLoop *l = userdata;
        int running;

        (void) curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        finish_all(l);
        return 0;
}

/* libcurl tells which sockets it wants watched; the source is the socket's private pointer. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
        CurlLoop *l = userdata;
        sd_event_source *source = socket_data;
        uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

        if (what == CURL_POLL_REMOVE) {
                (void) sd_event_source_disable_unref(source);
                (void) curl_multi_assign(l->multi, fd, NULL);
                return 0;
        }
        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
        if (sd_event_add_io(l->event, &source, fd, events, on_socket_ready, l) < 0)
                return -1;
        (void) curl_multi_assign(l->multi, fd, source);
        return 0;
}

static int set_timer(CURLM *multi, long msec, void *userdata) {
        CurlLoop *l = userdata;

        l->timer = sd_event_source_disable_unref(l->timer);
        if (msec < 0)
                return 0;
        return sd_event_add_time_relative(
                               l->event,
                               &l->timer,
                               CLOCK_MONOTONIC,
                               (uint64_t) msec * 1000,
                               ACCURACY_USEC,
                               on_timer,
                               l) < 0
                               ? -1
                               : 0;
}

int curl_loop_new(CurlLoop **ret, sd_event *event, unsigned connections_max, CurlDone done) {
        _cleanup_(curl_loop_freep) CurlLoop *l = NULL;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -EIO;
        l = calloc(1, sizeof(*l));
        if (!l) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        l->event = sd_event_ref(event);
        l->done = done;
        l->multi = curl_multi_init();
        if (!l->multi || curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
            curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l) != CURLM_OK ||
            curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
            curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l) != CURLM_OK ||
            curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long) connections_max) != CURLM_OK)
                return -EIO;
        *ret = TAKE_PTR(l);
        return 0;
}

CurlLoop *curl_loop_free(CurlLoop *l) {
        if (!l)
                return NULL;
        if (l->multi)
                (void) curl_multi_cleanup(l->multi);
        (void) sd_event_source_disable_unref(l->timer);
        (void) sd_event_unref(l->event);
        free(l);
        curl_global_cleanup();
        return NULL;
}

int curl_loop_start(CurlLoop *l, CURL *easy) {
        return curl_multi_add_handle(l->multi, easy) == CURLM_OK ? 0 : -EIO;
}

void curl_loop_cancel(CurlLoop *l, CURL *easy) {
        if (!easy)
                return;
        (void) curl_multi_remove_handle(l->multi, easy);
        curl_easy_cleanup(easy);
}
