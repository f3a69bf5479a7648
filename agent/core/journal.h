/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a SetParameterValues has promised to several providers, from before the first Commit until the last one: after
 * a crash of the agent or of a provider it is completed from here. One at a time; empty most of the time. AddObject and
 * DeleteObject concern one provider each, which does them whole or not at all: they need none. */
#pragma once

#include "agent/core/parameter-list.h"

typedef struct Journal Journal;

/* A SetParameterValues of the largest accepted envelope fits. */
#define JOURNAL_FILE_MAX (8U * 1024U * 1024U)

/* path is the file, NULL for none. 0, or a negative errno; a damaged file cannot come from a crash (it is replaced
 * atomically): -EBADMSG, and the file stays for whoever looks into it. */
int journal_new(Journal **ret, const char *path);
Journal *journal_free(Journal *j);
DEFINE_TRIVIAL_CLEANUP_FUNC(Journal *, journal_free);

/* True if no provider owes a Commit. */
bool journal_is_empty(const Journal *j);

/* Adds what one provider (by the name of its file) was asked to prepare; the settings are copied. 0 or -ENOMEM. */
int journal_add(Journal *j, const char *provider, uint64_t token, const ParameterList *settings);
/* Makes what was added durable, with the ParameterKey. 0 or a negative errno, then the journal is empty. */
int journal_write(Journal *j, const char *parameter_key);

/* True if that provider alone has not committed yet. */
bool journal_is_last(const Journal *j, const char *provider);
/* The provider has committed (or will never). With the last one the file goes away. 0 or a negative errno. */
int journal_complete(Journal *j, const char *provider);
/* Nothing is promised any more. 0 or a negative errno. */
int journal_clear(Journal *j);

/* What the provider still has to do, or NULL. Stays the journal's, until it is changed. */
const ParameterList *journal_open_settings(const Journal *j, const char *provider);
/* To be set with the last Commit; NULL if the order was not the ACS's. */
const char *journal_parameter_key(const Journal *j);
