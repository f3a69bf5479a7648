/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who connects to port 7547: whatever they say, nobody without the password opens a session. */
#include <stdlib.h>

#include "agent/core/connection-request.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(connection_requests_freep) ConnectionRequests *c = NULL;
        char buffer[HTTP_GET_REQUEST_MAX + 1], response[CONNECTION_REQUEST_RESPONSE_MAX];
        HttpGet get = {};

        if (size > HTTP_GET_REQUEST_MAX)
                return 0;
        memcpy(buffer, data, size);
        switch (http_get_parse(buffer, size, &get)) {
        case HTTP_GET_COMPLETE:
                break;
        case HTTP_GET_INCOMPLETE:
                if (size == HTTP_GET_REQUEST_MAX)
                        abort();
                return 0;
        default:
                return 0;
        }

        if (get.path[0] != '/' || connection_requests_new(&c, "/path") < 0 ||
            connection_requests_set_credentials(c, "acs", "a password that no fuzzer finds") < 0)
                abort();
        for (unsigned i = 0; i < 2; i++)
                if (connection_requests_decide(c, &get, i + 1, "00", response) || !startswith(response, "HTTP/1.1 4"))
                        abort();
        return 0;
}
