/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/receive-pack.h"
#include "syncd/side-band.h"

#define REFERENCES_MAX 65536U
/* The report's packets are cut into those of the band at any place. A line of it names a reference and a
 * reason. */
#define REPORT_LINE_MAX 4096U

static int check_capabilities(const char *capabilities) {
        static const char *const needed[] = { "report-status", "side-band-64k", "atomic", "delete-refs" };
        _cleanup_strv_free_ char **words = NULL;

        if (strv_split(capabilities, " ", &words) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(needed); i++)
                if (!strv_contains(words, needed[i]))
                        return -EBADMSG;
        return 0;
}

/* A packet as text; behind a NUL the first one has the capabilities. 0 at the flush, else 1. */
static int read_line(PktStream *s, char **ret_capabilities, char **text) {
        const uint8_t *data;
        const char *message;
        PktType type;
        size_t size;
        int r;

        r = pkt_read(s, &type, &data, &size);
        if (r < 0)
                return r;
        if (type == PKT_FLUSH)
                return 0;
        if (type != PKT_DATA)
                return -EBADMSG;
        memcpy(s->line, data, size);
        s->line[size] = 0;
        s->line[strcspn(s->line, "\n")] = 0;
        message = startswith(s->line, "ERR ");
        if (message) {
                side_band_set_text(text, message, strlen(message));
                return -EREMOTEIO;
        }
        *ret_capabilities = strlen(s->line) < size ? s->line + strlen(s->line) + 1 : NULL;
        if (*ret_capabilities)
                (*ret_capabilities)[strcspn(*ret_capabilities, "\n")] = 0;
        return 1;
}

int receive_pack_begin(PktStream *s, ReceivePackReferenceHandler handler, void *userdata, char **text) {
        bool checked = false;
        int r, failed = 0;

        for (unsigned i = 0; i < REFERENCES_MAX; i++) {
                const char *name;
                char *capabilities;
                git_oid id;

                r = read_line(s, &capabilities, text);
                if (r < 0)
                        return r;
                if (r == 0)
                        return checked ? failed : -EBADMSG;
                if (!checked && startswith(s->line, "version 1"))
                        continue;
                if (!checked) {
                        r = capabilities ? check_capabilities(capabilities) : -EBADMSG;
                        if (r < 0)
                                return r;
                        checked = true;
                }
                if (strlen(s->line) <= GIT_OID_HEXSZ + 1 || s->line[GIT_OID_HEXSZ] != ' ' ||
                    git_oid_fromstrn(&id, s->line, GIT_OID_HEXSZ) < 0)
                        return -EBADMSG;
                name = s->line + GIT_OID_HEXSZ + 1;
                /* The place of the capabilities where there are no references. */
                if (streq(name, "capabilities^{}") || failed < 0)
                        continue;
                failed = handler(name, &id, userdata);
        }
        return -EBADMSG;
}

int receive_pack_command(PktStream *s, const PushCommand *commands, size_t n) {
        for (size_t i = 0; i < n; i++) {
                static const char capabilities[] = " report-status side-band-64k atomic quiet";
                char line[1024], old[GIT_OID_HEXSZ + 1], new[GIT_OID_HEXSZ + 1];
                int k, r;

                k = snprintf(line,
                             sizeof(line),
                             "%s %s %s%c%s",
                             git_oid_tostr(old, sizeof(old), &commands[i].old),
                             git_oid_tostr(new, sizeof(new), &commands[i].new),
                             commands[i].name,
                             0,
                             i == 0 ? capabilities : "");
                if (k < 0 || (size_t) k >= sizeof(line))
                        return -E2BIG;
                r = pkt_write(s, line, (size_t) k - (i > 0));
                if (r < 0)
                        return r;
        }
        return pkt_write_special(s, PKT_FLUSH);
}

/* gitprotocol-pack(5), "Report Status". */
static void take_report_line(PushReport *report, const char *line) {
        const char *rest, *reason;

        if ((rest = startswith(line, "unpack "))) {
                report->unpacked = streq(rest, "ok");
                if (!report->unpacked)
                        (void) snprintf(report->reason, sizeof(report->reason), "%.200s", rest);
        } else if (startswith(line, "ok "))
                report->updated++;
        else if ((rest = startswith(line, "ng "))) {
                report->refused++;
                reason = strchr(rest, ' ');
                if (reason && !report->reason[0])
                        (void) snprintf(report->reason, sizeof(report->reason), "%.200s", reason + 1);
        }
}

