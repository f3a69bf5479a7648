/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What TR-140 and the servers do not allow, asked through the data model as an ACS would. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "sharemgr/share-rules.h"
#include "sharemgr/share-set-load.h"
#include "storage-schema.h"

typedef struct Fixture {
        DmModel *model;
        RowStore *provisioned;
        char directory[sizeof("/tmp/test-share-rules-XXXXXX")];
        int fd;
} Fixture;

static bool root_is_taken(const char *name, void *userdata) {
        return streq(name, "root");
}

static int validate(
                DmModel *m,
                DmOrigin origin,
                const DmChange *changes,
                size_t n,
                DmFaults *faults,
                void *userdata) {
        Fixture *f = userdata;
        const ShareRules rules = { f->provisioned, root_is_taken, NULL };

        return share_rules_check(&rules, m, changes, n, faults);
}

static const DmProvider provider = { .validate = validate };

static void add(Fixture *f, const char *table) {
        _cleanup_free_ char *path = strfmt(STORAGE_SERVICE "%s", table);
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        assert_int_equal(dm_add_object(f->model, DM_ORIGIN_ACS, path, &instance, &status, &faults), DM_OK);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(Fixture));
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

        assert_non_null(f);
        strcpy(f->directory, "/tmp/test-share-rules-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        f->fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(row_store_open(&f->provisioned, f->fd, "provisioned"), 0);
        assert_int_equal(dm_model_new(&f->model, &storage_schema, &provider, f), 0);

        /* A disk of 1000 MB, two volumes, an account. */
        assert_int_equal(dm_update_new(&u, f->model), 0);
        assert_int_equal(dm_update_add(u, NULL, STORAGE_SERVICE "PhysicalMedium."), 0);
        assert_int_equal(dm_update_set_uint64(u, 1000, STORAGE_SERVICE "PhysicalMedium.1.Capacity"), 0);
        assert_int_equal(dm_update_commit(u), 0);
        add(f, "LogicalVolume.");
        add(f, "LogicalVolume.");
        add(f, "LogicalVolume.1.Folder.");
        add(f, "LogicalVolume.1.Folder.");
        add(f, "LogicalVolume.2.Folder.");
        add(f, "UserAccount.");
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        dm_model_free(f->model);
        row_store_free(f->provisioned);
        (void) unlinkat(f->fd, "provisioned", 0);
        safe_close(f->fd);
        assert_int_equal(rmdir(f->directory), 0);
        free(f);
        return 0;
}

/* Sets pairs of name and value, until NULL, in one request. Returns the fault of the first parameter that
 * has one. */
static DmFault set(Fixture *f, ...) {
        _cleanup_dm_faults_ DmFaults faults = {};
        DmSetting settings[16];
        char names[16][DM_PATH_MAX];
        const char *name;
        uint64_t token;
        size_t n = 0;
        int r, status;
        va_list ap;

        va_start(ap, f);
        while ((name = va_arg(ap, const char *))) {
                (void) snprintf(names[n], DM_PATH_MAX, STORAGE_SERVICE "%s", name);
                settings[n] = (DmSetting){ names[n], "", va_arg(ap, const char *) };
                n++;
        }
        va_end(ap);
        r = dm_prepare(f->model, DM_ORIGIN_ACS, settings, n, &token, &faults);
        if (r == DM_OK) {
                assert_int_equal(dm_commit(f->model, token, &status), 0);
                return DM_OK;
        }
        assert_int_equal(r, DM_FAULT_INVALID_ARGUMENTS);
        assert_true(faults.n > 0);
        return faults.entries[0].fault;
}

#define assert_accepted(...) assert_int_equal(set(__VA_ARGS__, NULL), DM_OK)
#define assert_refused(...) assert_int_equal(set(__VA_ARGS__, NULL), DM_FAULT_INVALID_VALUE)

static const char medium[] = STORAGE_SERVICE "PhysicalMedium.1";

static void test_volume_needs_its_parameters(void **state) {
        Fixture *f = *state;

        assert_refused(f, "LogicalVolume.1.Enable", "true");
        assert_refused(f, "LogicalVolume.1.Name", "home", "LogicalVolume.1.Enable", "true");
        assert_refused(f,
                       "LogicalVolume.1.Name",
                       "home",
                       "LogicalVolume.1.Capacity",
                       "10",
                       "LogicalVolume.1.Enable",
                       "1");
        assert_accepted(f,
                        "LogicalVolume.1.Enable",
                        "true",
                        "LogicalVolume.1.Name",
                        "home",
                        "LogicalVolume.1.Capacity",
                        "10",
                        "LogicalVolume.1.PhysicalReference",
                        medium);
}

