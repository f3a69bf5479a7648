/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens of the HTTP API (RFC 6750): who has one may use it over the network. */
#pragma once

#include <jansson.h>

#include "operator/common/sqlite.h"

/* 32 random bytes in hexadecimal, and NUL. Only its SHA-256 is kept. */
#define TOKEN_SIZE 65U
#define TOKEN_NAME_MAX 64U

/* Makes a token. 0, -EEXIST if there is one of that name, or an error of SQLite. */
int token_create(sqlite3 *db, const char *name, bool read_only, int64_t now, char ret[static TOKEN_SIZE]);
int token_remove(sqlite3 *db, const char *name); /* -ENOENT */
/* [{ "name", "read_only", "created" }]; *ret is the caller's. */
int token_describe(sqlite3 *db, json_t **ret);

/* Whose token this is. *ret_name is the caller's. 0, -ENOENT if nobody's, or an error of SQLite. */
int token_check(sqlite3 *db, const char *token, char **ret_name, bool *ret_read_only);
