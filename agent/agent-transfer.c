/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transfers of the queue, one after the other: a worker brings the file, a helper or the agent itself puts it into
 * effect or has made it. */
#include <fcntl.h>
#include <time.h>

#include "agent/agent-journal.h"
#include "agent/agent-manager.h"
#include "agent/core/transfer-order.h"
#include "agent/helper.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"

#define USEC_PER_SEC 1000000ULL
#define TRANSFER_DIRECTORY "transfers"
/* For the whole of one try. */
#define WORKER_MAX_USEC (6ULL * 3600U * USEC_PER_SEC)
/* Writing a firmware to slow flash takes its time. */
#define APPLY_MAX_USEC (3600ULL * USEC_PER_SEC)
#define LOG_MAX_USEC (60ULL * USEC_PER_SEC)
#define LOG_SIZE_MAX (16ULL * 1024U * 1024U)
#define CONFIGURATION_DOWNLOAD "3 Vendor Configuration File"
#define CONFIGURATION_UPLOAD "1 Vendor Configuration File"

struct TransferRun {
        Agent *agent;
        uint32_t number;
        char *path;
        Worker *worker;
        int socket;
        sd_event_source *io;
        Helper *helper;
        ConfigurationJob *configuration;
        int log_fd;
        bool fetched; /* the file is here and waits for the end of the session */
        bool applying;
};

static int64_t now(void) {
        return (int64_t) time(NULL);
}

static TransferRun *transfer_run_free(TransferRun *run) {
        if (!run)
                return NULL;
        sd_event_source_disable_unref(run->io);
        safe_close(run->socket);
        worker_free(run->worker);
        helper_free(run->helper);
        configuration_job_free(run->configuration);
        safe_close(run->log_fd);
        free(run->path);
        return mfree(run);
}
DEFINE_TRIVIAL_CLEANUP_FUNC(TransferRun *, transfer_run_free);

static const Transfer *find_transfer(const Agent *a, uint32_t number) {
        const TransferList *l = transfer_queue_list(a->transfers);

        for (size_t i = 0; i < l->n; i++)
                if (l->items[i].number == number)
                        return l->items + i;
        return NULL;
}

static void remove_files(const char *path) {
        _cleanup_free_ char *validator = strfmt("%s.validator", path);

        (void) unlink(path);
        if (validator)
                (void) unlink(validator);
}

static void report_end(const TransferRun *run, uint32_t fault, const char *text) {
        _cleanup_free_ char *field = strfmt("ISPSTORAGE_FAULT=%u", fault);

        if (fault == 0)
                agent_journal(LOG_NOTICE, MESSAGE_TRANSFER_ENDED, (const char *const[]) { NULL },
                              "Transfer %u ended well.", run->number);
        else
                agent_journal(LOG_WARNING, MESSAGE_TRANSFER_FAILED, (const char *const[]) { field, NULL },
                              "Transfer %u failed: %u, %s.", run->number, fault, text ?: cwmp_fault_text(fault));
}

/* Ends the run. A file that may be asked for again stays. */
static void finish(TransferRun *run, uint32_t fault, const char *text) {
        Agent *a = run->agent;

        report_end(run, fault, text);

        int r = transfer_queue_end(a->transfers, run->number, fault, text, now());
        if (r < 0)
                (void) log_error_errno(r, "Cannot note the end of a transfer: %m");
        const Transfer *t = find_transfer(a, run->number);
        if (!t || t->state == TRANSFER_COMPLETED)
                remove_files(run->path);
        a->transfer_run = transfer_run_free(run);
        agent_end_retry_wait(a);
        if (!a->worker && agent_restart(a))
                return;
        agent_consider_session(a);
        agent_consider_transfers(a);
}

bool agent_transfer_is_applied(const Agent *a) {
        return a->transfer_run && a->transfer_run->applying;
}

/* --- Putting a file into effect --- */

/* "ok", "reboot", or a fault code of TransferComplete and a text. */
static void on_applied(int error, const char *answer, void *userdata) {
        TransferRun *run = userdata;
        uint32_t code = 0;

        if (error < 0) {
                finish(run, FAULT_TRANSFER_FAILURE, strerror(-error));
                return;
        }
        if (streq(answer, "ok")) {
                finish(run, 0, NULL);
                return;
        }
        if (streq(answer, "reboot")) {
                if (agent_order_restart(run->agent, RESTART_REBOOT) < 0)
                        log_error("The device cannot restart into what was installed.");
                finish(run, 0, NULL);
                return;
        }

        size_t n = strspn(answer, "0123456789");
        _cleanup_free_ char *digits = strndup(answer, n);
        const char *text = answer + n + strspn(answer + n, " ");
        bool usable = digits && parse_uint32(digits, &code) >= 0 && code >= FAULT_REQUEST_DENIED &&
                      code <= FAULT_OUTSIDE_TIME_WINDOWS && code != FAULT_UNSUPPORTED_PROTOCOL &&
                      (code <= FAULT_INTERNAL_ERROR || code >= FAULT_TRANSFER_FAILURE);
        finish(run, usable ? code : FAULT_TRANSFER_FAILURE,
               usable ? text : isempty(answer) ? "The file was not taken" : answer);
}

