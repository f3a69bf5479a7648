/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods that an ACS calls (TR-069 A.3.1 and A.3.2), carried out over all providers. No I/O of its
 * own but the journal. */
#pragma once

#include "agent/core/cwmp-message.h"
#include "agent/core/data-model.h"
#include "agent/core/journal.h"
#include "agent/core/notification.h"
#include "agent/core/provider-table.h"
#include "agent/core/transfer-queue.h"

typedef struct Rpc Rpc;

/* What the methods work on; all of it outlives them. */
typedef struct RpcContext {
        ProviderTable *providers;
        DataModel model;
        Notifications *notifications;
        Journal *journal;
        /* Makes the ParameterKey durable. 0 or a negative errno. */
        int (*set_parameter_key)(void *userdata, const char *key);
        /* ScheduleInform. 0, -ENOSPC if too many wait, or another negative errno. */
        int (*schedule_inform)(void *userdata, uint32_t delay_sec, const char *command_key);
        /* Reboot and FactoryReset after the session, durably noted on return. 0, -EOPNOTSUPP if this device cannot, or
         * another negative errno. */
        int (*reboot)(void *userdata, const char *command_key);
        int (*factory_reset)(void *userdata);
        TransferQueue *transfers;
        /* The queue of transfers changed. running is the one of a CancelTransfer that is in progress, or NULL: it is to
         * be stopped and removed. False if that cannot be done any more. */
        bool (*transfers_changed)(void *userdata, const Transfer *running);
        void *userdata;
} RpcContext;

/* Called once with the response or fault, which is the callee's. NULL if memory ran out. */
typedef void (*RpcHandler)(CwmpMessage *response, void *userdata);

/* Carries out the request, which is copied from: the message is taken over. The handler may be called before
 * this returns. *ret, which may then be gone already, is set before that, and to NULL after the handler was called. */
void rpc_start(Rpc **ret, const RpcContext *context, CwmpMessage *request, RpcHandler handler, void *userdata);

/* The caller no longer wants the response. What was begun is ended or undone in its own time. NULL is allowed. */
Rpc *rpc_cancel(Rpc *rpc);
