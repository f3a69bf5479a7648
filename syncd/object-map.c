/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "syncd/object-map.h"

#define SLOTS_MIN 64U

void object_map_done(ObjectMap *m) {
        free(m->slots);
        *m = (ObjectMap){};
}

static bool slot_is_free(const ObjectMapSlot *slot) {
        return git_oid_is_zero(&slot->id);
}

/* The slot that has the id, or the free one where it belongs. */
static ObjectMapSlot *probe(ObjectMapSlot *slots, size_t n_slots, const git_oid *id) {
        size_t i;

        memcpy(&i, id->id, sizeof(i));
        for (;; i++) {
                ObjectMapSlot *slot = slots + (i & (n_slots - 1));

                if (slot_is_free(slot) || memcmp(&slot->id, id, sizeof(*id)) == 0)
                        return slot;
        }
}

static int grow(ObjectMap *m) {
        size_t n_slots = m->n_slots > 0 ? m->n_slots * 2 : SLOTS_MIN;
        ObjectMapSlot *slots;

        slots = calloc(n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_slots; i++)
                if (!slot_is_free(m->slots + i))
                        *probe(slots, n_slots, &m->slots[i].id) = m->slots[i];
        free(m->slots);
        m->slots = slots;
        m->n_slots = n_slots;
        return 0;
}

static int put(ObjectMap *m, const git_oid *id, uint32_t value, bool replace) {
        ObjectMapSlot *slot;
        bool new;

        if (git_oid_is_zero(id))
                return -EBADMSG;
        if (m->n * 4 >= m->n_slots * 3) {
                int r = grow(m);

                if (r < 0)
                        return r;
        }
        slot = probe(m->slots, m->n_slots, id);
        new = slot_is_free(slot);
        if (new && m->n >= OBJECT_MAP_MAX)
                return -E2BIG;
        if (new || replace)
                *slot = (ObjectMapSlot){ .id = *id, .value = value };
        m->n += new;
        return new;
}

int object_map_add(ObjectMap *m, const git_oid *id, uint32_t value) {
        return put(m, id, value, false);
}

int object_map_set(ObjectMap *m, const git_oid *id, uint32_t value) {
        return put(m, id, value, true);
}

bool object_map_find(const ObjectMap *m, const git_oid *id, uint32_t *ret_value) {
        ObjectMapSlot *slot;

        if (m->n_slots == 0)
                return false;
        slot = probe(m->slots, m->n_slots, id);
        if (slot_is_free(slot))
                return false;
        if (ret_value)
                *ret_value = slot->value;
        return true;
}
