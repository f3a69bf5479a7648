/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>

#include "common/base/array.h"
#include "syncd/pack-bases.h"
#include "syncd/pack-reader.h"

static void generation_done(PackGeneration *g) {
        for (size_t i = 0; i < g->n; i++)
                free(g->objects[i].data);
        free(g->objects);
        object_map_done(&g->names);
        *g = (PackGeneration){};
}

void pack_bases_done(PackBases *b) {
        for (size_t i = 0; i < ELEMENTSOF(b->generations); i++)
                generation_done(b->generations + i);
        free(b->places);
        *b = (PackBases){};
}

int pack_bases_begin(PackBases *b, uint64_t offset) {
        int r;

        if (b->n_places == PACK_OFFSETS_MAX)
                return 0;
        r = ARRAY_GROW(b->places, b->n_places);
        if (r < 0)
                return r;
        b->places[b->n_places++] = (PackPlace){ .offset = offset };
        return 0;
}

int pack_bases_name(PackBases *b, uint64_t offset, const git_oid *id) {
        if (b->n_places > 0 && b->places[b->n_places - 1].offset == offset)
                b->places[b->n_places - 1].id = *id;
        return 0;
}

int pack_bases_keep(PackBases *b, const git_oid *id, git_object_t type, void *data, size_t size) {
        PackGeneration *g = b->generations;
        int r;

        if (size > PACK_BASES_MAX / 4 || git_oid_is_zero(id) || object_map_find(&g->names, id, NULL)) {
                free(data);
                return 0;
        }
        if (g->bytes + size + sizeof(PackBase) > PACK_BASES_MAX / 2) {
                generation_done(g + 1);
                g[1] = g[0];
                g[0] = (PackGeneration){};
        }
        r = ARRAY_GROW(g->objects, g->n);
        if (r >= 0)
                r = object_map_add(&g->names, id, (uint32_t) g->n);
        if (r <= 0) {
                free(data);
                return r;
        }
        g->objects[g->n++] = (PackBase){ .type = type, .data = data, .size = size };
        g->bytes += size + sizeof(PackBase);
        return 0;
}

int pack_bases_at(const PackBases *b, uint64_t offset, git_oid *ret) {
        size_t low = 0, high = b->n_places;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (b->places[middle].offset < offset)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == b->n_places)
                return b->n_places == PACK_OFFSETS_MAX ? -ENOENT : -EBADMSG;
        if (b->places[low].offset != offset)
                return -EBADMSG;
        if (git_oid_is_zero(&b->places[low].id))
                return -ENOENT;
        *ret = b->places[low].id;
        return 0;
}

int pack_bases_find(
                const PackBases *b,
                const git_oid *id,
                git_object_t *ret_type,
                const void **ret,
                size_t *ret_size) {
        for (size_t i = 0; i < ELEMENTSOF(b->generations); i++) {
                const PackGeneration *g = b->generations + i;
                uint32_t index;

                if (!object_map_find(&g->names, id, &index))
                        continue;
                *ret_type = g->objects[index].type;
                *ret = g->objects[index].data;
                *ret_size = g->objects[index].size;
                return 0;
        }
        return -ENOENT;
}
