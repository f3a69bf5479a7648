/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <strings.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-rules.h"
#include "sharemgr/share-set-load.h"

#define VOLUMES STORAGE_SERVICE "LogicalVolume."
#define MEDIA STORAGE_SERVICE "PhysicalMedium."

typedef struct Check {
        const ShareRules *rules;
        DmModel *model;
        const DmChange *change;
        DmFaults *faults;
} Check;

/* Instance numbers of a change below LogicalVolume: StorageService, LogicalVolume, Folder. */
enum { IN_SERVICE, IN_VOLUME, IN_FOLDER };

static void refuse(const Check *c, const char *text) {
        (void) dm_faults_add(c->faults, c->change->path, DM_FAULT_INVALID_VALUE, "%s", text);
}

static bool changes_parameter(const Check *c, const char *name) {
        return streq(c->change->parameter->name, name);
}

/* The path name of the row in which the changed parameter is, without the dot at its end. */
static char *row_of(const DmChange *change) {
        const char *dot = strrchr(change->path, '.');

        return strndup(change->path, (size_t) (dot - change->path));
}

static int check_immutable(const Check *c, const char *const *names, size_t n) {
        _cleanup_free_ char *row = NULL;

        for (size_t i = 0; i < n; i++) {
                if (!changes_parameter(c, names[i]))
                        continue;
                row = row_of(c->change);
                if (!row)
                        return -ENOMEM;
                if (row_store_get(c->rules->provisioned, row))
                        refuse(c, "cannot change after the row was enabled");
                return 0;
        }
        return 0;
}

static int check_user(const Check *c) {
        const char *value = c->change->value;
        _cleanup_free_ char *row = row_of(c->change), *name = NULL;
        bool enabled;
        int r;

        if (!row)
                return -ENOMEM;
        if (changes_parameter(c, "Password") && !password_is_valid(value))
                refuse(c, "not a password that every protocol can carry");
        if (changes_parameter(c, "Username") && !isempty(value)) {
                if (!user_name_is_valid(value))
                        refuse(c,
                               "not a login name: a-z, 0-9, '_', '-', '.', at most 32, beginning with a "
                               "letter");
                else if (c->rules->user_name_is_taken(value, c->rules->userdata))
                        refuse(c, "this name belongs to an account of the system");
        }
        if ((r = dm_get_bool(c->model, &enabled, "%s.Enable", row)) < 0 ||
            (r = dm_get_string(c->model, &name, "%s.Username", row)) < 0)
                return r;
        if (enabled && isempty(name))
                refuse(c, "an enabled account needs a Username");
        return 0;
}

/* True if another enabled volume is on the same medium: a volume takes the whole of it. */
static int medium_is_in_use(const Check *c, const char *medium, bool *ret) {
        DM_FOREACH_INSTANCE(i, c->model, VOLUMES) {
                _cleanup_free_ char *other = NULL;
                bool enabled;
                int r;

                if (i == c->change->instances[IN_VOLUME])
                        continue;
                if ((r = dm_get_bool(c->model, &enabled, VOLUMES "%" PRIu32 ".Enable", i)) < 0 ||
                    (r = dm_get_string(c->model, &other, VOLUMES "%" PRIu32 ".PhysicalReference", i)) < 0)
                        return r;
                if (enabled && streq(other, medium)) {
                        *ret = true;
                        return 0;
                }
        }
        *ret = false;
        return 0;
}

static int check_volume_enabled(const Check *c, const char *row) {
        _cleanup_free_ char *name = NULL, *medium = NULL;
        uint32_t capacity, available;
        bool in_use;
        int r;

        if ((r = dm_get_string(c->model, &name, "%s.Name", row)) < 0 ||
            (r = dm_get_string(c->model, &medium, "%s.PhysicalReference", row)) < 0 ||
            (r = dm_get_uint32(c->model, &capacity, "%s.Capacity", row)) < 0)
                return r;
        if (isempty(name) || isempty(medium) || capacity == 0) {
                refuse(c, "a volume can be enabled when Name, PhysicalReference and Capacity are set");
                return 0;
        }
        /* Later the medium may be gone, and even its row: that is a Status, not a fault. */
        if (row_store_get(c->rules->provisioned, row))
                return 0;
        r = dm_get_uint32(c->model, &available, "%s.Capacity", medium);
        if (r < 0) {
                refuse(c, "PhysicalReference names no medium");
                return r == -ENOENT ? 0 : r;
        }
        if (capacity > available)
                refuse(c, "Capacity is more than the medium has");
        r = medium_is_in_use(c, medium, &in_use);
        if (r >= 0 && in_use)
                refuse(c, "another volume is on this medium");
        return r;
}

