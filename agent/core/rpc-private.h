/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the RPC files share: one request, its calls to providers, and what to do when all of them have answered. */
#pragma once

#include "agent/core/rpc.h"

typedef void (*RpcStep)(Rpc *rpc);

typedef struct RpcCall {
        Rpc *rpc;
        size_t tag; /* attributes: which parameter of the request asked for it */
        ProviderCall call;
        ProviderReply reply;
} RpcCall;

struct Rpc {
        const RpcContext *context;
        CwmpMessage *request;
        CwmpMessage *response;
        RpcHandler handler; /* NULL after rpc_cancel() */
        void *userdata;
        Rpc **handle;   /* the caller's variable */
        RpcCall **calls; /* of the present step */
        size_t n_calls;
        size_t outstanding;
        RpcStep next;
        size_t tag; /* given to the calls that are added */
};

/* Drops the calls of the step before; then rpc_call() adds, and rpc_run() starts all and continues with next when
 * the last answer is there. */
void rpc_begin_step(Rpc *rpc);
/* NULL if memory ran out. */
ProviderCall *rpc_call(Rpc *rpc, size_t provider, ProviderMethod method);
/* The step's call to that provider, if there is one. */
ProviderCall *rpc_find_call(Rpc *rpc, size_t provider);
void rpc_run(Rpc *rpc, RpcStep next);

/* Ends the request. Frees rpc. */
void rpc_finish(Rpc *rpc, CwmpMessage *response);
void rpc_fail(Rpc *rpc, uint32_t fault);

/* Makes the response that belongs to the request and keeps it in rpc->response. False if memory ran out: then the
 * request was ended. */
bool rpc_new_response(Rpc *rpc);

/* True and the request ended, if a call of the step failed. A provider that is away counts only if it was asked for by
 * its own name (a partial path above it just lacks its values). */
bool rpc_failed(Rpc *rpc);

/* Keeps the request's ParameterKey; a request of our own has none and changes none. 0 or a negative errno. */
int rpc_set_parameter_key(Rpc *rpc);

/* The full name of a relative one in a new string; NULL if memory ran out. */
char *rpc_full_name(const Rpc *rpc, const char *relative);

/* Adds to the step what finds the values or names at the path (full, as in the request). 0, a fault code if the path
 * is not valid, or -ENOMEM. */
int rpc_ask(Rpc *rpc, ProviderMethod method, const char *path, bool next_level);

/* The methods of their names (TR-069 annex A): each takes the request from rpc->request, adds calls to providers as
 * steps, and sets the response or a fault at its end. */
void rpc_get_parameter_values(Rpc *rpc);
void rpc_get_parameter_names(Rpc *rpc);
void rpc_set_parameter_values(Rpc *rpc);
void rpc_get_parameter_attributes(Rpc *rpc);
void rpc_set_parameter_attributes(Rpc *rpc);
void rpc_add_object(Rpc *rpc);
void rpc_delete_object(Rpc *rpc);
/* Download, Upload and ScheduleDownload. */
void rpc_order_transfer(Rpc *rpc);
void rpc_cancel_transfer(Rpc *rpc);
/* GetQueuedTransfers and GetAllQueuedTransfers. */
void rpc_get_queued_transfers(Rpc *rpc);
