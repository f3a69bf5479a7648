/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

/* A line is cut here: messages quote input from outside, which must not fill the journal. */
#define LOG_LINE_MAX 2048U

static int log_max_level = LOG_INFO;

static const struct {
        const char *name;
        int level;
} level_names[] = {
        { "err", LOG_ERR },
        { "warning", LOG_WARNING },
        { "notice", LOG_NOTICE },
        { "info", LOG_INFO },
        { "debug", LOG_DEBUG },
};

void log_set_max_level(int level) {
        assert(level >= LOG_ERR && level <= LOG_DEBUG);
        log_max_level = level;
}

int log_get_max_level(void) {
        return log_max_level;
}

void log_open(void) {
        const char *e = getenv("ISPSTORAGE_LOG_LEVEL");

        for (size_t i = 0; e && i < ELEMENTSOF(level_names); i++)
                if (strcmp(e, level_names[i].name) == 0)
                        log_max_level = level_names[i].level;
}

int log_internal(int level, int error, const char *format, ...) {
        int saved_errno = errno;
        char line[LOG_LINE_MAX];
        va_list ap;

        errno = abs(error);
        va_start(ap, format);
        (void) vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);

        /* A newline in quoted input would start a forged line. */
        for (char *p = line; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';

        /* The level prefix is what systemd reads from a service's standard error (sd-daemon(3)). */
        if (getenv("JOURNAL_STREAM"))
                (void) dprintf(STDERR_FILENO, "<%d>%s\n", level, line);
        else
                (void) dprintf(STDERR_FILENO, "%s\n", line);

        errno = saved_errno;
        return error < 0 ? error : -error;
}