static void take_message(const char *data, size_t size, void *userdata) {
        PushReport *report = userdata;
        size_t n = MIN(size, sizeof(report->messages) - 1 - report->messages_size);

        memcpy(report->messages + report->messages_size, data, n);
        report->messages_size += n;
}

/* Takes the whole lines from the front of the buffer. 1 if the report is at its end. */
static int take_lines(PushReport *report, char *buf, size_t *size) {
        while (*size >= 4) {
                int n = pkt_line_parse_length(buf);
                size_t whole = n >= 4 ? (size_t) n : 4;
                char line[REPORT_LINE_MAX + 1];

                if (n < 0 || whole > REPORT_LINE_MAX)
                        return -EBADMSG;
                if (*size < whole)
                        break;
                memcpy(line, buf + 4, whole - 4);
                line[whole - 4] = 0;
                line[strcspn(line, "\n")] = 0;
                *size -= whole;
                memmove(buf, buf + whole, *size);
                if (n == 0)
                        return 1;
                take_report_line(report, line);
        }
        return 0;
}

int receive_pack_report(PktStream *s, PushReport *ret, char **text) {
        SideBand band = { .stream = s, .text = text, .message = take_message, .userdata = ret };
        char buf[2 * REPORT_LINE_MAX];
        size_t held = 0;
        int r, ended = 0;

        *ret = (PushReport){};
        for (;;) {
                const uint8_t *data;
                size_t size;

                r = side_band_read(&data, &size, &band);
                if (r < 0)
                        return r;
                if (r == 0)
                        return ended ? 0 : -EBADMSG;
                while (size > 0 && !ended) {
                        size_t n = MIN(size, sizeof(buf) - held);

                        memcpy(buf + held, data, n);
                        held += n;
                        data += n;
                        size -= n;
                        ended = take_lines(ret, buf, &held);
                        if (ended < 0)
                                return ended;
                }
        }
}

/* What receive-pack says when a reference moved between its advertisement and the update. */
static bool is_race(const char *reason) {
        static const char *const reasons[] = { "non-fast-forward",          "fetch first",
                                               "cannot lock ref",           "failed to update ref",
                                               "reference already exists",  "incorrect old value",
                                               "atomic transaction failed", "atomic push failure" };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (strstr(reason, reasons[i]))
                        return true;
        return false;
}

static bool has_line(const char *text, const char *beginning) {
        for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (startswith(line, beginning))
                        return true;
        return false;
}

/* git fsck's "error: object <id>: <what>: <sentence>". */
static git_oid find_refused_object(const char *messages) {
        git_oid id = {};

        for (const char *p = messages; (p = strstr(p, "object ")); p++)
                if (git_oid_fromstrn(&id, p + strlen("object "), GIT_OID_HEXSZ) == 0 &&
                    p[strlen("object ") + GIT_OID_HEXSZ] == ':')
                        return id;
        return (git_oid){};
}

TransferResult push_report_judge(PushReport *report, char **ret_text, git_oid *ret_object) {
        *ret_object = (git_oid){};
        if (report->unpacked && report->refused == 0)
                return TRANSFER_OK;
        if (report->unpacked && is_race(report->reason))
                return TRANSFER_NON_FAST_FORWARD;
        if (!report->reason[0])
                return TRANSFER_PROTOCOL_ERROR;
        if (!report->unpacked)
                *ret_object = find_refused_object(report->messages);
        while (report->messages_size > 0 && strchr("\r\n ", report->messages[report->messages_size - 1]))
                report->messages[--report->messages_size] = 0;
        *ret_text = strfmt("%s%s%s", report->reason, report->messages[0] ? ": " : "", report->messages);
        if (*ret_text)
                side_band_set_text(ret_text, *ret_text, strlen(*ret_text));
        return has_line(report->messages, "quota") ? TRANSFER_QUOTA_EXCEEDED : TRANSFER_REFUSED;
}
