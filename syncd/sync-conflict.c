/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "syncd/sync-conflict.h"

/* What follows the last '.' is an extension only if it could be one: "Mr. Smith's letter" has none. */
#define EXTENSION_MAX 16U
#define STAMP_SIZE sizeof("YYYYYYYYYYYYMMDDTHHMMSSZ")
/* The longest part between stem and extension: two dots, stamp, gateway, ".1000". */
#define MARK_SIZE (STAMP_SIZE + SYNC_GATEWAY_NAME_MAX + 16U)

static bool is_extension(const char *s, const char *end) {
        if (s == end || (size_t) (end - s) > EXTENSION_MAX)
                return false;
        for (; s < end; s++)
                if (!isalnum((unsigned char) *s))
                        return false;
        return true;
}

/* Where the extension's dot is, or the end of the name. A leading dot begins a hidden file's stem, not an extension. */
static const char *find_extension(const char *name) {
        static const char *const compressed[] = { "gz", "xz", "bz2", "zst", "lz", "lz4", "lzma", "Z" };
        const char *end = name + strlen(name), *dot = strrchr(name, '.'), *before;

        if (!dot || dot == name || !is_extension(dot + 1, end))
                return end;
        before = memrchr(name, '.', dot - name);
        if (!before || before == name || !is_extension(before + 1, dot))
                return dot;
        for (size_t i = 0; i < ELEMENTSOF(compressed); i++)
                if (streq(dot + 1, compressed[i]) && dot - before == (ptrdiff_t) strlen(".tar") &&
                    strncmp(before, ".tar", strlen(".tar")) == 0)
                        return before;
        return dot;
}

static void make_mark(int64_t when, const char *gateway_name, unsigned counter, char mark[static MARK_SIZE]) {
        char gateway[SYNC_GATEWAY_NAME_MAX + 1], stamp[STAMP_SIZE];
        time_t t = when;
        struct tm tm;
        size_t n = 0;

        for (; gateway_name[n] && n < SYNC_GATEWAY_NAME_MAX; n++) {
                unsigned char c = gateway_name[n];

                gateway[n] = (c < 128 && isalnum(c)) || c == '_' ? (char) c : '-';
        }
        gateway[n] = '\0';

        if (!gmtime_r(&t, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
                strcpy(stamp, "00000000T000000Z");
        if (counter > 0)
                (void) snprintf(mark, MARK_SIZE, ".%s.%s.%u", stamp, n > 0 ? gateway : "gateway", counter);
        else
                (void) snprintf(mark, MARK_SIZE, ".%s.%s", stamp, n > 0 ? gateway : "gateway");
}

int sync_conflict_path(const char *path, int64_t when, const char *gateway_name, unsigned counter, char **ret) {
        const char *name = sync_path_name(path), *extension = find_extension(name);
        size_t stem = extension - name, rest;
        char mark[MARK_SIZE], *s;

        assert(counter <= SYNC_CONFLICT_COUNTER_MAX);
        make_mark(when, gateway_name, counter, mark);
        rest = strlen(mark) + strlen(extension);
        if (stem + rest > SYNC_NAME_MAX) {
                stem = SYNC_NAME_MAX - rest;
                /* The next byte must not continue a character of UTF-8. */
                while (stem > 0 && ((unsigned char) name[stem] & 0xC0) == 0x80)
                        stem--;
        }
        if ((size_t) (name - path) + stem + rest > SYNC_PATH_MAX)
                return -ENAMETOOLONG;

        s = strfmt("%.*s%s%s", (int) (name - path + (ptrdiff_t) stem), path, mark, extension);
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int sync_conflict_list_add(SyncConflictList *l, const char *path, const char *renamed_to, int64_t when) {
        _cleanup_free_ char *a = strdup(path), *b = strdup(renamed_to);
        SyncConflict *items = reallocarray(l->items, l->n + 1, sizeof(*items));

        if (items)
                l->items = items;
        if (!a || !b || !items)
                return -ENOMEM;
        l->items[l->n++] = (SyncConflict) { .path = TAKE_PTR(a), .renamed_to = TAKE_PTR(b), .time = when };
        return 0;
}

void sync_conflict_list_clear(SyncConflictList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].path);
                free(l->items[i].renamed_to);
        }
        l->items = mfree(l->items);
        l->n = 0;
}
