/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands and acknowledgements as the queue delivers them, and their topics: the first line is a topic. */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "operator/acs/command.h"
#include "operator/common/topic.h"
#include "tests/fuzz/fuzz.h"

static void parse_topic(const char *text) {
        _cleanup_free_ char *device = NULL, *again = NULL;
        TopicKind kind;

        if (topic_parse(text, &device, &kind) < 0)
                return;
        /* What names a device names it in one way only. */
        if (topic_new(device, kind, &again) < 0 || !streq(again, text))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(command_freep) Command *c = NULL;
        _cleanup_strv_free_ char **ids = NULL;
        _cleanup_free_ char *id = NULL, *cancelled = NULL, *topic = NULL;
        const char *error = NULL, *payload = memchr(data, '\n', size);
        int r;

        if (!payload)
                return 0;
        topic = strndup((const char *) data, (size_t) (payload - (const char *) data));
        if (!topic)
                abort();
        parse_topic(topic);
        payload++;
        size -= (size_t) (payload - (const char *) data);
        r = command_parse(payload, size, &c, &id, &error);
        if (r == 0 && (!c->id || c->kind < 0 || c->kind >= _COMMAND_KIND_MAX))
                abort();
        if (r == -EINVAL && !error)
                abort();
        if (cancel_parse(payload, size, &cancelled) >= 0 && r == 0 && !streq(cancelled, c->id))
                abort();
        (void) ack_parse(payload, size, &ids);
        return 0;
}
