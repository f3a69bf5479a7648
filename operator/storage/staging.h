/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The refs under which a gateway stages what it is about to push (docs/operator.md). */
#pragma once

#include "common/base/macro.h"

/* First half of the SHA-256 of the key, in hexadecimal, and NUL. */
#define STAGING_NAMESPACE_SIZE 17U
#define STAGING_REFS "refs/staging/"
/* Refs of one gateway: at 8 MiB a batch, 800 GB under way. */
#define STAGING_NAMESPACE_MAX 100000U
/* Staging refs that one push may set. Any number may be deleted with the push of main. */
#define STAGING_PER_PUSH_MAX 64U
/* Names of a namespace that none of its gateway's pushes touched for so long are removed. */
#define STAGING_KEEP_SEC (7 * 86400)

/* The namespace that belongs to a public key: the first 16 hexadecimal digits (lower case) of the SHA-256 of
 * the key as OpenSSH's public key line has it in base64, decoded. The gateway computes the same. 0, or
 * -EINVAL if it is not base64. */
int staging_namespace(const char *base64_key, char ret[static STAGING_NAMESPACE_SIZE]);

/* "<namespace>/<name>": the name is one word of at most 128 A-Z a-z 0-9 . _ -, and does not begin with a
 * dot. */
bool staging_name_is_valid(const char *name);

/* How many refs the namespace has in this bare repository. 0 or a negative errno. */
int staging_count(const char *git_directory, const char *name_space, unsigned *ret);