static int check_group(const Check *c) {
        _cleanup_free_ char *row = row_of(c->change), *name = NULL;
        bool enabled;
        int r;

        if (!row)
                return -ENOMEM;
        if ((r = dm_get_bool(c->model, &enabled, "%s.Enable", row)) < 0 ||
            (r = dm_get_string(c->model, &name, "%s.GroupName", row)) < 0)
                return r;
        if (!isempty(name) && !group_name_is_valid(name))
                refuse(c, "not a name: no control characters, no blanks around it");
        else if (enabled && isempty(name))
                refuse(c, "an enabled group needs a GroupName");
        return 0;
}

static int check_quota(const Check *c) {
        _cleanup_free_ char *row = row_of(c->change);
        uint32_t capacity;
        bool enabled;
        int r;

        if (!row)
                return -ENOMEM;
        if ((r = dm_get_bool(c->model, &enabled, "%s.Enable", row)) < 0 ||
            (r = dm_get_uint32(c->model, &capacity, "%s.Capacity", row)) < 0)
                return r;
        if (enabled && capacity == 0)
                refuse(c, "an enabled quota needs a Capacity");
        return 0;
}

static int check_volume(const Check *c) {
        static const char *const fixed[] = { "Name", "PhysicalReference", "Capacity" };
        _cleanup_free_ char *row = row_of(c->change);
        const char *value = c->change->value;
        bool enabled;
        int r;

        if (!row)
                return -ENOMEM;
        if (changes_parameter(c, "Name") && !isempty(value) && !volume_name_is_valid(value))
                refuse(c,
                       "not a volume name: letters, digits, '_', '-', '.', beginning with a letter or "
                       "digit");
        r = check_immutable(c, fixed, ELEMENTSOF(fixed));
        if (r < 0)
                return r;
        r = dm_get_bool(c->model, &enabled, "%s.Enable", row);
        return r < 0 ? r : enabled && changes_parameter(c, "Enable") ? check_volume_enabled(c, row) : 0;
}

/* Both are valid names; the path of one may begin with the other's. */
static bool is_inside(const char *folder, const char *of) {
        _cleanup_free_ char *inner = folder_directory("", folder), *outer = folder_directory("", of);
        const char *rest = inner && outer ? startswith(inner, outer) : NULL;

        return rest && (*rest == '/' || *rest == 0);
}

/* Compares the folder with another enabled one. */
static void check_folder_pair(const Check *c, const char *name, const char *other, bool same_volume) {
        _cleanup_free_ char *a = folder_share_name(name), *b = folder_share_name(other);

        if (same_volume && (is_inside(name, other) || is_inside(other, name)))
                refuse(c, "one folder is inside of another one");
        else if (a && b && strcasecmp(a, b) == 0)
                refuse(c, "another folder is shared under this name");
}

static int check_other_folders(const Check *c, const char *name) {
        const uint32_t *own = c->change->instances;
        int r;

        DM_FOREACH_INSTANCE(v, c->model, VOLUMES) {
                DM_FOREACH_INSTANCE(i, c->model, VOLUMES "%" PRIu32 ".Folder.", v) {
                        _cleanup_free_ char *other = NULL;
                        bool enabled;

                        if (v == own[IN_VOLUME] && i == own[IN_FOLDER])
                                continue;
                        if ((r = dm_get_bool(c->model,
                                             &enabled,
                                             VOLUMES "%" PRIu32 ".Folder.%" PRIu32 ".Enable",
                                             v,
                                             i)) < 0 ||
                            (r =
                                             dm_get_string(c->model,
                                                           &other,
                                                           VOLUMES "%" PRIu32 ".Folder.%" PRIu32 ".Name",
                                                           v,
                                                           i)) < 0)
                                return r;
                        if (enabled && folder_name_is_valid(other))
                                check_folder_pair(c, name, other, v == own[IN_VOLUME]);
                }
        }
        return 0;
}

