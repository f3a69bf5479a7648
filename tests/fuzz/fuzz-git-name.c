/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size), *stored = NULL, *back = NULL,
                            *name = NULL, *again = NULL;

        if (!text)
                abort();
        /* As a name: what is stored comes back, and is nothing that is escaped again. */
        if (git_name_escape(text, &stored) >= 0 &&
            (git_name_unescape(stored, &back) < 0 || !streq(back, text) || strchr(stored, '\\') ||
             strlen(stored) > GIT_NAME_STORED_MAX))
                abort();
        /* As what is stored: a name comes of it only if it is that name's own. */
        if (git_name_unescape(text, &name) >= 0 &&
            (git_name_escape(name, &again) < 0 || !streq(again, text)))
                abort();
        return 0;
}
