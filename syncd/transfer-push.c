/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/transfer-push.h"

typedef struct PushReport {
        bool unpacked;
        bool updated;
        char reason[256];                 /* behind "ng refs/heads/main" or "unpack" */
        char messages[TRANSFER_TEXT_MAX]; /* what hooks printed */
        size_t messages_size;
} PushReport;

static void packbuilder_freep(git_packbuilder **p) {
        git_packbuilder_free(*p);
}

static void revwalk_freep(git_revwalk **w) {
        git_revwalk_free(*w);
}

/* Reads the advertised references; *ret_main is the zero id if there is no main. The first packet has the
 * capabilities behind a NUL. */
static int read_advertisement(PktStream *s, git_oid *ret_main) {
        git_oid main_tip = {};

        for (;;) {
                char line[GIT_OID_HEXSZ + 1 + 256];
                const uint8_t *data;
                PktType type;
                size_t size;
                int r;

                r = pkt_read(s, &type, &data, &size);
                if (r < 0)
                        return r;
                if (type == PKT_FLUSH)
                        break;
                if (type != PKT_DATA)
                        return -EPROTO;
                size = MIN(size, sizeof(line) - 1);
                memcpy(line, data, size);
                line[size] = 0;
                line[strcspn(line, "\n")] = 0;
                if (startswith(line, "version 1"))
                        continue;
                if (strlen(line) <= GIT_OID_HEXSZ)
                        return -EPROTO;
                if (streq(line + GIT_OID_HEXSZ, " " GIT_STORE_MAIN) &&
                    git_oid_fromstrn(&main_tip, line, GIT_OID_HEXSZ) < 0)
                        return -EPROTO;
        }
        *ret_main = main_tip;
        return 0;
}

static int send_command(PktStream *s, const git_oid *from, const git_oid *to) {
        static const char capabilities[] =
                        " report-status side-band-64k quiet agent=ispstorage/" PROJECT_VERSION;
        char line[512], old[GIT_OID_HEXSZ + 1], new[GIT_OID_HEXSZ + 1];
        int n, r;

        n = snprintf(
                        line,
                        sizeof(line),
                        "%s %s %s%c%s",
                        git_oid_tostr(old, sizeof(old), from),
                        git_oid_tostr(new, sizeof(new), to),
                        GIT_STORE_MAIN,
                        0,
                        capabilities);
        r = pkt_write(s, line, (size_t) n);
        if (r < 0)
                return r;
        return pkt_write_special(s, PKT_FLUSH);
}

static int write_pack_data(void *data, size_t size, void *userdata) {
        PktStream *s = userdata;

        return pkt_write_raw(s, data, size);
}

static int send_pack(GitStore *store, PktStream *s, const git_oid *from, const git_oid *to) {
        _cleanup_(packbuilder_freep) git_packbuilder *builder = NULL;
        _cleanup_(revwalk_freep) git_revwalk *walk = NULL;
        git_repository *repository = git_store_repository(store);
        int r;

        if (git_packbuilder_new(&builder, repository) < 0 || git_revwalk_new(&walk, repository) < 0 ||
            git_revwalk_push(walk, to) < 0)
                return -EIO;
        if (!git_oid_is_zero(from) && git_revwalk_hide(walk, from) < 0)
                return -EIO;
        if (git_packbuilder_insert_walk(builder, walk) < 0)
                return -EIO;
        r = git_packbuilder_foreach(builder, write_pack_data, s);
        /* Our own error comes back through libgit2; its errors are above -100, and none is -EPIPE. */
        return r == -EPIPE ? r : r < 0 ? -EIO : 0;
}

/* One line of the report: gitprotocol-pack(5), "Report Status". */
static void take_report_line(PushReport *report, const char *line) {
        const char *rest;

        if ((rest = startswith(line, "unpack "))) {
                report->unpacked = streq(rest, "ok");
                if (!report->unpacked)
                        (void) snprintf(report->reason, sizeof(report->reason), "%.200s", rest);
        } else if (streq(line, "ok " GIT_STORE_MAIN))
                report->updated = true;
        else if ((rest = startswith(line, "ng " GIT_STORE_MAIN " ")) && !report->reason[0])
                (void) snprintf(report->reason, sizeof(report->reason), "%.200s", rest);
}

