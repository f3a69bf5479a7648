/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCP options about the ACS. */
#include <stdlib.h>

#include "agent/core/dhcp-options.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

static void check(const DhcpOptions *o) {
        if (o->url[0] && !startswith(o->url, "http"))
                abort();
        if (o->retry_minimum > UINT16_MAX || (o->retry_multiplier > 0 && o->retry_multiplier < 1000))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        DhcpOptions v4 = {}, v6 = {};

        if (!text)
                abort();
        (void) dhcp_option_43(text, &v4);
        (void) dhcp_option_17(text, &v6);
        check(&v4);
        check(&v6);
        return 0;
}
