/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "fixture-schema.h"
#include "recorder.h"

static void record(char **text, DmOrigin origin, const DmChange *changes, size_t n) {
        static const char letters[] = { 'A', 'L', 'P' };

        for (size_t i = 0; i < n; i++) {
                static const char signs[] = { '=', '+', '-' };
                char *longer =
                                strfmt("%s%s%c:%s%c%s",
                                       strempty(*text),
                                       *text ? " " : "",
                                       letters[origin],
                                       changes[i].path,
                                       signs[changes[i].kind],
                                       strempty(changes[i].value));

                free(*text);
                *text = longer;
        }
}

static void listener(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        record(&((Recorder *) userdata)->told, origin, changes, n);
}

static int validate(
                DmModel *m,
                DmOrigin origin,
                const DmChange *changes,
                size_t n,
                DmFaults *faults,
                void *userdata) {
        Recorder *r = userdata;

        for (size_t i = 0; r->veto && i < n; i++)
                if (startswith(changes[i].path, r->veto))
                        dm_faults_add(faults, changes[i].path, DM_FAULT_REQUEST_DENIED, "not today");
        return 0;
}

static int committed(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        Recorder *r = userdata;

        record(&r->committed, origin, changes, n);
        /* A provider answers an order with a change of status, at once. */
        for (size_t i = 0; i < n; i++)
                if (changes[i].parameter && changes[i].parameter->id == FIXTURE_ENABLE) {
                        _cleanup_(dm_update_freep) DmUpdate *u = NULL;

                        assert_int_equal(dm_update_new(&u, m), 0);
                        (void) dm_update_set(u, "Up", F "Status");
                        assert_int_equal(dm_update_commit(u), 0);
                }
        return r->status;
}

static int get(DmModel *m, const DmParameter *p, const uint32_t instances[], char **ret, void *userdata) {
        assert_int_equal(p->id, FIXTURE_UP_TIME);
        assert_int_equal(instances[0], 1);
        *ret = strdup("4711");
        return 0;
}

static const DmProvider provider = { .validate = validate, .committed = committed, .get = get };

int recorder_new(void **state) {
        Recorder *r = calloc(1, sizeof(*r));

        assert_int_equal(dm_model_new(&r->model, &fixture_schema, &provider, r), 0);
        dm_model_set_listener(r->model, listener, r);
        *state = r;
        return 0;
}

int recorder_free(void **state) {
        Recorder *r = *state;

        dm_model_free(r->model);
        free(r->told);
        free(r->committed);
        free(r);
        return 0;
}

void recorder_assert_value(DmModel *m, const char *path, const char *expected) {
        _cleanup_free_ char *value = NULL;

        assert_int_equal(dm_get_string(m, &value, "%s", path), 0);
        assert_string_equal(value, expected);
}

/* SetParameterValues with one setting, both halves. */
int recorder_set(Recorder *r, const char *name, const char *value) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint64_t token;
        int f, status;

        f = dm_prepare(r->model, DM_ORIGIN_ACS, &(DmSetting){ name, "", value }, 1, &token, &faults);
        if (f == DM_FAULT_INVALID_ARGUMENTS) {
                assert_string_equal(faults.entries[0].name, name);
                return (int) faults.entries[0].fault;
        }
        assert_int_equal(f, DM_OK);
        assert_int_equal(dm_commit(r->model, token, &status), 0);
        return 0;
}

uint32_t recorder_add(Recorder *r, const char *table) {
        _cleanup_dm_faults_ DmFaults faults = {};
        uint32_t instance;
        int status;

        assert_int_equal(dm_add_object(r->model, DM_ORIGIN_ACS, table, &instance, &status, &faults), DM_OK);
        return instance;
}

int recorder_delete(Recorder *r, const char *row) {
        _cleanup_dm_faults_ DmFaults faults = {};
        int status;

        return dm_delete_object(r->model, DM_ORIGIN_ACS, row, &status, &faults);
}

void recorder_forget(Recorder *r) {
        r->told = mfree(r->told);
        r->committed = mfree(r->committed);
}
