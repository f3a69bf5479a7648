/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What syncd and its workers say to each other: one datagram is a list of "key=value" fields, each ended
 * by a NUL, so that any file name passes as it is. */
#pragma once

#include "common/base/str.h"

/* Well below what the kernel takes in one datagram (net.core.wmem_default is at least 160 KiB). */
#define WORKER_MESSAGE_MAX ((size_t) 96 * 1024)

/* Appends a field. 0 or -ENOMEM. */
int worker_message_add(char ***message, const char *key, const char *value);
int worker_message_addf(char ***message, const char *key, const char *format, ...) _printf_(3, 4);

/* The value of the first field of that key, or NULL. Points into the message. */
const char *worker_message_get(char *const *message, const char *key) _pure_;
/* The value as a number; 0 if there is none. */
uint64_t worker_message_get_number(char *const *message, const char *key);
/* If the field has that key, its value, else NULL: for keys that come several times. */
const char *worker_message_field(const char *field, const char *key) _pure_;

/* Sends one datagram. 0, -EMSGSIZE, -EPIPE or another negative errno. */
int worker_message_send(int fd, char *const *message);
/* Receives one. *ret is the caller's. 0, -EPIPE at the end, -EAGAIN, -EBADMSG, -ENOMEM or another
 * negative errno. */
int worker_message_receive(int fd, char ***ret);
/* The same, but the message stays to be received, and nothing is waited for. */
int worker_message_peek(int fd, char ***ret);