static void on_configuration(uint32_t fault, const char *text, void *userdata);

/* A control character in a name would be a line of its own in the order. */
static char *printable(const char *s) {
        char *copy = strdup(strempty(s));

        for (char *p = copy; p && *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = '?';
        return copy;
}

static void apply(TransferRun *run) {
        Agent *a = run->agent;
        const Transfer *t = find_transfer(a, run->number);
        _cleanup_free_ char *socket = agent_helper_path(a, "transfer-apply"), *order = NULL;
        int r;

        run->applying = true;
        if (streq(t->file_type, CONFIGURATION_DOWNLOAD)) {
                r = configuration_import(&run->configuration, &a->rpc_context, run->path, on_configuration, run);
                if (r < 0)
                        finish(run, FAULT_FILE_CORRUPTED, "This is not a configuration file of this device");
                return;
        }

        _cleanup_free_ char *type = printable(t->file_type), *target = printable(t->target_file_name),
                            *key = printable(t->command_key);
        if (type && target && key)
                order = strfmt("File=%s\nFileType=%s\nTargetFileName=%s\nCommandKey=%s\n", run->path, type, target,
                               key);
        r = socket && order ? helper_call(&run->helper, a->event, socket, order, -EBADF, 0, APPLY_MAX_USEC,
                                          on_applied, run) : -ENOMEM;
        if (r < 0)
                finish(run, FAULT_TRANSFER_FAILURE, "This device has nothing that takes the file");
}

/* --- The worker --- */

static void on_result(TransferRun *run, const TransferResult *result) {
        const Transfer *t = find_transfer(run->agent, run->number);

        run->io = sd_event_source_disable_unref(run->io);
        if (result->fault_code != 0 || t->kind == TRANSFER_UPLOAD)
                finish(run, result->fault_code, result->text);
        else if (run->agent->worker)
                run->fetched = true;
        else
                apply(run);
}

static int on_worker_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_transfer_result_ TransferResult result = {};
        TransferRun *run = userdata;

        int r = transfer_result_receive(fd, &result);
        if (r == -EAGAIN)
                return 0;
        if (r > 0)
                on_result(run, &result);
        else
                /* Its exit says the rest. */
                run->io = sd_event_source_disable_unref(run->io);
        return 0;
}

static void on_worker_exit(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        _cleanup_transfer_result_ TransferResult result = {};
        TransferRun *run = userdata;
        bool had_result = !run->io;

        run->worker = worker_free(run->worker);
        if (had_result && (run->fetched || run->applying))
                return;
        /* The result may be in the socket still. */
        if (run->io && transfer_result_receive(run->socket, &result) > 0) {
                on_result(run, &result);
                return;
        }

        const Transfer *t = find_transfer(run->agent, run->number);
        if (timed_out && t && t->n_windows > 0)
                finish(run, FAULT_OUTSIDE_TIME_WINDOWS, NULL);
        else
                finish(run, FAULT_TRANSFER_FAILURE, timed_out ? "It took too long" : "The transfer worker ended");
}

static int send_order(TransferRun *run, const Transfer *t) {
        const AgentConfig *c = &run->agent->config;
        /* The order is only read from. */
        const TransferOrder order = {
                .upload = t->kind == TRANSFER_UPLOAD,
                .url = t->url,
                .username = t->username,
                .password = t->password,
                .path = run->path,
                .trusted_certificates = c->trusted_certificates,
                .file_size = t->file_size,
                .max_size = (uint64_t) c->transfer_max_mib << 20,
                .disk_floor = (uint64_t) c->transfer_floor_mib << 20,
        };
        return transfer_order_send(run->socket, &order);
}

static void start_worker(TransferRun *run) {
        Agent *a = run->agent;
        const Transfer *t = find_transfer(a, run->number);
        const TransferWindow *w = transfer_window(t, now());
        char *const argv[] = { a->config.transfer_worker, NULL };
        uint64_t limit = WORKER_MAX_USEC;

        if (w)
                limit = MIN(limit, (uint64_t) (t->ordered + w->end - now()) * USEC_PER_SEC);
        int r = worker_spawn(&run->worker, &run->socket, a->event, argv, limit, on_worker_exit, run);
        if (r >= 0)
                r = sd_event_add_io(a->event, &run->io, run->socket, EPOLLIN, on_worker_io, run);
        if (r >= 0)
                r = send_order(run, t);
        if (r < 0) {
                (void) log_error_errno(r, "Cannot start a transfer worker: %m");
                finish(run, FAULT_TRANSFER_FAILURE, "The transfer worker did not start");
        }
}

/* --- What is to be uploaded --- */

static void on_configuration(uint32_t fault, const char *text, void *userdata) {
        TransferRun *run = userdata;

        /* The text is the job's, which ends with the run. */
        if (fault != 0 || run->applying)
                finish(run, fault, text);
        else
                start_worker(run);
}

