/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: sends or receives zeros through ssh as a transfer does, at the pace that its command sets.
 *
 *      paced-stream up|down SECONDS DIRECTORY URL CONTROL-PATH [FIELD=VALUE...]
 *
 * DIRECTORY has key and known_hosts. Prints "begun" when the first bytes have passed; in the end, after so many
 * seconds (0: never) or a failure, "<result> <bytes>". The fields are those of transfer-pace.h. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/ssh-session.h"
#include "syncd/transfer-pace.h"
#include "syncd/worker-message.h"

#define PIECE_MAX 32768U

typedef struct Stream {
        TransferPace pace;
        SshSession *session;
        bool up;
        uint64_t until; /* 0: no end */
        uint64_t bytes;
} Stream;

static int move_piece(Stream *s) {
        static const uint8_t zeros[PIECE_MAX];
        PktStream *stream = ssh_session_stream(s->session);
        uint8_t buf[PIECE_MAX];
        ssize_t n;

        if (s->up) {
                n = (ssize_t) MIN(rate_limit_quantum(&s->pace.up), sizeof(zeros));
                rate_limit_take(&s->pace.up, (size_t) n);
                int r = pkt_write_raw(stream, zeros, (size_t) n);
                if (r < 0)
                        return r;
        } else {
                n = read(stream->in_fd, buf, MIN(rate_limit_quantum(&s->pace.down), sizeof(buf)));
                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                rate_limit_take(&s->pace.down, (size_t) n);
        }
        if (s->bytes == 0) {
                puts("begun");
                (void) fflush(stdout);
        }
        s->bytes += (uint64_t) n;
        return 0;
}

static int move(Stream *s) {
        int r = 0;

        while (r >= 0 && (s->until == 0 || rate_clock_monotonic.now(NULL) < s->until)) {
                transfer_pace_poll(&s->pace);
                r = move_piece(s);
        }
        return r;
}

int main(int argc, char *argv[]) {
        SshTarget target = {};
        Stream s = {};
        int fds[2], r;
        uint32_t seconds;
        _cleanup_free_ char *key_path = NULL, *known_hosts_path = NULL;
        char *text = NULL;
        TransferResult result = TRANSFER_OK;

        if (argc < 6 || parse_uint32(argv[2], &seconds) < 0 || repository_url_parse(argv[4], &target.url) < 0 ||
            signal(SIGPIPE, SIG_IGN) == SIG_ERR || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) < 0)
                return EXIT_FAILURE;
        key_path = strfmt("%s/key", argv[3]);
        known_hosts_path = strfmt("%s/known_hosts", argv[3]);
        if (!key_path || !known_hosts_path)
                return EXIT_FAILURE;
        target.key_path = key_path;
        target.known_hosts_path = known_hosts_path;
        target.control_path = *argv[5] ? argv[5] : NULL;
        transfer_pace_init(&s.pace, fds[0], target.url.port);
        if (transfer_pace_begin(&s.pace, argv + 6) < 0)
                return EXIT_FAILURE;
        target.background = s.pace.background;
        s.up = streq(argv[1], "up");
        if (ssh_session_new(&s.session, &target, s.up ? "git-receive-pack" : "git-upload-pack") < 0)
                return EXIT_FAILURE;
        s.until = seconds > 0 ? rate_clock_monotonic.now(NULL) + (uint64_t) seconds * 1000000 : 0;
        r = move(&s);
        if (r < 0)
                result = ssh_session_failure(s.session, r, &text);
        printf("%s %llu\n", transfer_result_to_string(result), (unsigned long long) s.bytes);
        if (text)
                fprintf(stderr, "%s\n", text);
        ssh_session_free(s.session);
        transfer_pace_clear(&s.pace);
        free(text);
        return EXIT_SUCCESS;
}
