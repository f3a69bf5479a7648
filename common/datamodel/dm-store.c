/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state file. Text, one thing per line:
 *
 *     ispstorage-datamodel 1 <schema>
 *     table <last instance number ever given> <path>
 *     row <path>
 *     set <path> <value, with \\, \n and \r for the three characters that a line cannot have>
 *     end <FNV-1a of all before, 16 hexadecimal digits>
 *
 * Rows come before what is below them. A file without its last line, or with another sum, is damaged. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/datamodel/dm-internal.h"
#include "common/datamodel/dm-value.h"

#define STORE_MAGIC "ispstorage-datamodel"
#define STORE_VERSION 1U
/* 10^4 rows of a few hundred bytes are some megabytes; more than this is not ours. */
#define STORE_SIZE_MAX (64U * 1024U * 1024U)

static uint64_t fnv1a(const char *data, size_t size) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                h = (h ^ (unsigned char) data[i]) * UINT64_C(0x100000001b3);
        return h;
}

bool dm_store_keeps(const DmParameter *p) {
        return !(p->flags & (DM_VOLATILE | DM_DYNAMIC | DM_NUM_ENTRIES)) &&
               (!(p->flags & DM_HIDDEN) || p->flags & DM_STORED);
}

/* --- Writing --- */

static void write_value(FILE *f, const char *value) {
        for (; *value; value++)
                if (*value == '\\')
                        (void) fputs("\\\\", f);
                else if (*value == '\n')
                        (void) fputs("\\n", f);
                else if (*value == '\r')
                        (void) fputs("\\r", f);
                else
                        (void) fputc(*value, f);
}

static void write_node(FILE *f, const DmModel *m, const DmNode *node) {
        char path[DM_PATH_MAX + 1];
        const DmObject *o = node->object;

        (void) dm_node_path(node, path);
        if (node->instance > 0)
                (void) fprintf(f, "row %s\n", path);
        for (size_t i = 0; i < o->n_parameters; i++) {
                const DmParameter *p = &m->schema->parameters[o->first_parameter + i];

                if (!node->values[i] || !dm_store_keeps(p))
                        continue;
                (void) fprintf(f, "set %s%s ", path, p->name);
                write_value(f, node->values[i]);
                (void) fputc('\n', f);
        }
        for (size_t i = 0; i < o->n_children; i++) {
                const DmTable *table = &node->tables[i];

                if (node->singles[i]) {
                        write_node(f, m, node->singles[i]);
                        continue;
                }
                (void) fprintf(f,
                               "table %u %s%s.\n",
                               table->last_instance,
                               path,
                               dm_child_object(m, node, i)->name);
                for (size_t k = 0; k < table->n; k++)
                        write_node(f, m, table->rows[k]);
        }
}

int dm_store_save(const DmModel *m) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        FILE *f;
        uint64_t sum;
        int r;

        if (m->dir_fd < 0)
                return 0;
        f = open_memstream(&data, &size);
        if (!f)
                return -ENOMEM;
        (void) fprintf(f, STORE_MAGIC " %u %s\n", STORE_VERSION, m->schema->name);
        write_node(f, m, m->root);
        r = fflush(f) == 0 ? 0 : -ENOMEM;
        if (r >= 0) {
                sum = fnv1a(data, size);
                (void) fprintf(f, "end %016" PRIx64 "\n", sum);
        }
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        return write_file_atomic(m->dir_fd, m->file, data, size, 0600);
}

/* --- Reading --- */

static bool unescape(char *s) {
        char *out = s;

        for (; *s; s++) {
                if (*s != '\\') {
                        *out++ = *s;
                        continue;
                }
                s++;
                if (*s != '\\' && *s != 'n' && *s != 'r')
                        return false;
                *out++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\\';
        }
        *out = '\0';
        return true;
}

static int load_table(DmModel *m, char *line) {
        char *path = strchr(line, ' ');
        uint32_t last;
        DmRef ref;

        if (!path)
                return -EINVAL;
        *path++ = '\0';
        if (parse_uint32(line, &last) < 0 || dm_resolve(m, path, &ref) < 0 || ref.kind != DM_REF_TABLE)
                return -EINVAL;
        ref.node->tables[ref.child].last_instance = MAX(ref.node->tables[ref.child].last_instance, last);
        return 0;
}