static int check_folder(const Check *c) {
        static const char *const fixed[] = { "Name" };
        _cleanup_free_ char *row = row_of(c->change), *name = NULL, *share = NULL;
        bool enabled;
        int r;

        if (!row)
                return -ENOMEM;
        if (changes_parameter(c, "Name") && !isempty(c->change->value) &&
            !folder_name_is_valid(c->change->value)) {
                refuse(c, "not the path of a folder inside the volume");
                return 0;
        }
        r = check_immutable(c, fixed, ELEMENTSOF(fixed));
        if (r < 0)
                return r;
        if ((r = dm_get_bool(c->model, &enabled, "%s.Enable", row)) < 0 ||
            (r = dm_get_string(c->model, &name, "%s.Name", row)) < 0)
                return r;
        if (!enabled || !(changes_parameter(c, "Enable") || changes_parameter(c, "Name")))
                return 0;
        if (!folder_name_is_valid(name)) {
                refuse(c, "a folder can be enabled when Name is set");
                return 0;
        }
        share = folder_share_name(name);
        if (!share)
                return -ENOMEM;
        if (share_name_is_reserved(share))
                refuse(c, "SMB reserves this name");
        return check_other_folders(c, name);
}

static void check_setting(const Check *c) {
        const char *value = c->change->value;

        if ((changes_parameter(c, "NFSEnable") || changes_parameter(c, "AFPEnable")) && streq(value, "true"))
                refuse(c, "Capabilities.SupportedNetworkProtocols does not have it");
        else if (changes_parameter(c, "HostName") && !host_name_is_valid(value))
                refuse(c, "not a host name (RFC 1123)");
        else if (changes_parameter(c, "DomainName") && !domain_name_is_valid(value))
                refuse(c, "not a domain name (RFC 1123)");
        else if (changes_parameter(c, "PortNumber") && streq(value, "0"))
                refuse(c, "a server cannot listen on port 0");
}

/* 1, 0, or a negative errno. */
static int is_name_of_medium(DmModel *m, const char *name) {
        DM_FOREACH_INSTANCE(i, m, MEDIA) {
                _cleanup_free_ char *other = NULL;
                int r = dm_get_string(m, &other, MEDIA "%" PRIu32 ".Name", i);

                if (r < 0)
                        return r;
                if (streq(other, name))
                        return 1;
        }
        return 0;
}

int share_rules_medium_name(DmModel *m, const char *device, char **ret) {
        for (unsigned n = 1;; n++) {
                _cleanup_free_ char *name = n == 1 ? strdup(device) : strfmt("%s-%u", device, n);
                int r = name ? is_name_of_medium(m, name) : -ENOMEM;

                if (r < 0)
                        return r;
                if (r == 0) {
                        *ret = TAKE_PTR(name);
                        return 0;
                }
        }
}

int share_rules_check(
                const ShareRules *rules, DmModel *m, const DmChange *changes, size_t n, DmFaults *faults) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                Check c = { rules, m, changes + i, faults };

                if (changes[i].kind != DM_CHANGE_VALUE)
                        continue;
                if (streq(changes[i].object->name, "UserAccount"))
                        r = check_user(&c);
                else if (streq(changes[i].object->name, "LogicalVolume"))
                        r = check_volume(&c);
                else if (streq(changes[i].object->name, "Folder"))
                        r = check_folder(&c);
                else if (streq(changes[i].object->name, "UserGroup"))
                        r = check_group(&c);
                else if (streq(changes[i].object->name, "Quota"))
                        r = check_quota(&c);
                else
                        check_setting(&c);
        }
        return r;
}
