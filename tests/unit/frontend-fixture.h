/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend driven by transcripts: messages of the ACS go in as the broker would deliver them, and what
 * comes out is read from the queue of commands. Only broker and repositories are absent. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "operator/frontend/administration.h"
#include "operator/frontend/profile.h"

#define GW1 "000000-ISPStorage-GW0001"
#define GW2 "000000-ISPStorage-GW0002"
#define ROOT "InternetGatewayDevice."
#define SYNC ROOT SYNC_OBJECT
#define KEY1 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPETal5+ol7eDCPYbRZ6q9KQJFGbP/Hd9wGb+agGM8Zr"
#define KEY2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPETal5+ol7eDCPYbRZ6q9KQJFGbP/Hd9wGb+agGM8Zq gw2"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* How a result that went well begins. */
#define OK "\"status\": \"ok\", \"cwmp_status\": 0"

/* Of the subscriptions: a value to read, three rows of which one depends on another, three settings. */
extern const char profile_text[];

typedef struct Fixture {
        Manager manager;
        FrontendConfig config;
        int64_t clock; /* of the ACS */
        unsigned n_messages;
        char directory[32];
} Fixture;

int set_up(void **state);
int tear_down(void **state);

/* A message as it comes from the broker; the payload is formatted. */
void message(Fixture *f, const char *device, const char *kind, const char *format, ...) _printf_(4, 5);
/* An Inform with these parameters (the inside of a JSON object). */
void inform(Fixture *f, const char *device, const char *event, const char *parameters);
/* The oldest command of the device has this part; the device answers so (the inside of a JSON object). */
void answer(Fixture *f, const char *device, const char *part, const char *result);
/* The device reports LastOpSeq and Revision. */
void report(Fixture *f, const char *device, unsigned opseq, unsigned n);

/* Fails if a command waits for the device. */
void expect_nothing(Fixture *f, const char *device);
void expect_state(Fixture *f, const char *device, DeviceState state);
/* As it is in the database; the caller's. */
Device *device(Fixture *f, const char *id);

/* As if the repository's worker had said so. */
void main_is_at(Fixture *f, uint64_t n);
/* What the device waits for is over. */
void let_time_pass(Fixture *f, const char *device);

void allow(Fixture *f, const char *device);
/* Answers the profile's steps. */
void provision(Fixture *f, const char *device);
/* From nothing to subscribed. */
void subscribe(Fixture *f, const char *device, const char *key);
