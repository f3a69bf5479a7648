/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "sharemgr/text.h"

int text_begin(Text *t) {
        t->stream = open_memstream(&t->buffer, &t->size);
        return t->stream ? 0 : -ENOMEM;
}

int text_end(Text *t, char **ret) {
        bool failed = ferror(t->stream);

        failed = fclose(t->stream) != 0 || failed;
        t->stream = NULL;
        if (failed)
                return -ENOMEM;
        *ret = TAKE_PTR(t->buffer);
        return 0;
}

void text_done(Text *t) {
        if (t->stream)
                (void) fclose(t->stream);
        free(t->buffer);
}
