/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/transfer-fetch.h"

/* gitprotocol-pack(5), "side-band-64k". */
enum {
        BAND_PACK = 1,
        BAND_PROGRESS = 2,
        BAND_ERROR = 3,
};

static void writepack_freep(git_odb_writepack **w) {
        if (*w)
                (*w)->free(*w);
}

/* A line "ERR text" ends any conversation. Returns -EREMOTEIO then. */
static int check_error_line(const char *line, char **text) {
        const char *message = line ? startswith(line, "ERR ") : NULL;

        if (!message)
                return 0;
        free(*text);
        *text = strndup(message, TRANSFER_TEXT_MAX);
        return -EREMOTEIO;
}

/* Reads the server's capabilities up to the flush. -EPROTO if it does not speak version 2. */
static int read_advertisement(PktStream *s, char **text) {
        const char *line;
        bool first = true;
        int r;

        for (;;) {
                r = pkt_read_line(s, &line);
                if (r >= 0)
                        r = check_error_line(line, text);
                if (r < 0)
                        return r;
                if (first && (!line || !streq(line, "version 2")))
                        return -EPROTO;
                if (!line)
                        return 0;
                if (startswith(line, "object-format=") && !streq(line, "object-format=sha1"))
                        return -EPROTO;
                first = false;
        }
}

static int begin_command(PktStream *s, const char *command) {
        int r;

        if ((r = pkt_write_line(s, "command=%s\n", command)) < 0 ||
            (r = pkt_write_line(s, "agent=ispstorage/" PROJECT_VERSION "\n")) < 0)
                return r;
        return pkt_write_special(s, PKT_DELIM);
}

/* *ret_tip is the zero id if there is no main. */
static int list_main(PktStream *s, git_oid *ret_tip, char **text) {
        git_oid tip = {};
        const char *line;
        int r;

        if ((r = begin_command(s, "ls-refs")) < 0 ||
            (r = pkt_write_line(s, "ref-prefix %s\n", GIT_STORE_MAIN)) < 0 ||
            (r = pkt_write_special(s, PKT_FLUSH)) < 0)
                return r;
        for (;;) {
                r = pkt_read_line(s, &line);
                if (r >= 0)
                        r = check_error_line(line, text);
                if (r < 0)
                        return r;
                if (!line)
                        break;
                /* The prefix also matches "refs/heads/main2". */
                if (strlen(line) <= GIT_OID_HEXSZ || !streq(line + GIT_OID_HEXSZ, " " GIT_STORE_MAIN))
                        continue;
                if (git_oid_fromstrn(&tip, line, GIT_OID_HEXSZ) < 0)
                        return -EPROTO;
        }
        *ret_tip = tip;
        return 0;
}

static int request_pack(PktStream *s, const git_oid *want, const git_oid *have) {
        char hex[GIT_OID_HEXSZ + 1];
        int r;

        /* No "thin-pack": the pack stays complete in itself, and so readable whatever happens to older
         * objects. */
        if ((r = begin_command(s, "fetch")) < 0 || (r = pkt_write_line(s, "ofs-delta\n")) < 0 ||
            (r = pkt_write_line(s, "no-progress\n")) < 0 ||
            (r = pkt_write_line(s, "want %s\n", git_oid_tostr(hex, sizeof(hex), want))) < 0)
                return r;
        if (!git_oid_is_zero(have)) {
                r = pkt_write_line(s, "have %s\n", git_oid_tostr(hex, sizeof(hex), have));
                if (r < 0)
                        return r;
        }
        r = pkt_write_line(s, "done\n");
        if (r < 0)
                return r;
        return pkt_write_special(s, PKT_FLUSH);
}

/* The bands of the section "packfile", up to the flush. */
static int receive_pack(PktStream *s, git_odb_writepack *pack, char **text) {
        git_indexer_progress progress = {};
        const uint8_t *data;
        PktType type;
        size_t size;
        int r;

        for (;;) {
                r = pkt_read(s, &type, &data, &size);
                if (r < 0)
                        return r;
                if (type == PKT_FLUSH)
                        return pack->commit(pack, &progress) < 0 ? -EPROTO : 0;
                if (type != PKT_DATA || size == 0)
                        return -EPROTO;
                switch (data[0]) {
                case BAND_PACK:
                        /* A band may be empty: upload-pack's sign of life. */
                        if (size > 1 && pack->append(pack, data + 1, size - 1, &progress) < 0)
                                return -EPROTO;
                        break;
                case BAND_PROGRESS:
                        break;
                case BAND_ERROR:
                        while (size > 1 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
                                size--;
                        free(*text);
                        *text = strndup((const char *) data + 1, MIN(size - 1, TRANSFER_TEXT_MAX));
                        return -EREMOTEIO;
                default:
                        return -EPROTO;
                }
        }
}

static int fetch_objects(
                GitStore *store,
                PktStream *s,
                const git_oid *want,
                const git_oid *have,
                char **text) {

        _cleanup_(writepack_freep) git_odb_writepack *pack = NULL;
        const char *line;
        int r;

        r = request_pack(s, want, have);
        if (r < 0)
                return r;
        r = pkt_read_line(s, &line);
        if (r >= 0)
                r = check_error_line(line, text);
        if (r < 0)
                return r;
        if (!line || !streq(line, "packfile"))
                return -EPROTO;
        if (git_odb_write_pack(&pack, git_store_odb(store), NULL, NULL) < 0)
                return -EIO;
        return receive_pack(s, pack, text);
}

static int check_tip(GitStore *store, const git_oid *known, bool another, const git_oid *tip) {
        int r = git_store_check_descent(store, known, tip);

        return r == -EXDEV && another ? git_store_check_descent(store, &(git_oid) {}, tip) : r;
}

static int fetch(
                GitStore *store, PktStream *s, const git_oid *known, bool another, git_oid *ret_tip, char **text) {
        git_oid tip;
        int r;

        r = read_advertisement(s, text);
        if (r < 0)
                return r;
        r = list_main(s, &tip, text);
        if (r < 0)
                return r;
        if (!git_oid_equal(&tip, known)) {
                if (git_oid_is_zero(&tip)) {
                        *ret_tip = tip;
                        return another ? 0 : -EXDEV;
                }
                r = fetch_objects(store, s, &tip, known, text);
                if (r < 0)
                        return r;
                r = check_tip(store, known, another, &tip);
                if (r < 0)
                        return r;
        }
        *ret_tip = tip;
        return 0;
}

TransferResult transfer_fetch(
                GitStore *store,
                SshSession *session,
                const git_oid *known,
                bool another,
                git_oid *ret_tip,
                char **ret_text) {
        _cleanup_free_ char *text = NULL;
        TransferResult result = TRANSFER_OK;
        git_oid tip;
        int r;

        *ret_text = NULL;
        r = fetch(store, ssh_session_stream(session), known, another, &tip, &text);
        if (r >= 0)
                *ret_tip = tip;
        else if (r == -EREMOTEIO)
                result = TRANSFER_REFUSED;
        else if (r == -EPROTO)
                result = TRANSFER_PROTOCOL_ERROR;
        else if (r == -EXDEV)
                result = TRANSFER_HISTORY_REWRITTEN;
        else
                return ssh_session_failure(session, r, ret_text);
        *ret_text = TAKE_PTR(text);
        return result;
}