static void configure(Fixture *f, const char *volume, const char *name, const char *capacity) {
        char parameter[3][64];

        (void) snprintf(parameter[0], 64, "LogicalVolume.%s.Name", volume);
        (void) snprintf(parameter[1], 64, "LogicalVolume.%s.Capacity", volume);
        (void) snprintf(parameter[2], 64, "LogicalVolume.%s.PhysicalReference", volume);
        assert_accepted(f, parameter[0], name, parameter[1], capacity, parameter[2], medium);
}

static void test_volume_fits_its_medium(void **state) {
        Fixture *f = *state;

        configure(f, "1", "home", "1001");
        assert_refused(f, "LogicalVolume.1.Enable", "true");
        configure(f, "1", "home", "1000");
        assert_accepted(f, "LogicalVolume.1.Enable", "true");
        configure(f, "2", "second", "10");
        assert_refused(f, "LogicalVolume.2.Enable", "true");
}

static void test_provisioned_rows_are_immutable(void **state) {
        Fixture *f = *state;

        configure(f, "1", "home", "10");
        assert_accepted(f, "LogicalVolume.1.Folder.1.Name", "docs");
        assert_int_equal(row_store_set(f->provisioned, STORAGE_SERVICE "LogicalVolume.1", "formatted x"), 0);
        assert_int_equal(
                        row_store_set(f->provisioned, STORAGE_SERVICE "LogicalVolume.1.Folder.1", "enabled"),
                        0);
        assert_refused(f, "LogicalVolume.1.Name", "other");
        assert_refused(f, "LogicalVolume.1.Capacity", "11");
        assert_refused(f, "LogicalVolume.1.PhysicalReference", "");
        assert_refused(f, "LogicalVolume.1.Folder.1.Name", "other");
        /* An equal value is no change, and the rest may change. */
        assert_accepted(f, "LogicalVolume.1.Name", "home", "LogicalVolume.1.ThresholdLimit", "5");
        /* The medium's row may be gone by now: that is a Status. */
        assert_accepted(f, "LogicalVolume.1.Enable", "true");
}

static void test_folders(void **state) {
        Fixture *f = *state;

        assert_refused(f, "LogicalVolume.1.Folder.1.Enable", "true");
        assert_refused(f, "LogicalVolume.1.Folder.1.Name", "../etc");
        assert_refused(f, "LogicalVolume.1.Folder.1.Name", "/.ispstorage");
        assert_refused(f,
                       "LogicalVolume.1.Folder.1.Name",
                       "global",
                       "LogicalVolume.1.Folder.1.Enable",
                       "true");
        assert_accepted(f,
                        "LogicalVolume.1.Folder.1.Name",
                        "/docs/",
                        "LogicalVolume.1.Folder.1.Enable",
                        "true");
        /* Inside of it, the same share in another spelling, and the same share on another volume. */
        assert_refused(f,
                       "LogicalVolume.1.Folder.2.Name",
                       "docs/x",
                       "LogicalVolume.1.Folder.2.Enable",
                       "true");
        assert_refused(f,
                       "LogicalVolume.1.Folder.2.Name",
                       "a/DOCS",
                       "LogicalVolume.1.Folder.2.Enable",
                       "true");
        assert_refused(f,
                       "LogicalVolume.2.Folder.1.Name",
                       "docs",
                       "LogicalVolume.2.Folder.1.Enable",
                       "true");
        assert_accepted(f,
                        "LogicalVolume.1.Folder.2.Name",
                        "docs2",
                        "LogicalVolume.1.Folder.2.Enable",
                        "true");
}

static void test_accounts(void **state) {
        Fixture *f = *state;

        assert_refused(f, "UserAccount.1.Enable", "true");
        assert_refused(f, "UserAccount.1.Username", "root");
        assert_refused(f, "UserAccount.1.Username", "a\nb");
        assert_refused(f, "UserAccount.1.Password", "a\nb");
        assert_accepted(f, "UserAccount.1.Username", "alice", "UserAccount.1.Enable", "true");
        assert_refused(f, "UserAccount.1.Username", "");
}