/* The path of a row is the path of its table, its number and a dot. */
static int load_row(DmModel *m, char *path) {
        _cleanup_(dm_node_freep) DmNode *row = NULL;
        const char *end;
        char *number;
        uint32_t instance;
        DmTable *table;
        DmRef ref;

        if (!endswith(path, "."))
                return -EINVAL;
        path[strlen(path) - 1] = '\0';
        number = strrchr(path, '.');
        if (!number || !dm_parse_instance(number + 1, &end, &instance) || *end)
                return -EINVAL;
        number[1] = '\0';
        if (dm_resolve(m, path, &ref) < 0 || ref.kind != DM_REF_TABLE)
                return -EINVAL;
        table = &ref.node->tables[ref.child];
        if (dm_table_find(table, instance))
                return 0;
        if (table->n >= dm_child_object(m, ref.node, ref.child)->max_entries)
                return -EINVAL;
        row = dm_node_new(m->schema, dm_child_object(m, ref.node, ref.child), ref.node, instance);
        if (!row || dm_table_insert(table, row) < 0)
                return -ENOMEM;
        table->last_instance = MAX(table->last_instance, instance);
        TAKE_PTR(row);
        return 0;
}

static int load_value(DmModel *m, char *line) {
        char *value = strchr(line, ' '), *canonical;
        DmRef ref;
        int r;

        if (!value)
                return -EINVAL;
        *value++ = '\0';
        if (!unescape(value) || dm_resolve(m, line, &ref) < 0 || ref.kind != DM_REF_PARAMETER ||
            !dm_store_keeps(ref.parameter))
                return -EINVAL;
        r = dm_value_canonicalize(ref.parameter, NULL, value, &canonical, NULL);
        if (r < 0)
                return r;
        free(*dm_node_slot(ref.node, ref.parameter));
        *dm_node_slot(ref.node, ref.parameter) = canonical;
        return 0;
}

static int load_line(DmModel *m, char *line) {
        const char *rest;

        if ((rest = startswith(line, "table ")))
                return load_table(m, (char *) rest);
        if ((rest = startswith(line, "row ")))
                return load_row(m, (char *) rest);
        if ((rest = startswith(line, "set ")))
                return load_value(m, (char *) rest);
        return -EINVAL;
}

/* The rows of the factory are in the file, or were deleted. */
static void drop_rows(DmNode *node) {
        for (size_t i = 0; i < node->object->n_children; i++) {
                DmTable *table = &node->tables[i];

                if (node->singles[i])
                        drop_rows(node->singles[i]);
                while (table->n > 0)
                        dm_node_free(table->rows[--table->n]);
        }
}

/* Cuts off the last line and checks it. */
static bool sum_is_right(char *data, size_t size) {
        char expected[32], *last;

        if (size == 0 || strlen(data) != size || data[size - 1] != '\n')
                return false;
        data[size - 1] = '\0';
        last = strrchr(data, '\n');
        data[size - 1] = '\n';
        if (!last)
                return false;
        last++;
        (void) snprintf(expected,
                        sizeof(expected),
                        "end %016" PRIx64 "\n",
                        fnv1a(data, (size_t) (last - data)));
        if (!streq(last, expected))
                return false;
        *last = '\0';
        return true;
}

/* 1: read; 0: damaged; -EPROTONOSUPPORT: another program's or a later version's. */
static int check_file(const DmModel *m, char *data, size_t size) {
        _cleanup_free_ char *header = NULL;

        if (!sum_is_right(data, size))
                return 0;
        header = strfmt(STORE_MAGIC " %u %s\n", STORE_VERSION, m->schema->name);
        if (!header)
                return -ENOMEM;
        return startswith(data, header) ? 1 : -EPROTONOSUPPORT;
}

static int load_lines(DmModel *m, char *data) {
        char *rest = data, *line;
        bool partly = false;
        int r;

        drop_rows(m->root);
        (void) strsep(&rest, "\n");
        while ((line = strsep(&rest, "\n"))) {
                if (!*line)
                        continue;
                r = load_line(m, line);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        log_debug("The schema has no place for this line of the state: %s", line);
                        partly = true;
                }
        }
        return partly ? DM_LOADED_PARTLY : DM_LOADED;
}

static int set_aside(int dir_fd, const char *file) {
        _cleanup_free_ char *aside = strfmt("%s.corrupt", file);

        if (!aside)
                return -ENOMEM;
        return renameat(dir_fd, file, dir_fd, aside) < 0 ? -errno : DM_LOADED_CORRUPT;
}

int dm_model_load(DmModel *m, const char *dir, const char *file) {
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_free_ char *data = NULL, *name = strdup(file);
        size_t size;
        int r;

        if (!name)
                return -ENOMEM;
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        r = read_file(dir_fd, file, STORE_SIZE_MAX, &data, &size);
        if (r == -ENOENT)
                r = DM_LOADED_FACTORY;
        else if (r >= 0) {
                r = check_file(m, data, size);
                if (r > 0)
                        r = load_lines(m, data);
                else if (r == 0)
                        r = set_aside(dir_fd, file);
        }
        if (r < 0)
                return r;
        m->dir_fd = TAKE_FD(dir_fd);
        m->file = TAKE_PTR(name);
        return r;
}
