/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "common/base/str.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-set-load.h"

#define USER STORAGE_SERVICE "UserAccount.%" PRIu32
#define VOLUME STORAGE_SERVICE "LogicalVolume.%" PRIu32
#define FOLDER VOLUME ".Folder.%" PRIu32

/* Takes the groups that are not enabled out of the list. */
static int load_groups(DmModel *m, uint32_t i, ShareUser *u) {
        _cleanup_strv_free_ char **groups = NULL;
        _cleanup_free_ char *list = NULL;
        bool enabled;
        int r;

        if ((r = dm_get_string(m, &list, USER ".UserGroupParticipation", i)) < 0 ||
            (r = strv_split(list, ",", &groups)) < 0)
                return r;
        STRV_FOREACH (group, groups)
                if (dm_get_bool(m, &enabled, "%s.Enable", *group) >= 0 && enabled &&
                    (r = strv_extend(&u->groups, *group)) < 0)
                        return r;
        return 0;
}

static int load_users(DmModel *m, ShareSet *s) {
        bool enabled;
        int r;

        DM_FOREACH_INSTANCE(i, m, STORAGE_SERVICE "UserAccount.") {
                ShareUser *u;

                r = dm_get_bool(m, &enabled, USER ".Enable", i);
                if (r < 0)
                        return r;
                if (!enabled)
                        continue;
                u = share_set_add_user(s);
                if (!u)
                        return -ENOMEM;
                u->instance = i;
                if ((r = dm_get_string(m, &u->name, USER ".Username", i)) < 0 ||
                    (r = dm_get_bool(m, &u->ftp_allowed, USER ".AllowFTPAccess", i)) < 0 ||
                    (r = dm_get_bool(m, &u->http_allowed, USER ".AllowHTTPAccess", i)) < 0 ||
                    (r = load_groups(m, i, u)) < 0)
                        return r;
                if (!user_name_is_valid(u->name)) {
                        free(u->name);
                        strv_free(u->groups);
                        s->n_users--;
                }
        }
        return 0;
}

