/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ispstorage-agent-transfer: brings one file from or to a server (on WORKER_SOCKET_FD comes the order, and goes the
 * result). What the server sends is not looked at here, only its size. */
#include <sys/resource.h>

#include "agent/transfer-worker/http-transfer.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/daemon/worker.h"

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer's shadow memory would count. */
#define MEMORY_MAX RLIM_INFINITY
#else
#define MEMORY_MAX (64UL * 1024U * 1024U)
#endif
#define OPEN_FILES_MAX 32U

int main(int argc, char *argv[]) {
        const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX }, files = { OPEN_FILES_MAX, OPEN_FILES_MAX };
        _cleanup_transfer_order_ TransferOrder order = {};
        _cleanup_transfer_result_ TransferResult result = {};

        log_open();
        if (setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0) {
                (void) log_error_errno(errno, "Cannot limit the transfer worker: %m");
                return EXIT_FAILURE;
        }

        int r = transfer_order_receive(WORKER_SOCKET_FD, &order);
        if (r <= 0) {
                if (r < 0)
                        (void) log_error_errno(r, "No order from the agent: %m");
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        http_transfer(&order, &result);
        return transfer_result_send(WORKER_SOCKET_FD, &result) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
