/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging to the journal, or to standard error where that is not the journal.
 *
 * A function either logs or returns its error, never both (docs/CODING_STYLE.md). Core libraries log at
 * LOG_DEBUG only; the layer that gives up writes the one line. */
#pragma once

#include <syslog.h>

#include "common/base/macro.h"

/* Sets the highest level that is written, LOG_ERR to LOG_DEBUG; the default is LOG_INFO, or what the
 * environment's ISPSTORAGE_LOG_LEVEL names (err, warning, notice, info, debug) once log_open() was called. */
void log_set_max_level(int level);
int log_get_max_level(void);

/* Reads ISPSTORAGE_LOG_LEVEL. Called once, first thing in main(). */
void log_open(void);

/* Writes one line. error is 0 or an errno, positive or negative, which "%m" in the format then names.
 * Returns the error as a negative errno (0 for 0), so that callers can write "return log_error_errno(r, ...)". */
int log_internal(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_full_errno(level, error, ...)                                                                    \
        ({                                                                                                   \
                int _level = (level), _error = (error);                                                      \
                _level <= log_get_max_level() ? log_internal(_level, _error, __VA_ARGS__)                    \
                                              : (_error < 0 ? _error : -_error);                             \
        })

#define log_debug(...) ((void) log_full_errno(LOG_DEBUG, 0, __VA_ARGS__))
#define log_info(...) ((void) log_full_errno(LOG_INFO, 0, __VA_ARGS__))
#define log_notice(...) ((void) log_full_errno(LOG_NOTICE, 0, __VA_ARGS__))
#define log_warning(...) ((void) log_full_errno(LOG_WARNING, 0, __VA_ARGS__))
#define log_error(...) ((void) log_full_errno(LOG_ERR, 0, __VA_ARGS__))

#define log_debug_errno(error, ...) log_full_errno(LOG_DEBUG, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, error, __VA_ARGS__)
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, error, __VA_ARGS__)

#define log_oom() log_error_errno(-ENOMEM, "Out of memory.")
