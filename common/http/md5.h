/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MD5 (RFC 1321), which HTTP digest authentication as CWMP demands it is made of. For nothing else: it is broken. */
#pragma once

#include "common/base/macro.h"

#define MD5_SIZE 16U
#define MD5_HEX_SIZE (2U * MD5_SIZE + 1U)

/* Hashes the strings of a NULL-terminated list, joined by ':', into lower-case hexadecimal digits and a NUL. */
void md5_hex_joined(const char *const *parts, char ret[static MD5_HEX_SIZE]);
#define md5_hex(ret, ...) md5_hex_joined((const char *const[]) { __VA_ARGS__, NULL }, ret)
