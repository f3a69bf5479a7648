/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/parameter-list.h"

#include <ctype.h>

#include "common/base/str.h"

static void parameter_done(Parameter *p) {
        free(p->name);
        free(p->type);
        free(p->value);
        strv_free(p->access_list);
}

void parameter_list_done(ParameterList *l) {
        for (size_t i = 0; i < l->n; i++)
                parameter_done(l->items + i);
        free(l->items);
        *l = (ParameterList) {};
}

/* Room for n more, in powers of two so that appending stays linear. */
static int parameter_list_reserve(ParameterList *l, size_t n) {
        size_t have = l->n ? (size_t) 1 << (64 - __builtin_clzll(l->n)) : 0;
        size_t want = (size_t) 1 << (64 - __builtin_clzll(l->n + n));

        if (l->items && have >= want)
                return 0;

        Parameter *p = reallocarray(l->items, want, sizeof(*p));
        if (!p)
                return -ENOMEM;
        l->items = p;
        return 0;
}

Parameter *parameter_list_add(ParameterList *l, const char *name, const char *type, const char *value) {
        if (parameter_list_reserve(l, 1) < 0)
                return NULL;

        Parameter p = {
                .name = strdup(name),
                .type = type ? strdup(type) : NULL,
                .value = value ? strdup(value) : NULL,
        };
        if (!p.name || (type && !p.type) || (value && !p.value)) {
                parameter_done(&p);
                return NULL;
        }

        l->items[l->n] = p;
        return l->items + l->n++;
}

int parameter_list_move(ParameterList *dst, ParameterList *src) {
        if (src->n > 0) {
                if (parameter_list_reserve(dst, src->n) < 0)
                        return -ENOMEM;
                memcpy(dst->items + dst->n, src->items, src->n * sizeof(Parameter));
                dst->n += src->n;
        }

        free(src->items);
        *src = (ParameterList) {};
        return 0;
}

void parameter_list_remove(ParameterList *l, size_t index) {
        parameter_done(l->items + index);
        l->n--;
        memmove(l->items + index, l->items + index + 1, (l->n - index) * sizeof(Parameter));
}

Parameter *parameter_list_find(const ParameterList *l, const char *name) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].name, name))
                        return l->items + i;
        return NULL;
}

void parameter_list_put(WireWriter *w, const ParameterList *l) {
        wire_put_u32(w, (uint32_t) l->n);
        for (size_t i = 0; i < l->n; i++) {
                const Parameter *p = l->items + i;

                wire_put_string(w, p->name);
                wire_put_string(w, p->type);
                wire_put_string(w, p->value);
                wire_put_u32(w, p->fault);
                wire_put_u32(w, p->writable);
                wire_put_u32(w, (uint32_t) p->notification);
                wire_put_u32(w, p->access_list_set);
                wire_put_strv(w, p->access_list);
        }
}

/* The smallest encoded parameter: eight words. */
#define PARAMETER_WIRE_MIN 32U

void parameter_list_get(WireReader *r, ParameterList *l) {
        size_t n = wire_get_count(r, PARAMETER_WIRE_MIN);
        if (n == 0)
                return;
        if (parameter_list_reserve(l, n) < 0) {
                r->error = -ENOMEM;
                return;
        }

        for (; n > 0; n--) {
                Parameter *p = l->items + l->n++;

                p->name = wire_get_string(r);
                p->type = wire_get_string(r);
                p->value = wire_get_string(r);
                p->fault = wire_get_u32(r);
                p->writable = wire_get_u32(r);
                p->notification = (int) wire_get_u32(r);
                p->access_list_set = wire_get_u32(r);
                p->access_list = wire_get_strv(r);
                if (!p->name && r->error == 0)
                        r->error = -EBADMSG;
                if (r->error < 0)
                        return;
        }
}

bool parameter_name_matches(const char *pattern, const char *name) {
        for (;;) {
                const char *rest = startswith(pattern, "{i}");
                if (rest) {
                        if (!isdigit((unsigned char) *name))
                                return false;
                        while (isdigit((unsigned char) *name))
                                name++;
                        pattern = rest;
                }
                if (*pattern != *name)
                        return false;
                if (!*pattern)
                        return true;
                pattern++;
                name++;
        }
}
