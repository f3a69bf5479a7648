/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent-journal.h"

#include <stdarg.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "common/base/str.h"

#define MESSAGE_MAX 1024U
#define FIELDS_MAX 8U

static struct iovec field(const char *text) {
        return (struct iovec) { .iov_base = (char *) (uintptr_t) text, .iov_len = strlen(text) };
}

void agent_journal(int level, const char *message_id, const char *const fields[], const char *format, ...) {
        char message[MESSAGE_MAX] = "MESSAGE=", *text = message + strlen(message);
        struct iovec items[FIELDS_MAX + 3];
        size_t n = 0;
        va_list ap;

        if (level > log_get_max_level())
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(message) - strlen(message), format, ap);
        va_end(ap);

        _cleanup_free_ char *id = strfmt("MESSAGE_ID=%s", message_id), *priority = strfmt("PRIORITY=%d", level);
        if (!getenv("JOURNAL_STREAM") || !id || !priority) {
                (void) log_internal(level, 0, "%s", text);
                return;
        }
        items[n++] = field(message);
        items[n++] = field(id);
        items[n++] = field(priority);
        for (size_t i = 0; fields[i] && i < FIELDS_MAX; i++)
                items[n++] = field(fields[i]);
        if (sd_journal_sendv(items, (int) n) < 0)
                (void) log_internal(level, 0, "%s", text);
}
