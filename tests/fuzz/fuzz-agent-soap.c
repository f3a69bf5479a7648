/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an ACS answers, from the envelope to the message that the agent gets; and that message back through the agent's
 * own encoding. */
#include <stdlib.h>

#include "agent/session-worker/soap-codec.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

static void check_encoding(const CwmpMessage *m) {
        _cleanup_wire_writer_ WireWriter w = {};

        cwmp_message_put(&w, m);
        if (wire_finish(&w) < 0)
                abort();
        WireReader reader = { .data = w.data, .size = w.size };
        _cleanup_(cwmp_message_freep) CwmpMessage *copy = cwmp_message_get(&reader);
        if (wire_reader_end(&reader) < 0 || !copy || copy->type != m->type || copy->parameters.n != m->parameters.n)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(cwmp_message_freep) CwmpMessage *m = NULL;
        _cleanup_free_ char *text = strndup((const char *) data, size);
        struct soap *soap = malloc(sizeof(*soap));

        if (!text || !soap)
                abort();
        cwmp_soap_init(soap);
        soap_begin(soap);
        soap->is = text;
        if (soap_begin_recv(soap) == SOAP_OK && soap_codec_get(soap, &m) == SOAP_OK) {
                if (!m || m->parameters.n > CWMP_ARRAY_MAX)
                        abort();
                check_encoding(m);
                for (size_t i = 0; i < m->transfers.n; i++)
                        (void) transfer_check(m->transfers.items + i);
        }
        soap->is = NULL;
        soap_destroy(soap);
        soap_end(soap);
        soap_done(soap);
        free(soap);
        return 0;
}
