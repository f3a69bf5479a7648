/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file in each repository with the ids of the keys that open it now, one a line. The frontend writes it
 * from its database; ispstorage-git-shell reads it for every request, because sshd asks for a key only when
 * a connection begins, and a gateway keeps its connection. */
#pragma once

#define KEY_LIST_FILE "ispstorage-keys"
/* Some thousand gateways in one subscription, two keys each. */
#define KEY_LIST_SIZE_MAX (256U * 1024U)
