/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/wire.h"

#include "common/base/str.h"

#define WIRE_NULL UINT32_MAX

static void put(WireWriter *w, const void *data, size_t size) {
        if (w->failed)
                return;

        if (w->allocated - w->size < size) {
                size_t allocated = MAX(w->allocated * 2, w->size + size + 256);
                char *p = realloc(w->data, allocated);
                if (!p) {
                        w->failed = true;
                        return;
                }
                w->data = p;
                w->allocated = allocated;
        }

        memcpy(w->data + w->size, data, size);
        w->size += size;
}

void wire_writer_done(WireWriter *w) {
        free(w->data);
        *w = (WireWriter) {};
}

void wire_put_u32(WireWriter *w, uint32_t v) {
        put(w, &v, sizeof(v));
}

void wire_put_u64(WireWriter *w, uint64_t v) {
        put(w, &v, sizeof(v));
}

void wire_put_string(WireWriter *w, const char *s) {
        if (!s) {
                wire_put_u32(w, WIRE_NULL);
                return;
        }

        size_t n = strlen(s);
        if (n >= WIRE_NULL) {
                w->failed = true;
                return;
        }
        wire_put_u32(w, (uint32_t) n);
        put(w, s, n);
}

void wire_put_bytes(WireWriter *w, const void *data, size_t size) {
        if (size >= WIRE_NULL) {
                w->failed = true;
                return;
        }
        wire_put_u32(w, (uint32_t) size);
        if (size > 0)
                put(w, data, size);
}

void wire_put_strv(WireWriter *w, char *const *l) {
        wire_put_u32(w, (uint32_t) strv_length(l));
        STRV_FOREACH(s, l)
                wire_put_string(w, *s);
}

int wire_finish(const WireWriter *w) {
        return w->failed ? -ENOMEM : 0;
}

static const void *take(WireReader *r, size_t size) {
        if (r->error < 0)
                return NULL;
        if (r->size - r->position < size) {
                r->error = -EBADMSG;
                return NULL;
        }

        const void *p = r->data + r->position;
        r->position += size;
        return p;
}

uint32_t wire_get_u32(WireReader *r) {
        uint32_t v = 0;
        const void *p = take(r, sizeof(v));
        if (p)
                memcpy(&v, p, sizeof(v));
        return v;
}

uint64_t wire_get_u64(WireReader *r) {
        uint64_t v = 0;
        const void *p = take(r, sizeof(v));
        if (p)
                memcpy(&v, p, sizeof(v));
        return v;
}

size_t wire_get_count(WireReader *r, size_t element_size) {
        size_t n = wire_get_u32(r);
        if (r->error < 0)
                return 0;
        if (n > (r->size - r->position) / element_size) {
                r->error = -EBADMSG;
                return 0;
        }
        return n;
}

char *wire_get_string(WireReader *r) {
        uint32_t n = wire_get_u32(r);
        if (r->error < 0 || n == WIRE_NULL)
                return NULL;

        const char *p = take(r, n);
        if (!p)
                return NULL;
        if (memchr(p, 0, n)) {
                r->error = -EBADMSG;
                return NULL;
        }

        char *s = strndup(p, n);
        if (!s)
                r->error = -ENOMEM;
        return s;
}

void *wire_get_bytes(WireReader *r, size_t max, size_t *ret_size) {
        size_t n = wire_get_u32(r);

        *ret_size = 0;
        if (r->error == 0 && n > max)
                r->error = -EBADMSG;
        const void *p = n > 0 ? take(r, n) : NULL;
        void *data = p ? malloc(n) : NULL;
        if (p && !data)
                r->error = -ENOMEM;
        if (!data)
                return NULL;
        memcpy(data, p, n);
        *ret_size = n;
        return data;
}

char **wire_get_strv(WireReader *r) {
        _cleanup_strv_free_ char **l = NULL;

        for (size_t n = wire_get_count(r, sizeof(uint32_t)); n > 0; n--) {
                char *s = wire_get_string(r);
                if (!s && r->error == 0)
                        r->error = -EBADMSG;
                if (r->error < 0)
                        return NULL;
                if (strv_consume(&l, s) < 0) {
                        r->error = -ENOMEM;
                        return NULL;
                }
        }
        return TAKE_PTR(l);
}

int wire_reader_end(const WireReader *r) {
        if (r->error < 0)
                return r->error;
        return r->position == r->size ? 0 : -EBADMSG;
}
