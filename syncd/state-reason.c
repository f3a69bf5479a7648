/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/str.h"
#include "syncd/state-reason.h"

#define USEC_PER_SEC UINT64_C(1000000)

typedef struct Text {
        char *buf;
        size_t n;
} Text;

static void add(Text *t, const char *format, ...) _printf_(2, 3);

static void add(Text *t, const char *format, ...) {
        size_t room = STATE_REASON_SIZE - t->n;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(t->buf + t->n, room, format, ap);
        va_end(ap);
        if (n > 0)
                t->n += MIN((size_t) n, room - 1);
}

/* What has no text of its own says it with its word. */
static void add_error(Text *t, SyncWord word, const char *text) {
        add(t, "%s%s%s", sync_word_to_string(word), isempty(text) ? "" : ": ", strempty(text));
}

/* "12 of 340 MB", "340 MB"; in units of a thousand. */
static void add_bytes(Text *t, uint64_t done, uint64_t total) {
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
        uint64_t divisor = 1;
        size_t unit = 0;

        for (; MAX(done, total) / divisor >= 10000 && unit + 1 < ELEMENTSOF(units); unit++)
                divisor *= 1000;
        add(t, " %llu", (unsigned long long) (done / divisor));
        if (total > 0)
                add(t, " of %llu", (unsigned long long) (MAX(done, total) / divisor));
        add(t, " %s", units[unit]);
}

static void add_transfer(Text *t, const StateReason *s, const char *what) {
        uint64_t kbit = s->bytes_per_second / 125;

        add(t, "%s", what);
        if (s->bytes_done > 0 || s->bytes_total > 0)
                add_bytes(t, s->bytes_done, s->bytes_total);
        if (kbit >= 10000)
                add(t, ", %llu Mbit/s", (unsigned long long) (kbit / 1000));
        else if (kbit > 0)
                add(t, ", %llu kbit/s", (unsigned long long) kbit);
        if (s->yielding)
                add(t, " (background: yielding to other traffic)");
        else if (s->limit_kbit > 0 && s->limit_until)
                add(t, " (schedule: %u kbit/s until %s)", s->limit_kbit, s->limit_until);
        else if (s->limit_kbit > 0)
                add(t, " (limit: %u kbit/s)", s->limit_kbit);
}

/* Why nothing may be done at all. */
static void add_not_allowed(Text *t, const StateReason *s) {
        const SyncFsm *m = s->fsm;

        if (!m->facts.enabled)
                add(t, "disabled");
        else if (m->facts.folder == SYNC_WORD_NO_FOLDER)
                add(t, "no folder is configured");
        else if (m->facts.opening)
                add(t, "opening the folder");
        else if (m->facts.folder != SYNC_WORD_NONE)
                add_error(t, m->facts.folder, s->text);
        else if (!m->facts.key_ready)
                add(t, "making the key");
        else if (m->status == SYNC_STATUS_SUSPENDED)
                add(t, "suspended by the operator");
        else if (m->status == SYNC_STATUS_REJECTED)
                add(t, "rejected by the operator");
        else if (m->facts.repository == SYNC_WORD_BAD_REPOSITORY_URL)
                add_error(t, m->facts.repository, s->text);
        else if (m->facts.repository != SYNC_WORD_NONE)
                add(t, "no repository is configured");
        else
                add(t, "waiting for the operator's consent");
}

static void add_pause(Text *t, const StateReason *s) {
        const SyncFsm *m = s->fsm;

        add(t, "waiting %llu s: ", (unsigned long long) ((s->wait_usec + USEC_PER_SEC - 1) / USEC_PER_SEC));
        if (m->last_error != SYNC_WORD_NONE)
                add_error(t, m->last_error, s->text);
        else if (m->changes > 0)
                add(t, "files change while they are sent");
        else if (m->idle_contents > 0)
                add(t, "the server does not send what is missing");
        else
                add(t, "other gateways were faster");
}

static void add_idle(Text *t, const StateReason *s) {
        const SyncFsm *m = s->fsm;

        if (m->last_error != SYNC_WORD_NONE)
                add_error(t, m->last_error, s->text);
        else if (m->prefetching)
                add_transfer(t, s, "fetching what others are sending");
        else if (m->again && !isempty(s->text))
                add(t, "waiting %llu s: %s",
                    (unsigned long long) ((s->wait_usec + USEC_PER_SEC - 1) / USEC_PER_SEC),
                    s->text);
        else
                add(t, "idle");
}

static void add_allowed(Text *t, const StateReason *s) {
        switch (s->fsm->phase) {
        case SYNC_PHASE_FETCH:
                add_transfer(t, s, "asking the server for changes");
                return;
        case SYNC_PHASE_TREE:
                add(t, "looking at the folder");
                return;
        case SYNC_PHASE_CONTENT:
                add_transfer(t, s, "downloading");
                return;
        case SYNC_PHASE_PUSH:
                add_transfer(t, s, "uploading");
                return;
        case SYNC_PHASE_PAUSE:
                add_pause(t, s);
                return;
        case SYNC_PHASE_IDLE:
        default:
                add_idle(t, s);
        }
}

char *state_reason_format(const StateReason *s, char buf[static STATE_REASON_SIZE]) {
        Text t = { .buf = buf };

        buf[0] = 0;
        if (!sync_fsm_is_allowed(s->fsm))
                add_not_allowed(&t, s);
        else if (sync_fsm_state(s->fsm) == SYNC_STATE_HELD)
                add(&t, "held: %s; write Guard.Held to Guard.Confirm",
                    isempty(s->text) ? sync_word_to_string(s->fsm->last_error) : s->text);
        else
                add_allowed(&t, s);
        /* The cut may have gone through a character. */
        for (size_t n = strlen(buf); n > 0 && !utf8_is_valid(buf); n--)
                buf[n - 1] = 0;
        return buf;
}
