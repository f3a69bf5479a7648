/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/inform-queue.h"

#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/str.h"

static const char *const event_codes[INFORM_EVENT_MAX] = {
        [INFORM_BOOTSTRAP] = "0 BOOTSTRAP",
        [INFORM_BOOT] = "1 BOOT",
        [INFORM_PERIODIC] = "2 PERIODIC",
        [INFORM_SCHEDULED] = "3 SCHEDULED",
        [INFORM_VALUE_CHANGE] = "4 VALUE CHANGE",
        [INFORM_CONNECTION_REQUEST] = "6 CONNECTION REQUEST",
        [INFORM_M_REBOOT] = "M Reboot",
        [INFORM_M_SCHEDULE_INFORM] = "M ScheduleInform",
};

typedef struct QueuedEvent {
        InformEvent event;
        char *command_key;
        bool sent;
} QueuedEvent;

struct InformQueue {
        char *path;
        QueuedEvent events[INFORM_EVENTS_MAX];
        size_t n;
};

static bool is_persistent(InformEvent event) {
        return event == INFORM_BOOTSTRAP || event == INFORM_BOOT || event == INFORM_SCHEDULED ||
               event == INFORM_M_REBOOT || event == INFORM_M_SCHEDULE_INFORM;
}

InformQueue *inform_queue_free(InformQueue *q) {
        if (!q)
                return NULL;
        for (size_t i = 0; i < q->n; i++)
                free(q->events[i].command_key);
        free(q->path);
        return mfree(q);
}

static int save(const InformQueue *q) {
        _cleanup_wire_writer_ WireWriter w = {};
        uint32_t n = 0;

        if (!q->path)
                return 0;

        for (size_t i = 0; i < q->n; i++)
                n += is_persistent(q->events[i].event);
        wire_put_u32(&w, n);
        for (size_t i = 0; i < q->n; i++)
                if (is_persistent(q->events[i].event)) {
                        wire_put_string(&w, event_codes[q->events[i].event]);
                        wire_put_string(&w, q->events[i].command_key);
                }

        int r = wire_finish(&w);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, q->path, w.data, w.size, 0600);
}

/* 0 if it was there, 1 if it is new. */
static int insert(InformQueue *q, InformEvent event, const char *command_key) {
        for (size_t i = 0; i < q->n; i++)
                /* One that is under way may not be delivered: the news gets an Inform of its own. */
                if (q->events[i].event == event && !q->events[i].sent &&
                    streq_ptr(q->events[i].command_key, command_key))
                        return 0;
        if (q->n >= INFORM_EVENTS_MAX)
                return -ENOSPC;

        char *key = command_key ? strdup(command_key) : NULL;
        if (command_key && !key)
                return -ENOMEM;

        size_t at = q->n;
        while (at > 0 && q->events[at - 1].event > event)
                at--;
        memmove(q->events + at + 1, q->events + at, (q->n - at) * sizeof(QueuedEvent));
        q->events[at] = (QueuedEvent) { .event = event, .command_key = key };
        q->n++;
        return 1;
}

static int load(InformQueue *q) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = read_file(AT_FDCWD, q->path, INFORM_QUEUE_FILE_MAX, &data, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        WireReader reader = { .data = data, .size = size };
        for (size_t n = wire_get_count(&reader, 2 * sizeof(uint32_t)); n > 0; n--) {
                _cleanup_free_ char *code = wire_get_string(&reader), *key = wire_get_string(&reader);
                InformEvent event = 0;

                while (event < INFORM_EVENT_MAX && !streq(event_codes[event], strempty(code)))
                        event++;
                if (event == INFORM_EVENT_MAX)
                        return reader.error == -ENOMEM ? -ENOMEM : -EBADMSG;
                r = insert(q, event, key);
                if (r < 0)
                        return r;
        }
        return wire_reader_end(&reader);
}

int inform_queue_new(InformQueue **ret, const char *path) {
        _cleanup_(inform_queue_freep) InformQueue *q = calloc(1, sizeof(*q));
        int r = 0;

        if (!q || (path && !(q->path = strdup(path))))
                return -ENOMEM;
        if (path)
                r = load(q);
        if (r == -EBADMSG) {
                int k = inform_queue_add(q, INFORM_BOOTSTRAP, NULL);
                if (k < 0)
                        return k;
        } else if (r < 0)
                return r;

        *ret = TAKE_PTR(q);
        return r;
}

int inform_queue_add(InformQueue *q, InformEvent event, const char *command_key) {
        int r = insert(q, event, command_key);
        if (r <= 0 || !is_persistent(event))
                return r;

        r = save(q);
        return r < 0 ? r : 1;
}

bool inform_queue_is_empty(const InformQueue *q) {
        return q->n == 0;
}

int inform_queue_collect(InformQueue *q, ParameterList *events) {
        for (size_t i = 0; i < q->n; i++) {
                const QueuedEvent *e = q->events + i;
                if (!parameter_list_add(events, event_codes[e->event], NULL, strempty(e->command_key)))
                        return -ENOMEM;
                q->events[i].sent = true;
        }
        return 0;
}

/* Removes those that the function names. True if one of them was persistent. */
static bool drop(InformQueue *q, bool (*select)(const QueuedEvent *e)) {
        bool persistent = false;
        size_t kept = 0;

        for (size_t i = 0; i < q->n; i++) {
                QueuedEvent *e = q->events + i;
                if (select(e)) {
                        persistent = persistent || is_persistent(e->event);
                        free(e->command_key);
                } else
                        q->events[kept++] = *e;
        }
        q->n = kept;
        return persistent;
}

static bool was_sent(const QueuedEvent *e) {
        return e->sent;
}

static bool must_not_repeat(const QueuedEvent *e) {
        return e->sent && e->event == INFORM_CONNECTION_REQUEST;
}

int inform_queue_acknowledge(InformQueue *q) {
        return drop(q, was_sent) ? save(q) : 0;
}

void inform_queue_session_failed(InformQueue *q) {
        (void) drop(q, must_not_repeat);
        for (size_t i = 0; i < q->n; i++)
                q->events[i].sent = false;
}
