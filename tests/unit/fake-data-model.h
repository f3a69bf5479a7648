/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two small providers in memory, for what real ones will not do on demand: fail in the middle of a transaction. */
#pragma once

#include "agent/core/rpc.h"

typedef struct FakeParameter {
        const char *name, *type;
        char value[64];
        bool writable;
} FakeParameter;

typedef struct FakeDataModel {
        ProviderTable table;
        Notifications *notifications;
        Journal *journal;
        RpcContext context;

        FakeParameter parameters[8];
        size_t n_parameters;
        ParameterList prepared[2];
        unsigned aborts[2], commits[2];
        bool down[2];             /* answers with an internal error */
        bool dies_at_commit[2];   /* says that it did nothing */
        bool hangs_at_commit[2];  /* says nothing */
        bool session_ends_at_values; /* and nobody hears of the response */
        Rpc *rpc;
        unsigned rows, rows_deleted;
        bool key_is_not_kept;
        char parameter_key[64];
        char scheduled[64];
        char restart[64];
        TransferQueue *transfers;
        unsigned transfers_changed;
} FakeDataModel;

/* Provider 0 serves "Alpha." and "Services.", provider 1 "Services.Beta.". directory is for the journal, or NULL. */
void fake_data_model_init(FakeDataModel *f, const char *journal);
void fake_data_model_done(FakeDataModel *f);

/* The value now, or NULL. */
const char *fake_value(const FakeDataModel *f, const char *name);

/* Carries out the request (taken over) and returns the response; NULL if the session ended meanwhile. */
CwmpMessage *fake_call(FakeDataModel *f, CwmpMessage *request);
