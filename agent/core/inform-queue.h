/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events that the next Inform carries (TR-069 section 3.7.1.5), with their rules of repetition and persistence. */
#pragma once

#include "agent/core/parameter-list.h"
#include "agent/core/transfer.h"

typedef enum InformEvent {
        INFORM_BOOTSTRAP,
        INFORM_BOOT,
        INFORM_PERIODIC,
        INFORM_SCHEDULED,
        INFORM_VALUE_CHANGE,
        INFORM_CONNECTION_REQUEST,
        INFORM_M_REBOOT,
        INFORM_M_SCHEDULE_INFORM,
        INFORM_EVENT_MAX,
} InformEvent;

/* cwmp-1-2.xsd: an EventList has 64; transfers bring theirs besides. */
#define INFORM_EVENTS_MAX (64U - 1U - TRANSFERS_MAX)
#define INFORM_QUEUE_FILE_MAX (64U * 1024U)

typedef struct InformQueue InformQueue;

/* path is the file for the events that must outlive a reboot (BOOTSTRAP, SCHEDULED, M Reboot, M ScheduleInform) or a
 * restart of the service (BOOT), NULL for none. 0, or a negative errno; -EBADMSG for a damaged file, then *ret is
 * usable and holds BOOTSTRAP, which tells the ACS to start afresh. */
int inform_queue_new(InformQueue **ret, const char *path);
InformQueue *inform_queue_free(InformQueue *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(InformQueue *, inform_queue_free);

/* Adds an event; command_key is NULL but for the M events, of which each with another key counts. Durable
 * on return where the event has to be. 0 if it waits already, 1 if it is new, -ENOSPC, or a negative
 * errno. */
int inform_queue_add(InformQueue *q, InformEvent event, const char *command_key);

/* True if no event waits to be told, those included that were sent and not acknowledged. */
bool inform_queue_is_empty(const InformQueue *q);

/* Appends the events in the order of their codes (name: code, value: CommandKey) and remembers what was
 * sent. 0 or -ENOMEM. */
int inform_queue_collect(InformQueue *q, ParameterList *events);

/* The InformResponse came: what was collected is delivered, durably on return. 0 or a negative errno. */
int inform_queue_acknowledge(InformQueue *q);

/* The session failed before that: all stay, but CONNECTION REQUEST, which must not be repeated. */
void inform_queue_session_failed(InformQueue *q);
