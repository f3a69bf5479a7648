/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes system calls of the program under test fail. The program is linked with --wrap for each of them
 * (meson.build): what the libraries of the project call comes here first, what cmocka, libgit2 and libc call does
 * not. */
#pragma once

#include "common/base/macro.h"

typedef enum FaultKind {
        FAULT_NO_SPACE,    /* ENOSPC, of what takes space */
        FAULT_QUOTA,       /* EDQUOT, of the same */
        FAULT_IO,          /* EIO, of everything */
        FAULT_DESCRIPTORS, /* EMFILE, of what opens a file */
        FAULT_INTERRUPTED, /* EINTR, of what a signal may interrupt */
        FAULT_SHORT,       /* half of what was to be read or written */
        FAULT_CALLBACK,    /* calls what fault_arm_callback() was given, before what changes something or syncs */
        _FAULT_KIND_MAX,
} FaultKind;

const char *fault_kind_to_string(FaultKind kind);

/* From now on the call with the number, of those that the kind is about, fails; if lasting, all after it, too. */
void fault_arm(FaultKind kind, unsigned number, bool lasting);
/* The callback is called before the call with the number; it may end the process. */
void fault_arm_callback(unsigned number, void (*callback)(void *userdata), void *userdata);
/* Calls are counted and fail only inside. */
void fault_enter(void);
void fault_leave(void);
/* Ends it. Returns true if a call was made to fail. */
bool fault_disarm(void);
