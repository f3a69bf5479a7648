/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of content to be fetched; the input is what is between its magic and its checksum. */
#include <stdlib.h>

#include "syncd/content.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

static void check(const Scratch *s, const Wanted *w) {
        Wanted again = {};
        uint64_t n = 0;

        for (size_t i = 0; i < w->n_files; i++)
                n += w->files[i].n_items;
        if (n != w->n_items || w->n_items > WANTED_ITEMS_MAX || w->n_files > WANTED_FILES_MAX)
                abort();
        for (size_t i = 0; i < w->n_items; i++)
                if (w->items[i].file >= w->n_files || (i > 0 && w->items[i].file < w->items[i - 1].file))
                        abort();
        if (wanted_save(s->fd, WANTED_MAIN, w) < 0 || wanted_load(s->fd, WANTED_MAIN, &again) < 0)
                abort();
        if (again.n_files != w->n_files || again.n_items != w->n_items)
                abort();
        for (size_t i = 0; i < w->n_items; i++) {
                const WantedItem *a = w->items + i, *b = again.items + i;

                if (!sync_oid_equal(&a->blob, &b->blob) || a->file != b->file || a->offset != b->offset ||
                    a->length != b->length)
                        abort();
        }
        wanted_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Scratch s;

        scratch_open(&s);
        for (int framed = 0; framed < 2; framed++) {
                Wanted w = {};

                scratch_write(&s, "wanted", framed ? "ISPSWNT1" : "", data, size, framed);
                if (wanted_load(s.fd, WANTED_MAIN, &w) >= 0)
                        check(&s, &w);
                wanted_done(&w);
        }
        scratch_close(&s);
        return 0;
}
