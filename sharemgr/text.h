/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A string that is written like a stream. */
#pragma once

#include <stdio.h>

#include "common/base/macro.h"

typedef struct Text {
        FILE *stream;
        char *buffer;
        size_t size;
} Text;

/* 0 or -ENOMEM. What text_done() frees; initialize with {}. */
int text_begin(Text *t);

/* Ends the text and hands the string to the caller. 0 or -ENOMEM. */
int text_end(Text *t, char **ret);

void text_done(Text *t);
#define _cleanup_text_ _cleanup_(text_done)
