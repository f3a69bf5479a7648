/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/str.h"
#include "operator/admin/output.h"

#define COLUMNS_MAX 16U
#define CELL_MAX 256U

/* A value as text; control characters, which a terminal would obey, are replaced. */
static const char *format_value(const json_t *value, char buf[static CELL_MAX]) {
        if (json_is_string(value))
                (void) snprintf(buf, CELL_MAX, "%s", json_string_value(value));
        else if (json_is_integer(value))
                (void) snprintf(buf, CELL_MAX, "%lld", (long long) json_integer_value(value));
        else if (json_is_boolean(value))
                (void) snprintf(buf, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
        else if (json_is_array(value))
                (void) snprintf(buf, CELL_MAX, "%zu", json_array_size(value));
        else if (json_is_object(value)) {
                _cleanup_free_ char *text = json_dumps(value, JSON_COMPACT);

                (void) snprintf(buf, CELL_MAX, "%s", text ?: "-");
        } else
                (void) snprintf(buf, CELL_MAX, "-");
        for (char *p = buf; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        *p = '?';
        return buf[0] ? buf : strcpy(buf, "-");
}

void print_table(const json_t *array, const char *const columns[]) {
        size_t width[COLUMNS_MAX] = {}, i, n;
        char buf[CELL_MAX];
        json_t *row;

        for (n = 0; columns[n]; n++) {
                width[n] = strlen(columns[n]);
                json_array_foreach((json_t *) array, i, row) {
                        size_t k = strlen(format_value(json_object_get(row, columns[n]), buf));

                        width[n] = k > width[n] ? k : width[n];
                }
        }
        for (size_t c = 0; c < n; c++)
                printf("%-*s%s", c + 1 < n ? (int) width[c] : 0, columns[c], c + 1 < n ? "  " : "\n");
        json_array_foreach((json_t *) array, i, row) for (size_t c = 0; c < n; c++)
                        printf("%-*s%s",
                               c + 1 < n ? (int) width[c] : 0,
                               format_value(json_object_get(row, columns[c]), buf),
                               c + 1 < n ? "  " : "\n");
}

void print_object(const json_t *object) {
        char buf[CELL_MAX];
        const char *key;
        json_t *value, *element;
        size_t i;

        json_object_foreach((json_t *) object, key, value) {
                if (!json_is_array(value)) {
                        printf("%s: %s\n", key, format_value(value, buf));
                        continue;
                }
                printf("%s:\n", key);
                json_array_foreach(value, i, element) printf("  %s\n", format_value(element, buf));
        }
}
