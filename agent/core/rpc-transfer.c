/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The methods that order file transfers (TR-069 A.3.2.8, A.4.1.5, A.4.1.8, A.4.1.9, A.4.1.1, A.4.1.7). None waits for
 * the transfer: the TransferComplete of a later session tells how it went. */
#include <time.h>

#include "agent/core/rpc-private.h"
#include "common/base/str.h"

void rpc_order_transfer(Rpc *rpc) {
        const RpcContext *context = rpc->context;

        if (rpc->request->transfers.n != 1) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }
        uint32_t fault = transfer_check(rpc->request->transfers.items);
        if (fault != 0) {
                rpc_fail(rpc, fault);
                return;
        }

        int r = transfer_queue_add(context->transfers, rpc->request->transfers.items, (int64_t) time(NULL));
        if (r < 0) {
                rpc_fail(rpc, r == -ENOSPC ? FAULT_RESOURCES_EXCEEDED : FAULT_INTERNAL_ERROR);
                return;
        }
        (void) context->transfers_changed(context->userdata, NULL);
        if (!rpc_new_response(rpc))
                return;
        rpc->response->status = 1;
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}

void rpc_cancel_transfer(Rpc *rpc) {
        const RpcContext *context = rpc->context;
        const Transfer *running = NULL;

        if (strlen(strempty(rpc->request->key)) > CWMP_KEY_MAX) {
                rpc_fail(rpc, FAULT_INVALID_ARGUMENTS);
                return;
        }
        if (transfer_queue_cancel(context->transfers, strempty(rpc->request->key), &running) < 0)
                rpc_fail(rpc, FAULT_INTERNAL_ERROR);
        else if (!context->transfers_changed(context->userdata, running))
                rpc_fail(rpc, FAULT_CANCELLATION_NOT_PERMITTED);
        else if (rpc_new_response(rpc))
                rpc_finish(rpc, TAKE_PTR(rpc->response));
}

void rpc_get_queued_transfers(Rpc *rpc) {
        const TransferList *l = transfer_queue_list(rpc->context->transfers);

        if (!rpc_new_response(rpc))
                return;
        for (size_t i = 0; i < l->n; i++)
                if (transfer_list_add(&rpc->response->transfers, l->items + i) < 0) {
                        rpc_fail(rpc, FAULT_INTERNAL_ERROR);
                        return;
                }
        rpc_finish(rpc, TAKE_PTR(rpc->response));
}
