/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that an operator's tools look for: each has an identifier, fields, and a text in the journal's catalog
 * (agent/ispstorage-agent.catalog). */
#pragma once

#include "common/base/log.h"

#define MESSAGE_SESSION_FAILED "7ec7458109b949a5b0fe4bf114c6a287"
#define MESSAGE_RESTART_ORDERED "0049dad763b141d4a292848334adb31d"
#define MESSAGE_RESTART_FAILED "f2e01d28053d4237a05324dbbdcb3da2"
#define MESSAGE_TRANSFER_BEGUN "83523d6aa9f1421f8af8d50bc128dc23"
#define MESSAGE_TRANSFER_ENDED "f6335a09e7944b13a02e08925dca2f44"
#define MESSAGE_TRANSFER_FAILED "a1df286e579f4353aaceb625eece53a2"
#define MESSAGE_PROVIDER_AWAY "ddff680d67da442da122d234facb2ff1"

/* Writes a message to the journal with MESSAGE_ID= and the fields ("NAME=value", NULL-terminated); without a journal
 * just the message, as log_info() and the like. */
void agent_journal(int level, const char *message_id, const char *const fields[], const char *format, ...)
                _printf_(4, 5);
