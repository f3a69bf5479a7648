/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model of the fixture schema whose provider and listener write down what they are told. */
#pragma once

#include "common/datamodel/dm.h"

#define F "Services.Fixture.1."

typedef struct Recorder {
        DmModel *model;
        char *told; /* by the listener: "<A, L or P for the origin>:<path>=<value> ...", rows with + and - */
        char *committed;  /* the same, of committed() */
        int status;       /* what committed() answers */
        const char *veto; /* validate() objects to paths that begin so */
} Recorder;

/* Setup and teardown of a test; *state is a Recorder. */
int recorder_new(void **state);
int recorder_free(void **state);

void recorder_assert_value(DmModel *m, const char *path, const char *expected);

/* SetParameterValues of the ACS with one setting, both halves: 0 or the fault. */
int recorder_set(Recorder *r, const char *name, const char *value);

/* AddObject that must succeed; DeleteObject, whose outcome is returned. */
uint32_t recorder_add(Recorder *r, const char *table);
int recorder_delete(Recorder *r, const char *row);

/* Empties what was written down. */
void recorder_forget(Recorder *r);