static void on_log(int error, const char *answer, void *userdata) {
        TransferRun *run = userdata;

        run->helper = helper_free(run->helper);
        if (error < 0 && error != -EFBIG)
                finish(run, FAULT_UPLOAD_FAILURE, "The log is not there");
        else
                start_worker(run);
}

static void prepare_upload(TransferRun *run, const Transfer *t) {
        Agent *a = run->agent;
        _cleanup_free_ char *socket = agent_helper_path(a, "vendor-log");
        int r = -ENOMEM;

        if (streq(t->file_type, CONFIGURATION_UPLOAD))
                r = configuration_export(&run->configuration, &a->rpc_context, run->path, on_configuration, run);
        else if (socket) {
                run->log_fd = open(run->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
                r = run->log_fd < 0 ? -errno :
                                      helper_call(&run->helper, a->event, socket, "", run->log_fd, LOG_SIZE_MAX,
                                                  LOG_MAX_USEC, on_log, run);
        }
        if (r < 0)
                finish(run, FAULT_UPLOAD_FAILURE, "The file is not there");
}

/* --- The queue --- */

static char *transfer_path(const Agent *a, uint32_t number) {
        return strfmt("%s/" TRANSFER_DIRECTORY "/%u", a->config.state_directory, number);
}

static void begin(Agent *a, const Transfer *t) {
        _cleanup_(transfer_run_freep) TransferRun *run = calloc(1, sizeof(*run));
        int r = -ENOMEM;

        if (run) {
                *run = (TransferRun) { .agent = a, .number = t->number, .socket = -EBADF, .log_fd = -EBADF };
                run->path = transfer_path(a, t->number);
                r = run->path ? transfer_queue_begin(a->transfers, t->number, now()) : -ENOMEM;
        }
        if (r < 0) {
                (void) log_error_errno(r, "Cannot begin a transfer: %m");
                return;
        }

        _cleanup_free_ char *field = strfmt("ISPSTORAGE_FILE_TYPE=%s", t->file_type);
        agent_journal(LOG_NOTICE, MESSAGE_TRANSFER_BEGUN, (const char *const[]) { field, NULL },
                      "Transfer %u begins: %s, \"%s\".", t->number, transfer_event(t) + strlen("M "), t->file_type);
        a->transfer_run = TAKE_PTR(run);
        if (t->kind == TRANSFER_UPLOAD)
                prepare_upload(a->transfer_run, t);
        else
                start_worker(a->transfer_run);
}

static int on_due(sd_event_source *s, uint64_t usec, void *userdata) {
        Agent *a = userdata;

        a->transfer_timer = sd_event_source_disable_unref(a->transfer_timer);
        agent_consider_transfers(a);
        return 0;
}

void agent_consider_transfers(Agent *a) {
        a->transfer_timer = sd_event_source_disable_unref(a->transfer_timer);
        /* What is ordered in a session begins after it. */
        if (a->worker || a->restart != RESTART_NONE)
                return;
        if (a->transfer_run) {
                if (a->transfer_run->fetched && !a->transfer_run->applying)
                        apply(a->transfer_run);
                return;
        }

        const Transfer *t = transfer_queue_next(a->transfers, now());
        if (t) {
                begin(a, t);
                return;
        }
        if (transfer_queue_has_news(a->transfers))
                agent_consider_session(a);

        int64_t due = transfer_queue_due(a->transfers);
        if (due == INT64_MAX)
                return;
        int r = sd_event_add_time(a->event, &a->transfer_timer, CLOCK_REALTIME, (uint64_t) MAX(due, 0) * USEC_PER_SEC,
                                  SESSION_TIMER_ACCURACY_USEC, on_due, a);
        if (r < 0)
                (void) log_error_errno(r, "Cannot schedule a transfer: %m");
}

bool agent_transfers_changed(void *userdata, const Transfer *running) {
        Agent *a = userdata;

        if (running) {
                if (!a->transfer_run || a->transfer_run->applying)
                        return false;
                uint32_t number = running->number;
                remove_files(a->transfer_run->path);
                a->transfer_run = transfer_run_free(a->transfer_run);
                if (transfer_queue_remove(a->transfers, number) < 0)
                        log_warning("Cannot write the queue of transfers.");
        }
        agent_consider_transfers(a);
        return true;
}

int agent_transfers_setup(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, "transfer-queue");
        _cleanup_free_ char *directory = agent_state_path(a, TRANSFER_DIRECTORY);

        if (!path || !directory)
                return log_oom();
        int r = mkdir_parents(directory, 0700);
        if (r < 0)
                return log_error_errno(r, "Cannot create %s: %m", directory);
        r = transfer_queue_new(&a->transfers, path);
        if (r == -EBADMSG)
                log_warning("The queue of transfers was damaged: what the ACS ordered is forgotten.");
        return r < 0 && r != -EBADMSG ? log_error_errno(r, "Cannot read the queue of transfers: %m") : 0;
}

void agent_transfers_done(Agent *a) {
        a->transfer_timer = sd_event_source_disable_unref(a->transfer_timer);
        a->transfer_run = transfer_run_free(a->transfer_run);
        a->transfers = transfer_queue_free(a->transfers);
}
