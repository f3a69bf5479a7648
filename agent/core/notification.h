/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parameters the ACS wants to hear about, what it was told last, and what it still has to be told
 * (TR-069 A.3.2.4 and 3.7.1.5, event "4 VALUE CHANGE"). Names are relative to the root object.
 *
 * Attributes and the values last told are kept in one file, written atomically. A value is "told" when the
 * InformResponse came, or when the ACS itself set it. What was never told counts as changed. */
#pragma once

#include "agent/core/parameter-list.h"

typedef struct Notifications Notifications;

/* Every notified parameter of a gateway with values of some hundred bytes fits many times. */
#define NOTIFICATION_FILE_MAX (16U * 1024U * 1024U)

/* path is the state file, NULL for none. 0, -EBADMSG if the file is damaged (then it was moved to "<path>.corrupt"
 * and *ret is empty and usable), or a negative errno. */
int notifications_new(Notifications **ret, const char *path);
Notifications *notifications_free(Notifications *n);
DEFINE_TRIVIAL_CLEANUP_FUNC(Notifications *, notifications_free);

/* Takes what a provider says of its parameters: name is a pattern with "{i}", value the rule ("normal", "forceEnabled",
 * "forceDefaultEnabled", "canDeny"). Rules of the same name are replaced. 0, -ENOMEM, -EINVAL for an unknown rule. */
int notifications_set_rules(Notifications *n, const ParameterList *rules);

/* The notification in force for a parameter: the attribute if one was set, else the rule's default. */
Notification notifications_level(const Notifications *n, const char *name);
/* NULL if none was set. Stays the object's. */
char *const *notifications_access_list(const Notifications *n, const char *name);

/* True if the parameter's notification may not be changed (forceEnabled). */
bool notifications_is_forced(const Notifications *n, const char *name);

/* True if the device denies active notification for it (canDeny): a value that changes all the time, or by the ACS
 * alone. */
bool notifications_is_denied(const Notifications *n, const char *name);

/* Sets attributes: of each, notification (-1: leave) and access_list (if access_list_set), all or none; durable on
 * return. Setting a notification where none was makes the present value the one to compare with: it is taken from
 * value if that is not NULL. 0 or a negative errno. */
int notifications_set_attributes(Notifications *n, const ParameterList *attributes);

/* A value as a provider has it now, from a signal or a comparison. Marks it for the next Inform if it differs from what
 * was told; once marked it stays so, with its latest value. Returns the level if it is newly marked, else
 * NOTIFICATION_OFF; or -ENOMEM. */
int notifications_observe(Notifications *n, const Parameter *p);

/* The ACS set this, or read it as the result of its own AddObject: it is told. Not durable before
 * notifications_save(). 0 or -ENOMEM. */
int notifications_set_told(Notifications *n, const Parameter *p);

/* Forgets an object and all below: it was deleted. */
void notifications_forget(Notifications *n, const char *object);

/* Forgets all values told and all that waits, but no attribute: a new ACS knows nothing. */
void notifications_reset(Notifications *n);

/* True if something with active notification waits. */
bool notifications_pending_active(const Notifications *n);
bool notifications_pending(const Notifications *n);

/* Appends all that waits to the list and remembers what was sent. 0 or -ENOMEM. */
int notifications_collect(Notifications *n, ParameterList *inform);

/* The InformResponse came: what was collected is told, durably on return. What changed again since stays waiting.
 * 0 or a negative errno. */
int notifications_acknowledge(Notifications *n);

/* Writes the file if something changed. 0 or a negative errno. */
int notifications_save(Notifications *n);
