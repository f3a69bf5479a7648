/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state file: what survives, and what any interruption of the power leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "common/datamodel/dm.h"
#include "fixture-schema.h"

#define F "Services.Fixture.1."
#define STATE "state"

typedef struct Fixture {
        char *dir;
        int fd;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->dir = strdup("/tmp/test-dm-store.XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        static const char *const files[] = { STATE, STATE ".new", STATE ".corrupt" };

        (void) fchmod(f->fd, 0700);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void) unlinkat(f->fd, files[i], 0);
        (void) rmdir(f->dir);
        (void) close(f->fd);
        free(f->dir);
        free(f);
        return 0;
}

static DmModel *load(Fixture *f, DmLoadResult expected) {
        DmModel *m;

        assert_int_equal(dm_model_new(&m, &fixture_schema, NULL, NULL), 0);
        assert_int_equal(dm_model_load(m, f->dir, STATE), expected);
        return m;
}

static int set(DmModel *m, const char *name, const char *value) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;
        int status;

        assert_int_equal(
                        dm_prepare(m, DM_ORIGIN_ACS, &(DmSetting){ name, "", value }, 1, &token, &faults),
                        DM_OK);
        return dm_commit(m, token, &status);
}

static uint32_t add(DmModel *m, const char *table) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        assert_int_equal(dm_add_object(m, DM_ORIGIN_ACS, table, &instance, &status, &faults), DM_OK);
        return instance;
}

static void assert_value(DmModel *m, const char *path, const char *expected) {
        _cleanup_free_ char *value = NULL;

        assert_int_equal(dm_get_string(m, &value, "%s", path), 0);
        assert_string_equal(value, expected);
}

static char *slurp(Fixture *f, size_t *size) {
        char *data;

        assert_int_equal(read_file(f->fd, STATE, 1 << 20, &data, size), 0);
        return data;
}

static void spill(Fixture *f, const char *name, const char *data, size_t size) {
        _cleanup_close_ int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(loop_write(fd, data, size), 0);
}

