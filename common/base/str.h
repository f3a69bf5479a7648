/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings and NULL-terminated string lists ("strv"). All functions treat a NULL list as an empty one. */
#pragma once

#include <string.h>

#include "common/base/cleanup.h"

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

/* Like streq(), but NULL is allowed and equal to NULL only. */
static inline bool streq_ptr(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static inline bool isempty(const char *s) {
        return !s || !s[0];
}

static inline const char *strempty(const char *s) {
        return s ?: "";
}

/* Returns what follows the prefix in s, or NULL if s does not start with it. */
const char *startswith(const char *s, const char *prefix) _pure_;

/* Returns where in s the suffix begins, or NULL if s does not end with it. */
const char *endswith(const char *s, const char *suffix) _pure_;

/* True if word is one of the words, which single spaces part. */
bool has_word(const char *words, const char *word) _pure_;

/* Formats into a new string that the caller frees. NULL if memory ran out. */
char *strfmt(const char *format, ...) _printf_(1, 2);

/* Replaces *p by a copy of s (s may be NULL). Returns 1 if it changed, 0 if it was equal, -ENOMEM. */
int free_and_strdup(char **p, const char *s);

/* True if s is valid UTF-8 (RFC 3629) without NUL. */
bool utf8_is_valid(const char *s) _pure_;

/* Lists of strings end with NULL; NULL is the empty list. Frees list and strings; returns NULL. */
void *strv_free(char **l);
DEFINE_TRIVIAL_CLEANUP_FUNC(char **, strv_free);
#define _cleanup_strv_free_ _cleanup_(strv_freep)

/* l may be a member of a const object: "+ 0" makes it a value, without the qualifier. */
#define STRV_FOREACH(s, l) for (typeof((l) + 0) s = (l); s && *s; s++)

/* The number of strings. */
size_t strv_length(char *const *l) _pure_;
/* True if one of them is equal to s. */
bool strv_contains(char *const *l, const char *s) _pure_;

/* Append a copy of s. 0 or -ENOMEM, then the list is as before. */
int strv_extend(char ***l, const char *s);

/* Append s itself; on -ENOMEM s is freed and the list is as before. NULL s counts as -ENOMEM. */
int strv_consume(char ***l, char *s);

/* Copies a list. *ret is the caller's; NULL for an empty list. 0 or -ENOMEM. */
int strv_copy(char *const *l, char ***ret);

/* Splits s at any of the separator characters, dropping empty parts. *ret is the caller's, NULL if there are no
 * parts. Returns the number of parts or -ENOMEM. */
int strv_split(const char *s, const char *separators, char ***ret);

/* Joins with the separator into a new string, "" for an empty list. NULL if memory ran out. */
char *strv_join(char *const *l, const char *separator);

/* Sorts bytewise, in place; returns l. */
char **strv_sort(char **l);
