/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/journal.h"

#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/str.h"

typedef struct JournalPart {
        char *provider;
        uint64_t token; /* of no use after a crash; tells a human which Prepare it was */
        ParameterList settings;
} JournalPart;

struct Journal {
        char *path;
        char *parameter_key;
        JournalPart *parts;
        size_t n_parts;
};

static void drop_parts(Journal *j) {
        for (size_t i = 0; i < j->n_parts; i++) {
                free(j->parts[i].provider);
                parameter_list_done(&j->parts[i].settings);
        }
        j->parts = mfree(j->parts);
        j->n_parts = 0;
}

Journal *journal_free(Journal *j) {
        if (!j)
                return NULL;

        drop_parts(j);
        free(j->parameter_key);
        free(j->path);
        return mfree(j);
}

static JournalPart *part_new(Journal *j, const char *provider) {
        char *name = strdup(provider);
        JournalPart *parts = reallocarray(j->parts, j->n_parts + 1, sizeof(*parts));

        if (parts)
                j->parts = parts;
        if (!parts || !name) {
                free(name);
                return NULL;
        }
        parts[j->n_parts] = (JournalPart) { .provider = name };
        return parts + j->n_parts++;
}

static int load(Journal *j) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = read_file(AT_FDCWD, j->path, JOURNAL_FILE_MAX, &data, &size);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        WireReader reader = { .data = data, .size = size };
        j->parameter_key = wire_get_string(&reader);
        for (size_t n = wire_get_count(&reader, 4 * sizeof(uint32_t)); n > 0; n--) {
                _cleanup_free_ char *provider = wire_get_string(&reader);
                if (!provider)
                        return reader.error < 0 ? reader.error : -EBADMSG;
                JournalPart *p = part_new(j, provider);
                if (!p)
                        return -ENOMEM;
                p->token = wire_get_u64(&reader);
                parameter_list_get(&reader, &p->settings);
        }
        return wire_reader_end(&reader);
}

int journal_new(Journal **ret, const char *path) {
        _cleanup_(journal_freep) Journal *j = calloc(1, sizeof(*j));

        if (!j || (path && !(j->path = strdup(path))))
                return -ENOMEM;
        int r = path ? load(j) : 0;
        if (r < 0)
                return r;

        *ret = TAKE_PTR(j);
        return 0;
}

bool journal_is_empty(const Journal *j) {
        return j->n_parts == 0;
}

int journal_add(Journal *j, const char *provider, uint64_t token, const ParameterList *settings) {
        JournalPart *p = part_new(j, provider);
        if (!p)
                return -ENOMEM;

        p->token = token;
        for (size_t i = 0; i < settings->n; i++) {
                const Parameter *s = settings->items + i;
                if (!parameter_list_add(&p->settings, s->name, s->type, s->value))
                        return -ENOMEM;
        }
        return 0;
}

static int save(Journal *j) {
        _cleanup_wire_writer_ WireWriter w = {};

        if (!j->path)
                return 0;
        if (j->n_parts == 0) {
                if (unlink(j->path) < 0 && errno != ENOENT)
                        return -errno;
                return 0;
        }

        wire_put_string(&w, j->parameter_key);
        wire_put_u32(&w, (uint32_t) j->n_parts);
        for (size_t i = 0; i < j->n_parts; i++) {
                wire_put_string(&w, j->parts[i].provider);
                wire_put_u64(&w, j->parts[i].token);
                parameter_list_put(&w, &j->parts[i].settings);
        }

        int r = wire_finish(&w);
        return r < 0 ? r : write_file_atomic(AT_FDCWD, j->path, w.data, w.size, 0600);
}

int journal_write(Journal *j, const char *parameter_key) {
        int r = free_and_strdup(&j->parameter_key, parameter_key);
        if (r >= 0)
                r = save(j);
        if (r < 0)
                drop_parts(j);
        return MIN(r, 0);
}

bool journal_is_last(const Journal *j, const char *provider) {
        return j->n_parts == 1 && streq(j->parts[0].provider, provider);
}

int journal_complete(Journal *j, const char *provider) {
        size_t kept = 0;

        for (size_t i = 0; i < j->n_parts; i++)
                if (streq(j->parts[i].provider, provider)) {
                        free(j->parts[i].provider);
                        parameter_list_done(&j->parts[i].settings);
                } else
                        j->parts[kept++] = j->parts[i];
        j->n_parts = kept;
        return save(j);
}

int journal_clear(Journal *j) {
        drop_parts(j);
        return save(j);
}

const ParameterList *journal_open_settings(const Journal *j, const char *provider) {
        for (size_t i = 0; i < j->n_parts; i++)
                if (streq(j->parts[i].provider, provider))
                        return &j->parts[i].settings;
        return NULL;
}

const char *journal_parameter_key(const Journal *j) {
        return j->parameter_key;
}
