/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thousands of random requests, good, bad and damaged ones. Whatever they are: what is refused or aborted
 * leaves no trace, and what is done is the same after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "common/datamodel/dm.h"
#include "fixture-schema.h"

#define STATE "state"
#define OPERATIONS 1500

static const char *const words[] = {
        "",
        "0",
        "1",
        "2",
        "-5",
        "6",
        "true",
        "false",
        "x",
        "red",
        "red,green",
        "dark green",
        "go 1",
        "21",
        "65536",
        "2026-01-31T23:59:59Z",
        "AAECAw==",
        "fF00",
        "\xc3\xa4",
        "\xff",
        "a\nb\\c",
        "\x01",
        ".",
        "..",
        "{i}.",
        "Services.",
        "Services.Fixture.1.Group.1",
        "Services.Fixture.1.Group.2,Services.Fixture.1.Group.3",
        "Services.Fixture.1.User.1",
        "Device.Services.Fixture.1.User.2.",
        "Services.Fixture.1.User.4294967296.",
        "Services.Fixture.1.User.01.Name",
        "4294967295",
        "18446744073709551616",
        "Services.Fixture.1.Group.",
        "Services.Fixture.1.User.",
        "Services.Fixture.1.Event.",
        "%s%n",
        "Services.Fixture.1.Server.Port.Port",
};

typedef struct Random {
        uint64_t state;
        unsigned done; /* requests that were carried out */
} Random;

/* xorshift64*: the same numbers everywhere, so that a failure can be repeated. */
static uint64_t draw(Random *r, uint64_t below) {
        r->state ^= r->state >> 12;
        r->state ^= r->state << 25;
        r->state ^= r->state >> 27;
        return (r->state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

static char *dump(DmModel *m, bool persistent) {
        DmValues values = {};
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_int_equal(dm_get_values(m, "", &values), DM_OK);
        for (size_t i = 0; i < values.n; i++)
                if (!persistent || (!endswith(values.items[i].name, ".Order") &&
                                    !endswith(values.items[i].name, ".Status")))
                        (void) fprintf(f, "%s=%s\n", values.items[i].name, values.items[i].value);
        dm_values_done(&values);
        (void) fclose(f);
        return text;
}

/* A name that exists, most of the time; sometimes with a character changed. */
static char *draw_name(Random *r, DmModel *m) {
        DmNames names = {};
        char *name;

        if (draw(r, 8) == 0)
                return strdup(words[draw(r, ELEMENTSOF(words))]);
        assert_int_equal(dm_get_names(m, "", false, &names), DM_OK);
        name = strdup(names.items[draw(r, names.n)].name);
        dm_names_done(&names);
        if (draw(r, 8) == 0)
                name[draw(r, strlen(name))] = (char) (1 + draw(r, 255));
        return name;
}

static void try_settings(Random *r, DmModel *m) {
        _cleanup_dm_faults_ DmFaults faults = {};
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *before = dump(m, false), *after = NULL;
        DmSetting settings[4];
        size_t n = 1 + draw(r, 2) * draw(r, ELEMENTSOF(settings));
        uint64_t token;
        int f, status;

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(strv_consume(&names, draw_name(r, m)), 0);
                settings[i] = (DmSetting){ names[i], "", words[draw(r, ELEMENTSOF(words))] };
        }
        f = dm_prepare(m, DM_ORIGIN_LOCAL, settings, n, &token, &faults);
        if (f == DM_OK && draw(r, 2) == 0) {
                assert_int_equal(dm_commit(m, token, &status), 0);
                r->done++;
                return;
        }
        if (f == DM_OK)
                assert_int_equal(dm_abort(m, token), 0);
        else {
                assert_int_equal(f, DM_FAULT_INVALID_ARGUMENTS);
                assert_true(faults.n > 0);
        }
        after = dump(m, false);
        assert_string_equal(before, after);
}

static void try_update(Random *r, DmModel *m) {
        _cleanup_free_ char *before = dump(m, false), *after = NULL;
        DmUpdate *u;

        assert_int_equal(dm_update_new(&u, m), 0);
        for (uint64_t n = 1 + draw(r, 3); n > 0; n--) {
                _cleanup_free_ char *name = draw_name(r, m);

                switch (draw(r, 3)) {
                case 0:
                        (void) dm_update_set(u, words[draw(r, ELEMENTSOF(words))], "%s", name);
                        break;
                case 1:
                        (void) dm_update_add(u, NULL, "%s", name);
                        break;
                default:
                        /* Not the service itself, or soon there would be nothing left to try. */
                        if (strlen(name) > strlen("Services.Fixture.1."))
                                (void) dm_update_delete(u, "%s", name);
                }
        }
        if (draw(r, 2) == 0 && dm_update_commit(u) == 0) {
                dm_update_free(u);
                r->done++;
                return;
        }
        dm_update_free(u);
        after = dump(m, false);
        assert_string_equal(before, after);
}

static void try_rows(Random *r, DmModel *m) {
        _cleanup_dm_faults_ DmFaults faults = {};
        _cleanup_free_ char *name = draw_name(r, m);
        uint32_t instance;
        int status;

        if (draw(r, 3) > 0)
                r->done += dm_add_object(m, DM_ORIGIN_ACS, name, &instance, &status, &faults) == DM_OK;
        else
                r->done += dm_delete_object(m, DM_ORIGIN_ACS, name, &status, &faults) == DM_OK;
}

static void assert_same_after_restart(DmModel *m, const char *dir) {
        _cleanup_(dm_model_freep) DmModel *again = NULL;
        _cleanup_free_ char *before = dump(m, true), *after = NULL;
        int r;

        assert_int_equal(dm_model_new(&again, &fixture_schema, NULL, NULL), 0);
        r = dm_model_load(again, dir, STATE);
        assert_true(r == DM_LOADED || r == DM_LOADED_FACTORY); /* while nothing was changed */
        after = dump(again, true);
        assert_string_equal(before, after);
}

static void run(Random *r) {
        _cleanup_(dm_model_freep) DmModel *m = NULL;
        char dir[] = "/tmp/test-dm-random.XXXXXX";
        _cleanup_free_ char *file = NULL;

        assert_non_null(mkdtemp(dir));
        file = strfmt("%s/" STATE, dir);
        assert_int_equal(dm_model_new(&m, &fixture_schema, NULL, NULL), 0);
        assert_int_equal(dm_model_load(m, dir, STATE), DM_LOADED_FACTORY);
        for (unsigned i = 0; i < OPERATIONS; i++) {
                switch (draw(r, 4)) {
                case 0:
                        try_rows(r, m);
                        break;
                case 1:
                        try_update(r, m);
                        break;
                default:
                        try_settings(r, m);
                }
                if (i % 50 == 49)
                        assert_same_after_restart(m, dir);
        }
        /* Enough of them are good that there is something to lose. */
        assert_true(r->done > OPERATIONS / 50);
        (void) unlink(file);
        (void) rmdir(dir);
}

static void test_random_requests(void **state) {
        for (uint64_t seed = 1; seed <= 4; seed++)
                run(&(Random){ .state = seed * UINT64_C(0x9e3779b97f4a7c15) });
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_requests) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