static void test_groups_and_quotas(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = NULL;
        _cleanup_dm_faults_ DmFaults faults = {};
        _cleanup_free_ char *groups = NULL;
        Fixture *f = *state;
        int status;

        add(f, "UserGroup.");
        add(f, "LogicalVolume.1.Folder.1.GroupAccess.");
        add(f, "LogicalVolume.1.Folder.1.UserAccess.");
        assert_refused(f, "UserGroup.1.Enable", "true");
        assert_refused(f, "UserGroup.1.GroupName", "a\nb");
        assert_refused(f, "UserAccount.1.UserGroupParticipation", STORAGE_SERVICE "UserGroup.2");
        assert_refused(f, "LogicalVolume.1.Folder.1.Quota.Enable", "true");
        configure(f, "1", "home", "10");
        assert_accepted(f,
                        "LogicalVolume.1.Enable",
                        "true",
                        "LogicalVolume.1.Folder.1.Name",
                        "docs",
                        "LogicalVolume.1.Folder.1.Enable",
                        "true",
                        "UserAccount.1.Username",
                        "alice",
                        "UserAccount.1.Enable",
                        "true");
        assert_accepted(f,
                        "UserAccount.1.UserGroupParticipation",
                        STORAGE_SERVICE "UserGroup.1",
                        "UserGroup.1.GroupName",
                        "Family",
                        "LogicalVolume.1.Folder.1.GroupAccess.1.GroupReference",
                        STORAGE_SERVICE "UserGroup.1",
                        "LogicalVolume.1.Folder.1.GroupAccess.1.Enable",
                        "true",
                        "LogicalVolume.1.Folder.1.Quota.Capacity",
                        "5",
                        "LogicalVolume.1.Folder.1.Quota.Enable",
                        "true");

        /* A group that is not enabled gives nothing; then it does, together with the account's own row. */
        assert_int_equal(share_set_load(f->model, &s), 0);
        assert_int_equal(s->volumes[0].folders[0].quota, 5);
        assert_int_equal(share_folder_access(s, s->volumes[0].folders, s->users, SHARE_SMB), SHARE_ACCESS_NONE);
        s = share_set_free(s);
        assert_accepted(f,
                        "UserGroup.1.Enable",
                        "true",
                        "LogicalVolume.1.Folder.1.GroupAccess.1.Permissions",
                        "4",
                        "LogicalVolume.1.Folder.1.UserAccess.1.UserReference",
                        STORAGE_SERVICE "UserAccount.1",
                        "LogicalVolume.1.Folder.1.UserAccess.1.Permissions",
                        "2");
        assert_int_equal(share_set_load(f->model, &s), 0);
        assert_int_equal(share_folder_access(s, s->volumes[0].folders, s->users, SHARE_SMB), SHARE_ACCESS_READ);
        s = share_set_free(s);
        assert_accepted(f, "LogicalVolume.1.Folder.1.UserAccess.1.Enable", "true");
        assert_int_equal(share_set_load(f->model, &s), 0);
        assert_int_equal(share_folder_access(s, s->volumes[0].folders, s->users, SHARE_SMB), SHARE_ACCESS_WRITE);

        /* TR-140: the reference to a group is strong, the one in an access row is weak. */
        assert_int_equal(
                        dm_delete_object(f->model, DM_ORIGIN_ACS, STORAGE_SERVICE "UserGroup.1.", &status, &faults),
                        DM_OK);
        assert_int_equal(
                        dm_get_string(f->model, &groups, STORAGE_SERVICE "UserAccount.1.UserGroupParticipation"), 0);
        assert_string_equal(groups, "");
        assert_true(dm_exists(f->model, STORAGE_SERVICE "LogicalVolume.1.Folder.1.GroupAccess.1"));
}

/* TR-106: a path name of a row, of this service; one that is weak may lead to a row that is not there (any more). */
static void test_references_stay_in_the_service(void **state) {
        Fixture *f = *state;
        static const struct {
                const char *parameter, *good;
        } references[] = {
                { "LogicalVolume.1.PhysicalReference", STORAGE_SERVICE "PhysicalMedium.77" },
                { "LogicalVolume.1.Folder.1.UserAccess.1.UserReference", STORAGE_SERVICE "UserAccount.77" },
                { "LogicalVolume.1.Folder.1.GroupAccess.1.GroupReference", STORAGE_SERVICE "UserGroup.77" },
                { "FTPServer.AnonymousUser.StartingFolder", STORAGE_SERVICE "LogicalVolume.7.Folder.7" },
        };
        static const char *const bad[] = {
                STORAGE_SERVICE "FTPServer",
                STORAGE_SERVICE "LogicalVolume.1",
                STORAGE_SERVICE "LogicalVolume.1.Folder.1.UserAccess.1",
                "Services.StorageService.2.PhysicalMedium.1",
                "Services.StorageService.2.UserAccount.1",
                "Services.StorageService.2.UserGroup.1",
                "Services.StorageService.2.LogicalVolume.1.Folder.1",
                "DeviceInfo",
                "../UserAccount.1",
        };

        add(f, "LogicalVolume.1.Folder.1.GroupAccess.");
        add(f, "LogicalVolume.1.Folder.1.UserAccess.");
        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                for (size_t k = 0; k < ELEMENTSOF(bad); k++)
                        assert_refused(f, references[i].parameter, bad[k]);
                assert_accepted(f, references[i].parameter, references[i].good);
                assert_accepted(f, references[i].parameter, "");
        }
}