static void test_survives(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = load(f, DM_LOADED_FACTORY), *again = NULL;
        _cleanup_dm_faults_ DmFaults faults = {};
        struct stat st;
        int status;

        assert_int_equal(set(m, F "Text", "\\ \n\r\xc3\xa4 "), 0);
        assert_int_equal(set(m, F "StoredSecret", "word"), 0);
        assert_int_equal(set(m, F "Secret", "pass"), 0);
        assert_int_equal(set(m, F "Order", "go 1"), 0);
        assert_int_equal(add(m, F "Group."), 1);
        assert_int_equal(add(m, F "Group."), 2);
        assert_int_equal(dm_delete_object(m, DM_ORIGIN_ACS, F "Group.2.", &status, &faults), DM_OK);

        again = load(f, DM_LOADED);
        assert_value(again, F "Text", "\\ \n\r\xc3\xa4 ");
        assert_value(again, F "StoredSecret", "word");
        assert_value(again, F "Order", ""); /* volatile */
        assert_value(again, F "GroupNumberOfEntries", "1");
        assert_int_equal(add(again, F "Group."), 3);

        assert_int_equal(fstatat(f->fd, STATE, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_secrets_that_are_not_stored(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = load(f, DM_LOADED_FACTORY);
        _cleanup_free_ char *data = NULL;

        assert_int_equal(set(m, F "Secret", "pass"), 0);
        assert_int_equal(set(m, F "Text", "text"), 0);
        data = slurp(f, NULL);
        assert_non_null(strstr(data, "text"));
        assert_null(strstr(data, "pass"));
}

static void test_deleted_factory_rows_stay_deleted(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = load(f, DM_LOADED_FACTORY), *again = NULL;
        DmUpdate *u;

        assert_int_equal(dm_update_new(&u, m), 0);
        assert_int_equal(dm_update_delete(u, "Services.Fixture.1."), 0);
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        again = load(f, DM_LOADED);
        assert_false(dm_exists(again, "Services.Fixture.1"));
        assert_int_equal(dm_update_new(&u, again), 0);
        assert_int_equal(dm_update_add(u, NULL, "Services.Fixture."), 0);
        assert_int_equal(dm_update_commit(u), 0);
        u = dm_update_free(u);
        assert_true(dm_exists(again, "Services.Fixture.2"));
}

static void test_volatile_changes_do_not_touch_the_disk(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = load(f, DM_LOADED_FACTORY);

        assert_int_equal(set(m, F "Order", "go 1"), 0);
        assert_int_equal(faccessat(f->fd, STATE, F_OK, 0), -1);
}

/* The power may fail while the new file is being written: the old one counts, whatever is in the new one. */
static void test_cut_before_the_rename(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *old = NULL, *new = NULL;
        size_t old_size, new_size;
        DmModel *m = load(f, DM_LOADED_FACTORY);

        assert_int_equal(set(m, F "Text", "old"), 0);
        old = slurp(f, &old_size);
        assert_int_equal(set(m, F "Text", "new"), 0);
        new = slurp(f, &new_size);
        m = dm_model_free(m);

        for (size_t size = 0; size <= new_size; size++) {
                spill(f, STATE, old, old_size);
                spill(f, STATE ".new", new, size);
                m = load(f, DM_LOADED);
                assert_value(m, F "Text", "old");
                m = dm_model_free(m);
        }
        /* The rest of such a file is no obstacle. */
        m = load(f, DM_LOADED);
        assert_int_equal(set(m, F "Text", "newer"), 0);
        m = dm_model_free(m);
        m = load(f, DM_LOADED);
        assert_value(m, F "Text", "newer");
        m = dm_model_free(m);
}

/* What no rename leaves behind, but a bad medium may: kept aside, and the factory state. */
static void assert_set_aside(Fixture *f, const char *data, size_t size) {
        DmModel *m;

        spill(f, STATE, data, size);
        m = load(f, DM_LOADED_CORRUPT);
        assert_value(m, F "Text", "");
        assert_int_equal(faccessat(f->fd, STATE, F_OK, 0), -1);
        assert_int_equal(faccessat(f->fd, STATE ".corrupt", F_OK, 0), 0);
        m = dm_model_free(m);
}

static void test_damage(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *data = NULL;
        size_t size;
        DmModel *m = load(f, DM_LOADED_FACTORY);

        assert_int_equal(set(m, F "Text", "text"), 0);
        m = dm_model_free(m);
        data = slurp(f, &size);
        for (size_t n = 0; n < size; n++)
                assert_set_aside(f, data, n);
        for (size_t i = 0; i < size; i++) {
                data[i] ^= 0x10;
                assert_set_aside(f, data, size);
                data[i] ^= 0x10;
        }
        spill(f, STATE, data, size);
        m = load(f, DM_LOADED);
        assert_value(m, F "Text", "text");
        m = dm_model_free(m);
}

/* Ends the lines with the sum, as dm-store.c describes it. */
static void spill_lines(Fixture *f, const char *lines) {
        _cleanup_free_ char *data = NULL;
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (const char *p = lines; *p; p++)
                h = (h ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
        data = strfmt("%send %016llx\n", lines, (unsigned long long) h);
        spill(f, STATE, data, strlen(data));
}

static void test_another_schema(void **state) {
        Fixture *f = *state;
        DmModel *m;

        spill_lines(f,
                    "ispstorage-datamodel 1 fixture\n"
                    "row Services.Fixture.1.\n"
                    "set Services.Fixture.1.Text text\n"
                    "set Services.Fixture.1.Gone 1\n"
                    "set Services.Fixture.1.Int 99\n"
                    "set Services.Fixture.1.Secret pass\n"
                    "row Services.Fixture.1.Gone.1.\n"
                    "row Services.Fixture.1.Group.0.\n"
                    "row Services.Fixture.1.Group.7.\n"
                    "table 3 Services.Fixture.1.Group.\n"
                    "nonsense\n");
        m = load(f, DM_LOADED_PARTLY);
        assert_value(m, F "Text", "text");
        assert_value(m, F "Int", "0");
        assert_value(m, F "Secret", "");
        assert_int_equal(add(m, F "Group."), 8);
        m = dm_model_free(m);
}

static void test_a_later_format_is_not_overwritten(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = NULL;

        spill_lines(f, "ispstorage-datamodel 2 fixture\n");
        assert_int_equal(dm_model_new(&m, &fixture_schema, NULL, NULL), 0);
        assert_int_equal(dm_model_load(m, f->dir, STATE), -EPROTONOSUPPORT);
        assert_int_equal(faccessat(f->fd, STATE, F_OK, 0), 0);
}

/* A disk that refuses: the request fails, and the model is as before. */
static void test_failing_disk(void **state) {
        Fixture *f = *state;
        _cleanup_(dm_model_freep) DmModel *m = load(f, DM_LOADED_FACTORY);
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        assert_int_equal(set(m, F "Text", "old"), 0);
        /* A directory in the place of the new file cannot be opened for writing, by root neither. */
        (void) unlinkat(f->fd, STATE ".new", 0);
        assert_int_equal(mkdirat(f->fd, STATE ".new", 0700), 0);
        assert_true(set(m, F "Text", "new") < 0);
        assert_value(m, F "Text", "old");
        assert_false(dm_is_locked(m));
        assert_true(dm_add_object(m, DM_ORIGIN_ACS, F "Group.", &instance, &status, &faults) < 0);
        assert_value(m, F "GroupNumberOfEntries", "0");

        assert_int_equal(unlinkat(f->fd, STATE ".new", AT_REMOVEDIR), 0);
        assert_int_equal(set(m, F "Text", "new"), 0);
        assert_int_equal(add(m, F "Group."), 1);
}

#define unit(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                unit(test_survives),
                unit(test_secrets_that_are_not_stored),
                unit(test_deleted_factory_rows_stay_deleted),
                unit(test_volatile_changes_do_not_touch_the_disk),
                unit(test_cut_before_the_rename),
                unit(test_damage),
                unit(test_another_schema),
                unit(test_a_later_format_is_not_overwritten),
                unit(test_failing_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
