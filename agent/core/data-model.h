/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the RPCs reach the providers: the calls of org.ispstorage.DataModel1 without the bus. */
#pragma once

#include "agent/core/parameter-list.h"

typedef enum ProviderMethod {
        PROVIDER_GET_NAMES,
        PROVIDER_GET_VALUES,
        PROVIDER_PREPARE,
        PROVIDER_COMMIT,
        PROVIDER_ABORT,
        PROVIDER_ADD_OBJECT,
        PROVIDER_DELETE_OBJECT,
} ProviderMethod;

/* All names are relative to the root object. */
typedef struct ProviderCall {
        size_t provider; /* index in the ProviderTable */
        ProviderMethod method;
        char *path;               /* GetNames, AddObject, DeleteObject */
        bool next_level;          /* GetNames */
        uint64_t token;           /* Commit, Abort */
        ParameterList parameters; /* names for GetValues; names, types and values for Prepare */
} ProviderCall;

typedef struct ProviderReply {
        uint32_t fault; /* 0, or why the call as a whole failed; FAULT_INTERNAL_ERROR also if there is no provider */
        bool unanswered; /* with a fault: the provider may have done it, or do it yet */
        uint64_t token; /* Prepare */
        uint32_t instance, status;
        ParameterList parameters; /* names, values; the faults of Prepare, with their text as value */
} ProviderReply;

/* Called exactly once per call; may take the reply's list. */
typedef void (*ProviderReplyHandler)(ProviderReply *reply, void *userdata);

typedef struct DataModel {
        /* Starts the call; the handler comes later or at once, also for failures. */
        void (*call)(void *userdata, const ProviderCall *call, ProviderReplyHandler handler, void *handler_userdata);
        void *userdata;
} DataModel;

static inline void provider_call_done(ProviderCall *c) {
        free(c->path);
        parameter_list_done(&c->parameters);
}

static inline void provider_reply_done(ProviderReply *r) {
        parameter_list_done(&r->parameters);
}
