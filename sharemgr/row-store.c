/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/file.h"
#include "common/base/str.h"
#include "sharemgr/row-store.h"
#include "sharemgr/text.h"

typedef struct Row {
        char *path, *value;
} Row;

struct RowStore {
        int dir_fd;
        const char *name;
        Row *rows;
        size_t n_rows;
        bool deferred, dirty;
};

static void row_done(Row *row) {
        if (row->value)
                explicit_bzero(row->value, strlen(row->value));
        free(row->path);
        free(row->value);
}

RowStore *row_store_free(RowStore *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_rows; i++)
                row_done(s->rows + i);
        free(s->rows);
        return mfree(s);
}

static Row *find_row(const RowStore *s, const char *path) {
        for (size_t i = 0; i < s->n_rows; i++)
                if (streq(s->rows[i].path, path))
                        return s->rows + i;
        return NULL;
}

const char *row_store_get(const RowStore *s, const char *path) {
        const Row *row = find_row(s, path);

        return row ? row->value : NULL;
}

static int append_row(RowStore *s, const char *path, const char *value) {
        Row *grown = reallocarray(s->rows, s->n_rows + 1, sizeof(Row)),
            row = { strdup(path), strdup(value) };

        if (grown)
                s->rows = grown;
        if (!grown || !row.path || !row.value) {
                row_done(&row);
                return -ENOMEM;
        }
        s->rows[s->n_rows++] = row;
        return 0;
}

static int parse(RowStore *s, char *content) {
        int r;

        for (char *line; (line = strsep(&content, "\n"));) {
                char *blank = strchr(line, ' ');

                if (!content && *line == 0) /* behind the last line break */
                        return 0;
                if (!content || !blank || blank == line)
                        return -EBADMSG;
                *blank = 0;
                r = append_row(s, line, blank + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

int row_store_open(RowStore **ret, int dir_fd, const char *name) {
        _cleanup_(row_store_freep) RowStore *s = calloc(1, sizeof(RowStore));
        _cleanup_free_ char *content = NULL;
        size_t size = 0;
        int r;

        if (!s)
                return -ENOMEM;
        s->dir_fd = dir_fd;
        s->name = name;
        r = read_file(dir_fd, name, ROW_STORE_FILE_MAX, &content, &size);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r >= 0) {
                r = strlen(content) == size ? parse(s, content) : -EBADMSG;
                explicit_bzero(content, size);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

/* Writes all rows but the one that is left out, plus one more (NULL: none). */
static int write_rows(const RowStore *s, const Row *left_out, const char *path, const char *value) {
        _cleanup_text_ Text text = {};
        char *content;
        size_t size;
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        for (const Row *row = s->rows; row && row < s->rows + s->n_rows; row++)
                if (row != left_out)
                        fprintf(text.stream, "%s %s\n", row->path, row->value);
        if (value)
                fprintf(text.stream, "%s %s\n", path, value);
        r = text_end(&text, &content);
        if (r < 0)
                return r;
        size = strlen(content);
        r = write_file_atomic(s->dir_fd, s->name, content, size, 0600);
        explicit_bzero(content, size);
        free(content);
        return r;
}

static void remove_row(RowStore *s, Row *row) {
        row_done(row);
        memmove(row, row + 1, (size_t) (s->rows + s->n_rows - (row + 1)) * sizeof(Row));
        s->n_rows--;
}

int row_store_set(RowStore *s, const char *path, const char *value) {
        Row *row = find_row(s, path);
        int r;

        if (strpbrk(path, " \n") || isempty(path) || (value && strchr(value, '\n')))
                return -EINVAL;
        if (streq_ptr(row ? row->value : NULL, value))
                return 0;
        r = s->deferred ? 0 : write_rows(s, row, path, value);
        if (r < 0)
                return r;
        s->dirty = s->deferred;
        if (row)
                remove_row(s, row);
        return value ? append_row(s, path, value) : 0;
}

void row_store_defer(RowStore *s) {
        s->deferred = true;
}

int row_store_flush(RowStore *s) {
        int r = s->dirty ? write_rows(s, NULL, NULL, NULL) : 0;

        s->dirty = s->dirty && r < 0;
        s->deferred = s->dirty;
        return r;
}

int row_store_prune(RowStore *s, bool (*exists)(const char *path, void *userdata), void *userdata) {
        size_t before = s->n_rows;

        for (size_t i = s->n_rows; i > 0; i--)
                if (!exists(s->rows[i - 1].path, userdata))
                        remove_row(s, s->rows + i - 1);
        return s->n_rows == before ? 0 : write_rows(s, NULL, NULL, NULL);
}
