/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the other end says: a server's git-upload-pack, its git-receive-pack, and the staging trees of other
 * gateways. The first byte tells which. */
#include <fcntl.h>
#include <git2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/receive-pack.h"
#include "syncd/staging-ref.h"
#include "syncd/upload-pack.h"
#include "tests/fuzz/fuzz.h"

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        return 0;
}

static int take_reference(const char *name, const git_oid *id, void *userdata) {
        return strlen(name) <= PKT_DATA_MAX ? 0 : -EINVAL;
}

static void talk_to_upload_pack(PktStream *s, bool wants_main, char **text) {
        PackConsumer consumer = {
                .object = take_object, .blob_max = 4096, .other_max = 4096, .total_max = 65536
        };
        char *prefixes[] = { (char *) "refs/", NULL };
        PackSummary summary;
        git_oid tip;

        if (upload_pack_begin(s, text) < 0 || upload_pack_list(s, prefixes, take_reference, NULL, text) < 0)
                return;
        while (upload_pack_receive(
                               s, wants_main ? "refs/heads/main" : NULL, &tip, &consumer, &summary, text) >=
               0)
                ;
}

static void talk_to_receive_pack(PktStream *s, char **text) {
        _cleanup_free_ PushReport *report = malloc(sizeof(*report));
        git_oid object;

        if (!report || receive_pack_begin(s, take_reference, NULL, text) < 0 ||
            receive_pack_report(s, report, text) < 0)
                return;
        (void) push_report_judge(report, text, &object);
        if (*text && strlen(*text) > TRANSFER_TEXT_MAX)
                abort();
}

static void read_staging_tree(const uint8_t *data, size_t size) {
        GitTreeReader reader;
        GitTreeEntry e;

        git_tree_reader_init(&reader, data, size);
        while (git_tree_next(&reader, &e) > 0) {
                _cleanup_free_ uint8_t *tree = NULL;
                StagingEntry entry, again;
                size_t n;

                if (staging_entry_parse(&e, &entry) < 0)
                        continue;
                /* What is understood is what is written, but for leading zeros. */
                if (staging_tree_write(&entry, 1, &tree, &n) < 0)
                        abort();
                git_tree_reader_init(&reader, tree, n);
                if (git_tree_next(&reader, &e) <= 0 || staging_entry_parse(&e, &again) < 0 ||
                    again.size != entry.size || again.offset != entry.offset || again.group != entry.group)
                        abort();
                return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC),
                            null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        _cleanup_free_ PktStream *s = malloc(sizeof(*s));
        _cleanup_free_ char *text = NULL;

        if (size == 0)
                return 0;
        if (!s || fd < 0 || null < 0 || git_libgit2_init() < 0 || loop_write(fd, data + 1, size - 1) < 0 ||
            lseek(fd, 0, SEEK_SET) < 0)
                abort();
        pkt_stream_init(s, fd, null);
        switch (data[0] % 4) {
        case 0:
        case 1:
                talk_to_upload_pack(s, data[0] % 4 == 1, &text);
                break;
        case 2:
                talk_to_receive_pack(s, &text);
                break;
        default:
                read_staging_tree(data + 1, size - 1);
        }
        return 0;
}
