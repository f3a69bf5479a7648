/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/sync-poison.h"

#define VERSION_LENGTH (2U * SYNC_OID_SIZE)

static bool is_at_or_below(const char *path, const char *directory) {
        const char *rest = startswith(path, directory);

        return rest && (*rest == 0 || *rest == '/' || isempty(directory));
}

int sync_refusal_parse(const char *entry, SyncRefusal *ret) {
        char version[VERSION_LENGTH + 1] = "";
        SyncRefusal r;

        if (strlen(entry) < VERSION_LENGTH + 2 || entry[VERSION_LENGTH] != ' ')
                return -EINVAL;
        memcpy(version, entry, VERSION_LENGTH);
        if (parse_hex(version, r.version.bytes, SYNC_OID_SIZE) < 0)
                return -EINVAL;
        r.path = entry + VERSION_LENGTH + 1;
        *ret = r;
        return 0;
}

bool sync_refusal_holds(const SyncRefusal *r, const SyncEntry *e) {
        static const SyncOid any = {};

        if (sync_oid_equal(&r->version, &any))
                return is_at_or_below(e->path, r->path);
        return streq(e->path, r->path) && sync_oid_equal(&r->version, &e->oid);
}

int sync_poison_add(SyncPoison *p, const char *version, const char *path) {
        _cleanup_free_ char *entry = strfmt("%s %s", version, path);
        SyncRefusal refusal;
        size_t bytes;
        int r;

        if (!entry)
                return -ENOMEM;
        r = sync_refusal_parse(entry, &refusal);
        if (r < 0)
                return r;
        bytes = strlen(entry);
        STRV_FOREACH(known, p->entries) {
                if (streq(*known, entry))
                        return -EEXIST;
                bytes += strlen(*known);
        }
        if (strv_length(p->entries) >= SYNC_POISON_MAX || bytes > SYNC_POISON_BYTES_MAX)
                return -E2BIG;
        return strv_extend(&p->entries, entry);
}

bool sync_poison_changed(SyncPoison *p, const char *path) {
        bool forgotten = false;
        char **kept;

        if (!p->entries)
                return false;
        kept = p->entries;
        STRV_FOREACH(known, p->entries) {
                const char *its = *known + VERSION_LENGTH + 1;

                if (is_at_or_below(its, path) || is_at_or_below(path, its)) {
                        free(*known);
                        forgotten = true;
                } else
                        *kept++ = *known;
        }
        *kept = NULL;
        return forgotten;
}

void sync_poison_clear(SyncPoison *p) {
        p->entries = strv_free(p->entries);
}
