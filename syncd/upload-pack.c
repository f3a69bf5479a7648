/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/side-band.h"
#include "syncd/transfer-result.h"
#include "syncd/upload-pack.h"

/* A server has about ten capabilities, and one of them lists its features. */
#define CAPABILITIES_MAX 64U
/* References of one repository: main, and the staging refs of its gateways. */
#define REFERENCES_MAX 65536U

/* Reads a line. A line "ERR text" ends any conversation. */
static int read_line(PktStream *s, const char **ret, char **text) {
        const char *message;
        int r;

        r = pkt_read_line(s, ret);
        if (r < 0 || !*ret)
                return r;
        message = startswith(*ret, "ERR ");
        if (!message)
                return 0;
        side_band_set_text(text, message, strlen(message));
        return -EREMOTEIO;
}

int upload_pack_begin(PktStream *s, char **text) {
        bool can_fetch = false;
        const char *line, *features;

        for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
                int r = read_line(s, &line, text);

                if (r < 0)
                        return r;
                if (i == 0 && (!line || !streq(line, "version 2")))
                        return -EBADMSG;
                if (!line)
                        return can_fetch ? 0 : -EBADMSG;
                if (startswith(line, "object-format=") && !streq(line, "object-format=sha1"))
                        return -EBADMSG;
                features = startswith(line, "fetch=");
                if (features)
                        can_fetch = has_word(features, "filter") && has_word(features, "ref-in-want");
        }
        return -EBADMSG;
}

/* "<id> <name>" and attributes behind it. */
static int parse_reference(char *line, git_oid *ret_id, const char **ret_name) {
        char *name = line + GIT_OID_HEXSZ + 1;

        if (strlen(line) <= GIT_OID_HEXSZ + 1 || line[GIT_OID_HEXSZ] != ' ' ||
            git_oid_fromstrn(ret_id, line, GIT_OID_HEXSZ) < 0)
                return -EBADMSG;
        name[strcspn(name, " ")] = 0;
        *ret_name = name;
        return 0;
}

int upload_pack_list(
                PktStream *s,
                char *const *prefixes,
                UploadPackReferenceHandler handler,
                void *userdata,
                char **text) {
        const char *line, *name;
        int r, failed = 0;

        if ((r = pkt_write_line(s, "command=ls-refs\n")) < 0 || (r = pkt_write_special(s, PKT_DELIM)) < 0)
                return r;
        STRV_FOREACH (prefix, prefixes) {
                r = pkt_write_line(s, "ref-prefix %s\n", *prefix);
                if (r < 0)
                        return r;
        }
        r = pkt_write_special(s, PKT_FLUSH);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < REFERENCES_MAX; i++) {
                git_oid id;

                r = read_line(s, &line, text);
                if (r < 0)
                        return r;
                if (!line)
                        return failed;
                r = parse_reference(s->line, &id, &name);
                if (r < 0)
                        return r;
                if (failed >= 0)
                        failed = handler(name, &id, userdata);
        }
        return -EBADMSG;
}

int upload_pack_request(PktStream *s, const UploadPackRequest *q) {
        char hex[GIT_OID_HEXSZ + 1];
        int r;

        assert(q->n_wants <= UPLOAD_PACK_WANTS_MAX && q->n_have_trees <= UPLOAD_PACK_HAVE_TREES_MAX);
        if ((r = pkt_write_line(s, "command=fetch\n")) < 0 || (r = pkt_write_special(s, PKT_DELIM)) < 0 ||
            (r = pkt_write_line(s, "no-progress\n")) < 0 ||
            (q->thin && (r = pkt_write_line(s, "thin-pack\n")) < 0) ||
            (q->filter && (r = pkt_write_line(s, "filter %s\n", q->filter)) < 0) ||
            (q->want_reference && (r = pkt_write_line(s, "want-ref %s\n", q->want_reference)) < 0))
                return r;
        for (size_t i = 0; i < q->n_wants; i++) {
                r = pkt_write_line(s, "want %s\n", git_oid_tostr(hex, sizeof(hex), q->wants + i));
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < q->n_have_trees; i++) {
                r = pkt_write_line(s, "have %s\n", git_oid_tostr(hex, sizeof(hex), q->have_trees + i));
                if (r < 0)
                        return r;
        }
        if ((q->have &&
             (r = pkt_write_line(s, "have %s\n", git_oid_tostr(hex, sizeof(hex), q->have))) < 0) ||
            ((!q->have || q->certain) && (r = pkt_write_line(s, "done\n")) < 0) ||
            (r = pkt_write_special(s, PKT_FLUSH)) < 0)
                return r;
        return pkt_flush(s);
}

/* The section before the pack: the one reference that was asked for, and a delimiter. */
static int read_wanted_references(PktStream *s, const char *want_reference, git_oid *ret_tip, char **text) {
        const char *line, *name;
        bool found = false;

        for (unsigned i = 0; i < 2; i++) {
                git_oid id;
                int r = read_line(s, &line, text);

                if (r < 0)
                        return r;
                if (!line)
                        return found ? 0 : -EBADMSG;
                r = parse_reference(s->line, &id, &name);
                if (r < 0)
                        return r;
                if (!streq(name, want_reference))
                        return -EBADMSG;
                *ret_tip = id;
                found = true;
        }
        return -EBADMSG;
}

/* The rest of the section before that, if the request was not done. 0 if more follows, or -ESTALE. */
static int read_acknowledgments(PktStream *s, char **text) {
        bool ready = false;
        const char *line;

        /* "ACK <id>" for each that the server has, or "NAK", and "ready". */
        for (unsigned i = 0; i < UPLOAD_PACK_HAVE_TREES_MAX + 3; i++) {
                int r = read_line(s, &line, text);

                if (r < 0)
                        return r;
                if (!line)
                        return ready ? 0 : -ESTALE;
                ready = ready || streq(line, "ready");
        }
        return -EBADMSG;
}

int upload_pack_receive(
                PktStream *s,
                const char *want_reference,
                git_oid *ret_tip,
                const PackConsumer *consumer,
                PackSummary *ret_summary,
                char **text) {

        SideBand band = { .stream = s, .text = text };
        PackSource source = { .read = side_band_read, .userdata = &band };
        const char *line;
        int r;

        *ret_summary = (PackSummary){};
        r = read_line(s, &line, text);
        if (r >= 0 && want_reference && line && streq(line, "acknowledgments")) {
                r = read_acknowledgments(s, text);
                if (r >= 0)
                        r = read_line(s, &line, text);
        }
        if (r >= 0 && want_reference) {
                if (!line || !streq(line, "wanted-refs"))
                        return -EBADMSG;
                r = read_wanted_references(s, want_reference, ret_tip, text);
                if (r >= 0)
                        r = read_line(s, &line, text);
        }
        if (r < 0)
                return r;
        if (!line || !streq(line, "packfile"))
                return -EBADMSG;
        return pack_read(&source, consumer, ret_summary);
}