/* Reads an access row into what those may do whom it names: an account, or the members of a group. */
static int load_access(DmModel *m, const char *row, const char *reference_name, ShareSet *s, ShareFolder *f) {
        _cleanup_free_ char *reference = NULL;
        uint32_t permissions;
        bool enabled;
        int r;

        if ((r = dm_get_bool(m, &enabled, "%s.Enable", row)) < 0 ||
            (r = dm_get_string(m, &reference, "%s.%s", row, reference_name)) < 0 ||
            (r = dm_get_uint32(m, &permissions, "%s.Permissions", row)) < 0 || !enabled)
                return r;
        for (const ShareUser *u = s->users; u && u < s->users + s->n_users; u++) {
                _cleanup_free_ char *path = strfmt(USER, u->instance);

                if (!path)
                        return -ENOMEM;
                if (!streq(path, reference) && !strv_contains(u->groups, reference))
                        continue;
                r = share_folder_grant(f, u->instance, permissions);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_grants(DmModel *m, ShareSet *s, uint32_t v, uint32_t i, ShareFolder *f) {
        static const struct {
                const char *table, *reference;
        } kinds[] = { { "UserAccess", "UserReference" }, { "GroupAccess", "GroupReference" } };
        int r;

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++)
                DM_FOREACH_INSTANCE(a, m, FOLDER ".%s.", v, i, kinds[k].table) {
                        _cleanup_free_ char *row = strfmt(FOLDER ".%s.%" PRIu32, v, i, kinds[k].table, a);

                        r = row ? load_access(m, row, kinds[k].reference, s, f) : -ENOMEM;
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int load_quota(DmModel *m, uint32_t v, uint32_t i, ShareFolder *f) {
        bool enabled;
        int r = dm_get_bool(m, &enabled, FOLDER ".Quota.Enable", v, i);

        return r < 0 || !enabled ? r : dm_get_uint32(m, &f->quota, FOLDER ".Quota.Capacity", v, i);
}

static int load_folder(DmModel *m, ShareSet *s, ShareVolume *volume, uint32_t i) {
        _cleanup_free_ char *name = NULL;
        uint32_t v = volume->instance;
        ShareFolder *f;
        bool enabled;
        int r;

        if ((r = dm_get_bool(m, &enabled, FOLDER ".Enable", v, i)) < 0 ||
            (r = dm_get_string(m, &name, FOLDER ".Name", v, i)) < 0)
                return r;
        if (!enabled || !folder_name_is_valid(name))
                return 0;
        f = share_volume_add_folder(volume);
        if (!f)
                return -ENOMEM;
        f->instance = i;
        f->share = folder_share_name(name);
        f->directory = folder_directory(volume->name, name);
        if (!f->share || !f->directory)
                return -ENOMEM;
        if ((r = dm_get_uint32(m, &f->account_access, FOLDER ".UserAccountAccess", v, i)) < 0 ||
            (r = load_quota(m, v, i, f)) < 0)
                return r;
        return load_grants(m, s, v, i, f);
}

static int load_volume(DmModel *m, ShareSet *s, uint32_t v) {
        _cleanup_free_ char *name = NULL;
        ShareVolume *volume;
        bool enabled;
        int r;

        if ((r = dm_get_bool(m, &enabled, VOLUME ".Enable", v)) < 0 ||
            (r = dm_get_string(m, &name, VOLUME ".Name", v)) < 0)
                return r;
        if (!enabled || !volume_name_is_valid(name))
                return 0;
        volume = share_set_add_volume(s);
        if (!volume)
                return -ENOMEM;
        volume->instance = v;
        volume->name = TAKE_PTR(name);
        if ((r = dm_get_string(m, &volume->medium, VOLUME ".PhysicalReference", v)) < 0 ||
            (r = dm_get_uint32(m, &volume->capacity, VOLUME ".Capacity", v)) < 0)
                return r;
        DM_FOREACH_INSTANCE(i, m, VOLUME ".Folder.", v) {
                r = load_folder(m, s, volume, i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_server(DmModel *m, const char *object, ShareServer *server) {
        int r;

        if ((r = dm_get_bool(m, &server->enabled, STORAGE_SERVICE "%s.Enable", object)) < 0 ||
            (r = dm_get_uint32(m, &server->max_users, STORAGE_SERVICE "%s.MaxNumUsers", object)) < 0 ||
            (r = dm_get_uint32(m, &server->idle_time, STORAGE_SERVICE "%s.IdleTime", object)) < 0 ||
            (r = dm_get_uint32(m, &server->port, STORAGE_SERVICE "%s.PortNumber", object)) < 0)
                return r;
        return 0;
}

static int load_settings(DmModel *m, ShareSet *s) {
        int r;

        if ((r = dm_get_bool(m, &s->enabled, STORAGE_SERVICE "Enable")) < 0 ||
            (r = dm_get_string(m, &s->host_name, STORAGE_SERVICE "NetInfo.HostName")) < 0 ||
            (r = dm_get_string(m, &s->domain_name, STORAGE_SERVICE "NetInfo.DomainName")) < 0 ||
            (r = dm_get_bool(m, &s->smb_enabled, STORAGE_SERVICE "NetworkServer.SMBEnable")) < 0 ||
            (r = dm_get_bool(m,
                             &s->smb_authentication,
                             STORAGE_SERVICE "NetworkServer.NetworkProtocolAuthReq")) < 0 ||
            (r = dm_get_bool(m, &s->anonymous_enabled, STORAGE_SERVICE "FTPServer.AnonymousUser.Enable")) <
                            0 ||
            (r = dm_get_bool(m,
                             &s->anonymous_read_only,
                             STORAGE_SERVICE "FTPServer.AnonymousUser.ReadOnlyAccess")) < 0 ||
            (r =
                             dm_get_string(m,
                                           &s->anonymous_folder,
                                           STORAGE_SERVICE "FTPServer.AnonymousUser.StartingFolder")) < 0 ||
            (r = load_server(m, "FTPServer", &s->ftp)) < 0)
                return r;
        if ((r = load_server(m, "HTTPServer", &s->http)) < 0 || (r = load_server(m, "HTTPSServer", &s->https)) < 0 ||
            (r = dm_get_bool(m, &s->http.authentication, STORAGE_SERVICE "HTTPServer.AuthenticationReq")) < 0)
                return r;
        return dm_get_bool(m, &s->https.authentication, STORAGE_SERVICE "HTTPSServer.AuthenticationReq");
}

int share_set_load(DmModel *m, ShareSet **ret) {
        _cleanup_(share_set_freep) ShareSet *s = calloc(1, sizeof(ShareSet));
        int r;

        if (!s)
                return -ENOMEM;
        if ((r = load_settings(m, s)) < 0 || (r = load_users(m, s)) < 0)
                return r;
        DM_FOREACH_INSTANCE(v, m, STORAGE_SERVICE "LogicalVolume.") {
                r = load_volume(m, s, v);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}
