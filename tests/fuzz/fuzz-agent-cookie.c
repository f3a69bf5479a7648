/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cookies as an ACS may set them, one a line: what goes back is a part of what came, and no line of its own. */
#include <stdlib.h>

#include "agent/session-worker/cookie-jar.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size), *header = NULL;
        _cleanup_strv_free_ char **lines = NULL, **sent = NULL;
        CookieJar j = {};

        if (!text || strv_split(text, "\n", &lines) < 0)
                abort();
        STRV_FOREACH(l, lines)
                if (cookie_jar_take(&j, "acs", "/cwmp/in", *l) < 0)
                        abort();
        if (cookie_jar_header(&j, "acs", "/cwmp/in", true, &header) < 0 || j.n > COOKIES_MAX)
                abort();
        if (header && (strpbrk(header, "\r\n") || strv_split(header, ";", &sent) < 0))
                abort();
        STRV_FOREACH(s, sent)
                if (!strstr(text, *s + strspn(*s, " ")))
                        abort();
        cookie_jar_done(&j);
        return 0;
}