static void test_settings(void **state) {
        Fixture *f = *state;

        assert_refused(f, "NetworkServer.NFSEnable", "true");
        assert_refused(f, "NetworkServer.AFPEnable", "1");
        assert_accepted(f, "NetworkServer.NFSEnable", "false");
        assert_refused(f, "NetInfo.HostName", "a\n[global]");
        assert_refused(f, "NetInfo.DomainName", "a b");
        assert_refused(f, "FTPServer.PortNumber", "0");
        assert_refused(f, "FTPServer.MaxNumUsers", "33");
        assert_refused(f, "HTTPServer.IdleTime", "601");
}

static void test_set_has_what_is_enabled(void **state) {
        _cleanup_(share_set_freep) ShareSet *s = NULL;
        Fixture *f = *state;

        add(f, "LogicalVolume.1.Folder.1.UserAccess.");
        configure(f, "1", "home", "10");
        assert_accepted(f,
                        "LogicalVolume.1.Enable",
                        "true",
                        "LogicalVolume.1.Folder.1.Name",
                        "/a/docs",
                        "LogicalVolume.1.Folder.1.Enable",
                        "true",
                        "UserAccount.1.Username",
                        "alice",
                        "UserAccount.1.Enable",
                        "true");
        assert_accepted(f,
                        "LogicalVolume.1.Folder.1.UserAccess.1.UserReference",
                        STORAGE_SERVICE "UserAccount.1",
                        "LogicalVolume.1.Folder.1.UserAccess.1.Permissions",
                        "4");
        assert_int_equal(share_set_load(f->model, &s), 0);
        assert_int_equal(s->n_volumes, 1);
        assert_int_equal(s->volumes[0].n_folders, 1);
        assert_string_equal(s->volumes[0].folders[0].share, "docs");
        assert_string_equal(s->volumes[0].folders[0].directory, "/srv/ispstorage/home/a/docs");
        assert_int_equal(s->volumes[0].folders[0].n_grants, 0); /* its row is not enabled */

        s = share_set_free(s);
        assert_accepted(f, "LogicalVolume.1.Folder.1.UserAccess.1.Enable", "true");
        assert_int_equal(share_set_load(f->model, &s), 0);
        assert_int_equal(
                        share_folder_access(s, s->volumes[0].folders, s->users, SHARE_SMB),
                        SHARE_ACCESS_READ);
}

static void test_names_of_media_are_unique(void **state) {
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL;
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        Fixture *f = *state;

        assert_int_equal(share_rules_medium_name(f->model, "sda", &first), 0);
        assert_string_equal(first, "sda");
        assert_int_equal(dm_update_new(&u, f->model), 0);
        assert_int_equal(dm_update_set(u, "sda", STORAGE_SERVICE "PhysicalMedium.1.Name"), 0);
        assert_int_equal(dm_update_commit(u), 0);
        assert_int_equal(share_rules_medium_name(f->model, "sda", &second), 0);
        assert_string_equal(second, "sda-2");
        assert_int_equal(share_rules_medium_name(f->model, "sdb", &third), 0);
        assert_string_equal(third, "sdb");

        /* Of two that have no serial number, which is a unique key as well. */
        u = dm_update_free(u);
        assert_int_equal(dm_update_new(&u, f->model), 0);
        assert_int_equal(dm_update_add(u, NULL, STORAGE_SERVICE "PhysicalMedium."), 0);
        assert_int_equal(dm_update_set(u, "sdb", STORAGE_SERVICE "PhysicalMedium.2.Name"), 0);
        assert_int_equal(dm_update_commit(u), 0);
        assert_refused(f, "PhysicalMedium.2.Name", "sda");
        assert_refused(f, "PhysicalMedium.1.Name", "sdb");
        assert_accepted(f, "PhysicalMedium.1.Name", "attic", "PhysicalMedium.2.Name", "sda");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_volume_needs_its_parameters, setup, teardown),
                cmocka_unit_test_setup_teardown(test_volume_fits_its_medium, setup, teardown),
                cmocka_unit_test_setup_teardown(test_provisioned_rows_are_immutable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
                cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_groups_and_quotas, setup, teardown),
                cmocka_unit_test_setup_teardown(test_references_stay_in_the_service, setup, teardown),
                cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
                cmocka_unit_test_setup_teardown(test_names_of_media_are_unique, setup, teardown),
                cmocka_unit_test_setup_teardown(test_set_has_what_is_enabled, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
