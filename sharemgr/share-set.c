/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "common/base/str.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/share-set.h"

static void folder_done(ShareFolder *f) {
        free(f->share);
        free(f->directory);
        free(f->grants);
}

static void volume_done(ShareVolume *v) {
        for (size_t i = 0; i < v->n_folders; i++)
                folder_done(v->folders + i);
        free(v->folders);
        free(v->name);
        free(v->medium);
}

ShareSet *share_set_free(ShareSet *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_users; i++) {
                free(s->users[i].name);
                strv_free(s->users[i].groups);
        }
        for (size_t i = 0; i < s->n_volumes; i++)
                volume_done(s->volumes + i);
        free(s->users);
        free(s->volumes);
        free(s->host_name);
        free(s->domain_name);
        free(s->anonymous_folder);
        return mfree(s);
}

/* Grows *array by one zeroed element and returns it. */
static void *append(void *array, size_t *n, size_t size) {
        void **a = array;
        void *grown;

        grown = reallocarray(*a, *n + 1, size);
        if (!grown)
                return NULL;
        *a = grown;
        return memset((uint8_t *) grown + (*n)++ * size, 0, size);
}

ShareUser *share_set_add_user(ShareSet *s) {
        return append(&s->users, &s->n_users, sizeof(ShareUser));
}

ShareVolume *share_set_add_volume(ShareSet *s) {
        return append(&s->volumes, &s->n_volumes, sizeof(ShareVolume));
}

ShareFolder *share_volume_add_folder(ShareVolume *v) {
        return append(&v->folders, &v->n_folders, sizeof(ShareFolder));
}

/* The place of the user's grant, or where it would have to be. */
static size_t grant_position(const ShareFolder *f, uint32_t user) {
        size_t low = 0, high = f->n_grants;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (f->grants[middle].user < user)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

int share_folder_grant(ShareFolder *f, uint32_t user, uint32_t permissions) {
        size_t i = grant_position(f, user);

        if (i == f->n_grants || f->grants[i].user != user) {
                if (!append(&f->grants, &f->n_grants, sizeof(ShareGrant)))
                        return -ENOMEM;
                memmove(f->grants + i + 1, f->grants + i, (f->n_grants - 1 - i) * sizeof(ShareGrant));
                f->grants[i] = (ShareGrant){ .user = user };
        }
        f->grants[i].permissions |= permissions;
        return 0;
}

static const ShareUser *find_user(const ShareSet *s, uint32_t instance) {
        for (size_t i = 0; i < s->n_users; i++)
                if (s->users[i].instance == instance)
                        return s->users + i;
        return NULL;
}

static bool is_anonymous_folder(const ShareSet *s, const ShareVolume *v, const ShareFolder *f) {
        _cleanup_free_ char *path =
                        strfmt("Services.StorageService.1.LogicalVolume.%" PRIu32 ".Folder.%" PRIu32,
                               v->instance,
                               f->instance);

        return path && streq_ptr(s->anonymous_folder, path);
}

const ShareFolder *share_set_find_anonymous_folder(const ShareSet *s) {
        if (!s->anonymous_enabled)
                return NULL;
        for (const ShareVolume *v = s->volumes; v < s->volumes + s->n_volumes; v++)
                for (const ShareFolder *f = v->folders; f < v->folders + v->n_folders; f++)
                        if (f->online && is_anonymous_folder(s, v, f))
                                return f->account_access & SHARE_AUTHENTICATE_FTP_HTTP ? NULL : f;
        return NULL;
}

bool share_folder_is_open(const ShareSet *s, const ShareFolder *f, ShareProtocol protocol) {
        switch (protocol) {
        case SHARE_SMB:
                return !s->smb_authentication || !(f->account_access & SHARE_AUTHENTICATE_SMB);
        case SHARE_HTTP:
                return !s->http.authentication && !(f->account_access & SHARE_AUTHENTICATE_FTP_HTTP);
        case SHARE_HTTPS:
                return !s->https.authentication && !(f->account_access & SHARE_AUTHENTICATE_FTP_HTTP);
        case SHARE_FTP:
                return share_set_find_anonymous_folder(s) == f;
        case _SHARE_PROTOCOL_MAX:
                break;
        }
        return false;
}

ShareAccess share_folder_access(
                const ShareSet *s, const ShareFolder *f, const ShareUser *u, ShareProtocol protocol) {
        bool http = protocol == SHARE_HTTP || protocol == SHARE_HTTPS;
        ShareAccess most = f->full && !http ? SHARE_ACCESS_READ : SHARE_ACCESS_WRITE;
        uint32_t permissions;
        size_t i;

        if (protocol != SHARE_FTP && share_folder_is_open(s, f, protocol))
                return most;
        if ((protocol == SHARE_FTP && !u->ftp_allowed) || (http && !u->http_allowed))
                return SHARE_ACCESS_NONE;
        i = grant_position(f, u->instance);
        permissions = i < f->n_grants && f->grants[i].user == u->instance ? f->grants[i].permissions : 0;
        if (!(permissions & SHARE_PERMISSION_READ))
                return SHARE_ACCESS_NONE;
        return permissions & SHARE_PERMISSION_WRITE ? most : SHARE_ACCESS_READ;
}

static const ShareFolder *find_online(const ShareSet *s, const char *directory) {
        SHARE_SET_FOREACH_ONLINE(f, s)
        if (streq(f->directory, directory))
                return f;
        return NULL;
}

static bool is_lowered(const ShareSet *before, const ShareSet *now, const ShareUser *u, ShareProtocol protocol) {
        const ShareUser *same = find_user(now, u->instance);

        SHARE_SET_FOREACH_ONLINE(f, before) {
                ShareAccess had = share_folder_access(before, f, u, protocol);
                const ShareFolder *other = had > SHARE_ACCESS_NONE ? find_online(now, f->directory) : NULL;

                if (had > SHARE_ACCESS_NONE &&
                    (!same || !streq(same->name, u->name) || !other ||
                     share_folder_access(now, other, same, protocol) < had))
                        return true;
        }
        return false;
}

static bool is_anonymous_lowered(const ShareSet *before, const ShareSet *now) {
        const ShareFolder *had = share_set_find_anonymous_folder(before), *has = share_set_find_anonymous_folder(now);

        return had && (!has || !streq(had->directory, has->directory) ||
                       (!before->anonymous_read_only && now->anonymous_read_only) || (has->full && !had->full));
}

static bool is_guest_lowered(const ShareSet *before, const ShareSet *now) {
        SHARE_SET_FOREACH_ONLINE(f, before) {
                const ShareFolder *other = find_online(now, f->directory);

                if (share_folder_is_open(before, f, SHARE_SMB) &&
                    (!other || !share_folder_is_open(now, other, SHARE_SMB) || (other->full && !f->full)))
                        return true;
        }
        return false;
}

int share_set_list_lowered(const ShareSet *before, const ShareSet *now, ShareProtocol protocol, char ***names) {
        int r;

        for (const ShareUser *u = before->users; u && u < before->users + before->n_users; u++)
                if (is_lowered(before, now, u, protocol) && (r = strv_extend(names, u->name)) < 0)
                        return r;
        if (protocol == SHARE_FTP && is_anonymous_lowered(before, now))
                return strv_extend(names, "anonymous");
        if (protocol == SHARE_SMB && is_guest_lowered(before, now))
                return strv_extend(names, DATA_USER);
        return 0;
}
