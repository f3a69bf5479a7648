/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service: what connects HTTP server, command queue, outbox, broker and connection requests. */
#pragma once

#include <systemd/sd-event.h>

#include "operator/acs/acs-config.h"

/* Messages without an acknowledgement are published again after this time (docs/mqtt.md). */
#define OUTBOX_REPEAT_SEC 30
/* The oldest messages without an acknowledgement that are with the broker; the others wait for them. */
#define OUTBOX_WINDOW 500
/* So long acknowledgements are collected, to be noted together. */
#define OUTBOX_FORGET_USEC 50000ULL
/* How often old finished commands are looked for. */
#define PRUNE_INTERVAL_SEC 3600

typedef struct Acs Acs;

/* Opens the database, listens, connects. config is borrowed. Logs what fails. *ret is the caller's. 0 or
 * a negative errno. */
int acs_new(Acs **ret, sd_event *event, const AcsConfig *config);
Acs *acs_free(Acs *a);
DEFINE_TRIVIAL_CLEANUP_FUNC(Acs *, acs_free);

/* Loads certificate and key. *ret is the caller's (SSL_CTX_free()). Logs what is wrong. 0, -EINVAL,
 * -ENOMEM. */
struct ssl_ctx_st;
int acs_load_tls(const AcsConfig *config, struct ssl_ctx_st **ret);
