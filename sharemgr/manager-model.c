/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the data model asks of the share manager: the rules, what becomes of a change, and values that are
 * read when asked for. */
#include <inttypes.h>
#include <systemd/sd-id128.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "sharemgr/credentials.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-rules.h"
#include "sharemgr/share-set-load.h"

static int validate(
                DmModel *model,
                DmOrigin origin,
                const DmChange *changes,
                size_t n,
                DmFaults *faults,
                void *userdata) {
        Manager *m = userdata;
        const ShareRules rules = { m->provisioned, manager_user_name_is_taken, m };

        return share_rules_check(&rules, model, changes, n, faults);
}

static char *row_of(const DmChange *change) {
        return strndup(change->path, (size_t) (strrchr(change->path, '.') - change->path));
}

/* An empty password closes the account. */
static int store_password(Manager *m, const char *row, const char *password) {
        char *credentials = NULL;
        int r;

        if (!isempty(password)) {
                r = credentials_from_password(password, &credentials);
                if (r < 0)
                        return r;
        }
        r = row_store_set(m->credentials, row, credentials);
        if (credentials)
                explicit_bzero(credentials, strlen(credentials));
        free(credentials);
        return r;
}

/* From now on the row's identity is fixed. A volume gets the UUID that its file system will have, so that a
 * format that was interrupted is told from one that was not. */
static int provision_volume(Manager *m, const char *row) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        char state[sizeof("planned ") + SD_ID128_UUID_STRING_MAX] = "planned ";
        sd_id128_t id;
        int r;

        if (row_store_get(m->provisioned, row))
                return 0;
        if ((r = sd_id128_randomize(&id)) < 0)
                return r;
        (void) sd_id128_to_uuid_string(id, state + strlen("planned "));
        if ((r = row_store_set(m->provisioned, row, state)) < 0 || (r = dm_update_new(&u, m->model)) < 0 ||
            (r = dm_update_set(u, file_system_name(m->config->file_system), "%s.FileSystem", row)) < 0)
                return r;
        return dm_update_commit(u);
}

/* A folder's needs no more than to be known as having been enabled. */
static int provision_folder(Manager *m, const char *row) {
        return row_store_set(m->provisioned, row, "enabled");
}

static int provision_if_enabled(Manager *m, const char *row, int (*provision)(Manager *m, const char *row)) {
        bool enabled;
        int r;

        r = dm_get_bool(m->model, &enabled, "%s.Enable", row);
        return r < 0 || !enabled ? r : provision(m, row);
}

int manager_provision_rows(Manager *m) {
        int r;

        DM_FOREACH_INSTANCE(v, m->model, STORAGE_SERVICE "LogicalVolume.") {
                _cleanup_free_ char *volume = strfmt(STORAGE_SERVICE "LogicalVolume.%" PRIu32, v);

                if (!volume)
                        return -ENOMEM;
                r = provision_if_enabled(m, volume, provision_volume);
                if (r < 0)
                        return r;
                DM_FOREACH_INSTANCE(i, m->model, "%s.Folder.", volume) {
                        _cleanup_free_ char *folder = strfmt("%s.Folder.%" PRIu32, volume, i);

                        r = folder ? provision_if_enabled(m, folder, provision_folder) : -ENOMEM;
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int apply_change(Manager *m, const DmChange *change) {
        _cleanup_free_ char *row = row_of(change);

        if (!row)
                return -ENOMEM;
        if (streq(change->object->name, "UserAccount") && streq(change->parameter->name, "Password"))
                return store_password(m, row, change->value);
        if (!streq(change->parameter->name, "Enable") || !streq(change->value, "true"))
                return 0;
        if (streq(change->object->name, "LogicalVolume"))
                return provision_volume(m, row);
        if (streq(change->object->name, "Folder"))
                return provision_folder(m, row);
        return 0;
}

static bool row_exists(const char *path, void *userdata) {
        Manager *m = userdata;

        return dm_exists(m->model, "%s", path);
}

static int prune(Manager *m) {
        int r;

        if ((r = row_store_prune(m->credentials, row_exists, m)) < 0 ||
            (r = row_store_prune(m->provisioned, row_exists, m)) < 0)
                return r;
        return row_store_prune(m->identities, row_exists, m);
}

static int committed(DmModel *model, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        Manager *m = userdata;
        bool deleted = false;
        int r;

        row_store_defer(m->credentials);
        row_store_defer(m->provisioned);
        for (size_t i = 0; i < n; i++) {
                deleted = deleted || changes[i].kind == DM_CHANGE_DELETED;
                r = changes[i].kind == DM_CHANGE_VALUE ? apply_change(m, changes + i) : 0;
                if (r < 0)
                        log_error_errno(r,
                                        "Failed to put the change of %s into effect: %m",
                                        changes[i].path);
        }
        if ((r = row_store_flush(m->credentials)) < 0 || (r = row_store_flush(m->provisioned)) < 0)
                log_error_errno(r, "Failed to store what belongs to the change: %m");
        if (deleted) {
                r = prune(m);
                if (r < 0)
                        log_error_errno(r, "Failed to forget deleted rows: %m");
        }
        /* Perhaps this was what a failed volume needed. */
        volumes_retry(m);
        manager_schedule(m);
        return 1;
}

static int get(DmModel *model,
               const DmParameter *parameter,
               const uint32_t instances[],
               char **ret,
               void *userdata) {
        Manager *m = userdata;
        uint32_t used = 0;
        const Volume *v;
        int r;

        if (!streq(parameter->name, "UsedSpace"))
                return -ENOENT;
        v = volumes_find(m, instances[1]);
        r = v ? volume_used_space(v, &used) : -ENODEV;
        if (r < 0)
                return r;
        *ret = strfmt("%" PRIu32, used);
        return *ret ? 0 : -ENOMEM;
}

const DmProvider manager_provider = { .validate = validate, .committed = committed, .get = get };