/* The report's own packets are cut into the packets of the band at any place. */
typedef struct ReportBuffer {
        char data[4096];
        size_t size;
} ReportBuffer;

static int take_report_data(PushReport *report, ReportBuffer *buf, const uint8_t *data, size_t size) {
        if (size > sizeof(buf->data) - buf->size)
                return -EPROTO;
        memcpy(buf->data + buf->size, data, size);
        buf->size += size;
        while (buf->size >= 4) {
                int n = pkt_line_parse_length(buf->data);
                char line[sizeof(buf->data)];
                size_t whole = n >= 4 ? (size_t) n : 4;

                if (n < 0)
                        return n;
                if (buf->size < whole)
                        break;
                memcpy(line, buf->data + 4, whole - 4);
                line[whole - 4] = 0;
                line[strcspn(line, "\n")] = 0;
                take_report_line(report, line);
                buf->size -= whole;
                memmove(buf->data, buf->data + whole, buf->size);
        }
        return 0;
}

static int read_report(PktStream *s, PushReport *report) {
        ReportBuffer buf = {};

        for (;;) {
                const uint8_t *data;
                PktType type;
                size_t size;
                int r;

                r = pkt_read(s, &type, &data, &size);
                if (r < 0)
                        return r;
                if (type == PKT_FLUSH)
                        return 0;
                if (type != PKT_DATA || size == 0)
                        return -EPROTO;
                data++;
                size--;
                if (data[-1] == 1) {
                        r = take_report_data(report, &buf, data, size);
                        if (r < 0)
                                return r;
                } else {
                        size_t n = MIN(size, sizeof(report->messages) - 1 - report->messages_size);

                        memcpy(report->messages + report->messages_size, data, n);
                        report->messages_size += n;
                }
        }
}

/* What receive-pack says when main moved between its advertisement and the update. */
static bool is_race(const char *reason) {
        static const char *const reasons[] = { "non-fast-forward",         "fetch first",
                                               "cannot lock ref",          "failed to update ref",
                                               "reference already exists", "incorrect old value" };

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

static TransferResult judge_report(PushReport *report, char **ret_text) {
        if (report->unpacked && report->updated)
                return TRANSFER_OK;
        if (report->unpacked && is_race(report->reason))
                return TRANSFER_NON_FAST_FORWARD;
        if (!report->reason[0])
                return TRANSFER_PROTOCOL_ERROR;
        while (report->messages_size > 0 && strchr("\r\n ", report->messages[report->messages_size - 1]))
                report->messages[--report->messages_size] = 0;
        *ret_text = strfmt("%s%s%s", report->reason, report->messages[0] ? ": " : "", report->messages);
        return has_line(report->messages, "quota") ? TRANSFER_QUOTA_EXCEEDED : TRANSFER_REFUSED;
}

static int push(GitStore *store, PktStream *s, const git_oid *from, const git_oid *to, PushReport *report) {
        git_oid tip;
        int r;

        r = read_advertisement(s, &tip);
        if (r < 0)
                return r;
        if (git_oid_equal(&tip, to)) {
                report->unpacked = report->updated = true;
                return pkt_write_special(s, PKT_FLUSH);
        }
        if (!git_oid_equal(&tip, from))
                return -ESTALE;
        r = send_command(s, from, to);
        if (r < 0)
                return r;
        r = send_pack(store, s, from, to);
        /* receive-pack may have refused before it read everything; then its report says why. */
        if (r < 0 && r != -EPIPE)
                return r;
        return read_report(s, report);
}

TransferResult transfer_push(
                GitStore *store,
                SshSession *session,
                const git_oid *from,
                const git_oid *to,
                char **ret_text) {
        PushReport report = {};
        int r;

        *ret_text = NULL;
        r = push(store, ssh_session_stream(session), from, to, &report);
        if (r >= 0)
                return judge_report(&report, ret_text);
        if (r == -ESTALE)
                return TRANSFER_NON_FAST_FORWARD;
        if (r == -EPROTO)
                return TRANSFER_PROTOCOL_ERROR;
        return ssh_session_failure(session, r, ret_text);
}
