/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/datamodel/dm-internal.h"

int dm_model_new(DmModel **ret, const DmSchema *schema, const DmProvider *provider, void *userdata) {
        _cleanup_(dm_model_freep) DmModel *m = NULL;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->schema = schema;
        m->provider = provider;
        m->userdata = userdata;
        m->dir_fd = -EBADF;
        m->root = dm_node_new(schema, &schema->objects[0], NULL, 0);
        if (!m->root)
                return -ENOMEM;
        *ret = TAKE_PTR(m);
        return 0;
}

DmModel *dm_model_free(DmModel *m) {
        if (!m)
                return NULL;
        assert(!m->update);
        strv_free(m->prepared.names);
        strv_free(m->prepared.values);
        dm_node_free(m->root);
        m->dir_fd = safe_close(m->dir_fd);
        free(m->file);
        return mfree(m);
}

const DmSchema *dm_model_schema(const DmModel *m) {
        return m->schema;
}

void dm_model_set_listener(DmModel *m, DmListener listener, void *userdata) {
        m->listener = listener;
        m->listener_userdata = userdata;
}
