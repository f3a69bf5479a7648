/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/bandwidth-schedule.h"

#define DAY_MINUTES 1440U
#define EVERY_DAY 0x7fU
/* The longest word of an entry: seven days with their signs. */
#define WORD_SIZE 64U
#define LIST_BLANKS " \t"

static const char *const day_names[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* Returns the number of the day, or -EINVAL. */
static int parse_day(const char *s) {
        for (int i = 0; i < (int) ELEMENTSOF(day_names); i++)
                if (strncmp(s, day_names[i], 3) == 0)
                        return i;
        return -EINVAL;
}

static int parse_days(const char *s, uint8_t *ret) {
        uint8_t days = 0;

        for (;; s++) {
                int first = parse_day(s), last = first;

                if (first < 0)
                        return first;
                s += 3;
                if (*s == '-') {
                        last = parse_day(s + 1);
                        if (last < 0)
                                return last;
                        s += 4;
                }
                for (int i = first;; i = (i + 1) % 7) {
                        days |= (uint8_t) (1U << i);
                        if (i == last)
                                break;
                }
                if (*s == 0)
                        break;
                if (*s != '+')
                        return -EINVAL;
        }
        *ret = days;
        return 0;
}

/* Five characters; returns minutes, or -EINVAL. */
static int parse_time(const char *s) {
        int hours, minutes;

        for (size_t i = 0; i < 5; i++)
                if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
                        return -EINVAL;
        hours = (s[0] - '0') * 10 + s[1] - '0';
        minutes = (s[3] - '0') * 10 + s[4] - '0';
        return minutes > 59 || hours * 60 + minutes > (int) DAY_MINUTES ? -EINVAL : hours * 60 + minutes;
}

static int parse_times(const char *s, BandwidthEntry *e) {
        int begin, end;

        if (strlen(s) != 11 || s[5] != '-')
                return -EINVAL;
        begin = parse_time(s);
        end = parse_time(s + 6);
        if (begin < 0 || end < 0 || begin == end || begin == (int) DAY_MINUTES)
                return -EINVAL;
        e->begin = (uint16_t) begin;
        e->end = (uint16_t) (end > begin ? end : end + (int) DAY_MINUTES);
        return 0;
}

static int parse_limit(const char *s, BandwidthEntry *e) {
        const char *value = startswith(s, "up=");
        bool up = value;

        if (!value)
                value = startswith(s, "down=");
        if (!value || (up ? e->has_up : e->has_down))
                return -EINVAL;
        if (up)
                e->has_up = true;
        else
                e->has_down = true;
        return parse_uint32(value, up ? &e->limits.up : &e->limits.down);
}

/* Takes the next word of the entry that ends at end. Returns false if there is none; a word that is too long
 * is cut, which makes it wrong. */
static bool next_word(const char **s, const char *end, char word[static WORD_SIZE]) {
        size_t n;

        *s += strspn(*s, LIST_BLANKS);
        if (*s >= end)
                return false;
        n = MIN(strcspn(*s, LIST_BLANKS), (size_t) (end - *s));
        (void) snprintf(word, WORD_SIZE, "%.*s", (int) MIN(n, (size_t) WORD_SIZE), *s);
        *s += n;
        return true;
}

/* On failure word is what is wrong, *ret_reason why. */
static int parse_entry(
                const char *s,
                const char *end,
                BandwidthEntry *ret,
                char word[static WORD_SIZE],
                const char **ret_reason) {

        BandwidthEntry e = { .days = EVERY_DAY };

        word[0] = 0;
        *ret_reason = "it is empty";
        if (!next_word(&s, end, word))
                return -EINVAL;
        if (word[0] < '0' || word[0] > '9') {
                *ret_reason = "not days like Mon-Fri or Sat+Sun";
                if (parse_days(word, &e.days) < 0)
                        return -EINVAL;
                *ret_reason = "a time like 08:00-18:00 is missing";
                if (!next_word(&s, end, word))
                        return -EINVAL;
        }
        *ret_reason = "not a time like 08:00-18:00";
        if (parse_times(word, &e) < 0)
                return -EINVAL;
        *ret_reason = "a limit like up=512 or down=0, in kbit/s, is missing";
        if (!next_word(&s, end, word))
                return -EINVAL;
        *ret_reason = "not a limit like up=512 or down=0, in kbit/s, each once";
        do
                if (parse_limit(word, &e) < 0)
                        return -EINVAL;
        while (next_word(&s, end, word));
        *ret = e;
        return 0;
}

int bandwidth_schedule_parse(const char *s, BandwidthSchedule *ret, char error[static BANDWIDTH_ERROR_SIZE]) {
        BandwidthSchedule schedule = {};

        if (s[strspn(s, LIST_BLANKS)] == 0) {
                *ret = schedule;
                return 0;
        }
        for (;; s++) {
                const char *end = strchrnul(s, ','), *reason;
                char word[WORD_SIZE];

                if (schedule.n == BANDWIDTH_ENTRIES_MAX) {
                        (void) snprintf(error, BANDWIDTH_ERROR_SIZE, "More than %u entries.", BANDWIDTH_ENTRIES_MAX);
                        return -E2BIG;
                }
                if (parse_entry(s, end, &schedule.entries[schedule.n++], word, &reason) < 0) {
                        (void) snprintf(
                                        error,
                                        BANDWIDTH_ERROR_SIZE,
                                        "Entry %zu, \"%s\": %s.",
                                        schedule.n,
                                        word,
                                        reason);
                        return -EINVAL;
                }
                s = end;
                if (*s == 0)
                        break;
        }
        *ret = schedule;
        return 0;
}

/* Whether the entry holds so many minutes after the beginning of that day. */
static bool holds(const BandwidthEntry *e, unsigned wday, unsigned minute) {
        unsigned day_before = (wday + 6) % 7;

        return ((e->days >> wday & 1U) && minute >= e->begin && minute < e->end) ||
               ((e->days >> day_before & 1U) && minute + DAY_MINUTES < e->end);
}

/* That minute of the day which is so many days after the one of tm. */
static time_t time_of(const struct tm *tm, int days, unsigned minute) {
        struct tm t = {
                .tm_year = tm->tm_year,
                .tm_mon = tm->tm_mon,
                .tm_mday = tm->tm_mday + days,
                .tm_hour = (int) (minute / 60),
                .tm_min = (int) (minute % 60),
                .tm_isdst = -1,
        };

        return mktime(&t);
}

static time_t next_change(const BandwidthEntry *e, const struct tm *tm, time_t now) {
        time_t next = 0;

        /* From yesterday, for what goes on over midnight, to the same day of the next week. */
        for (int days = -1; days <= 7; days++) {
                const unsigned minutes[] = { e->begin, e->end };

                if (!(e->days >> ((unsigned) (tm->tm_wday + 7 + days) % 7) & 1U))
                        continue;
                for (size_t i = 0; i < ELEMENTSOF(minutes); i++) {
                        time_t t = time_of(tm, days, minutes[i]);

                        if (t > now && (next == 0 || t < next))
                                next = t;
                }
        }
        return next;
}

void bandwidth_schedule_evaluate(
                const BandwidthSchedule *schedule,
                const BandwidthLimits *otherwise,
                time_t now,
                BandwidthLimits *ret,
                time_t *ret_until,
                bool *ret_scheduled) {

        BandwidthLimits limits = *otherwise;
        bool scheduled = false;
        time_t until = 0;
        struct tm tm;

        (void) localtime_r(&now, &tm);
        for (size_t i = 0; i < schedule->n; i++) {
                const BandwidthEntry *e = &schedule->entries[i];
                time_t next = next_change(e, &tm, now);

                if (next > 0 && (until == 0 || next < until))
                        until = next;
                if (!holds(e, (unsigned) tm.tm_wday, (unsigned) (tm.tm_hour * 60 + tm.tm_min)))
                        continue;
                scheduled = true;
                limits.up = e->has_up ? e->limits.up : otherwise->up;
                limits.down = e->has_down ? e->limits.down : otherwise->down;
        }
        *ret = limits;
        *ret_until = until;
        *ret_scheduled = scheduled;
}
