/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reboot and FactoryReset: noted durably when they are ordered, carried out by helper units when the session is
 * over. */
#include <fcntl.h>

#include "agent/agent-journal.h"
#include "agent/agent-manager.h"
#include "agent/helper.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/str.h"

#define RESTART_FILE "restart"
#define RESTART_FILE_MAX 256U
/* The kernel's own identity of the boot is the host's in a container. */
#define BOOT_ID_FILE "boot-id"
/* A device that still runs after this does not restart. */
#define RESTART_TIMEOUT_USEC (5ULL * 60U * 1000000U)

static const char *const restart_helpers[RESTART_MAX] = {
        [RESTART_REBOOT] = "reboot",
        [RESTART_FACTORY_RESET] = "factory-reset",
};

int agent_boot_id(const Agent *a, char **ret) {
        _cleanup_free_ char *path = strfmt("%s/" BOOT_ID_FILE, a->config.runtime_directory);
        char id[AGENT_RANDOM_SIZE];

        int r = path ? read_file(AT_FDCWD, path, AGENT_RANDOM_SIZE, ret, NULL) : -ENOMEM;
        if (r != -ENOENT)
                return r;

        r = agent_random(id);
        if (r >= 0)
                r = mkdir_parents(a->config.runtime_directory, 0700);
        if (r >= 0)
                r = write_file_atomic(AT_FDCWD, path, id, strlen(id), 0600);
        if (r < 0)
                return r;
        return (*ret = strdup(id)) ? 0 : -ENOMEM;
}

char *agent_helper_path(const Agent *a, const char *helper) {
        return strfmt("%s/%s", a->config.helper_directory, helper);
}

static bool helper_exists(const Agent *a, RestartKind kind) {
        _cleanup_free_ char *path = agent_helper_path(a, restart_helpers[kind]);
        return path && helper_is_there(path);
}

/* With the boot's identity: what was ordered before a boot has been done by it. */
static int note(Agent *a, RestartKind kind) {
        _cleanup_free_ char *path = agent_state_path(a, RESTART_FILE), *boot_id = NULL, *text = NULL;

        int r = agent_boot_id(a, &boot_id);
        if (r < 0)
                return r;
        text = strfmt("%s %s", restart_helpers[kind], boot_id);
        if (!path || !text)
                return -ENOMEM;
        r = write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600);
        if (r >= 0)
                a->restart = kind;
        return r;
}

static void forget(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, RESTART_FILE);

        if (path)
                (void) unlink(path);
        a->restart = RESTART_NONE;
}

int agent_order_restart(Agent *a, RestartKind kind) {
        if (!helper_exists(a, kind))
                return -EOPNOTSUPP;
        /* A factory reset restarts, too. */
        return a->restart == RESTART_FACTORY_RESET ? 0 : note(a, kind);
}

int agent_order_reboot(void *userdata, const char *command_key) {
        Agent *a = userdata;

        if (!helper_exists(a, RESTART_REBOOT))
                return -EOPNOTSUPP;
        int r = inform_queue_add(a->queue, INFORM_M_REBOOT, command_key);
        return r < 0 ? r : agent_order_restart(a, RESTART_REBOOT);
}

int agent_order_factory_reset(void *userdata) {
        return agent_order_restart(userdata, RESTART_FACTORY_RESET);
}

/* The ACS must be able to reach a device whose restart fails: it goes on as before. */
static void give_up(Agent *a, const char *why) {
        _cleanup_free_ char *field = strfmt("ISPSTORAGE_RESTART=%s", restart_helpers[a->restart]);
        agent_journal(LOG_ERR, MESSAGE_RESTART_FAILED, (const char *const[]) { field, NULL },
                      "The device does not restart as the ACS ordered: %s.", why);
        a->restart_timer = sd_event_source_disable_unref(a->restart_timer);
        a->restart_helper = helper_free(a->restart_helper);
        forget(a);
        agent_consider_session(a);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        give_up(userdata, "it still runs");
        return 0;
}

static void on_answer(int error, const char *answer, void *userdata) {
        Agent *a = userdata;

        if (error < 0)
                give_up(a, strerror(-error));
        else if (answer[0])
                give_up(a, answer);
}

bool agent_restart(Agent *a) {
        if (a->restart == RESTART_NONE)
                return false;
        if (a->restart_helper)
                return true;
        /* Nobody cuts the power of a device that writes its firmware. */
        if (agent_transfer_is_applied(a))
                return false;

        _cleanup_free_ char *path = agent_helper_path(a, restart_helpers[a->restart]);
        _cleanup_free_ char *field = strfmt("ISPSTORAGE_RESTART=%s", restart_helpers[a->restart]);
        agent_journal(LOG_NOTICE, MESSAGE_RESTART_ORDERED, (const char *const[]) { field, NULL },
                      "The ACS ordered: %s.", restart_helpers[a->restart]);
        int r = -ENOMEM;
        if (path)
                r = helper_call(&a->restart_helper, a->event, path, "", -EBADF, 0, RESTART_TIMEOUT_USEC, on_answer, a);
        if (r >= 0)
                r = sd_event_add_time_relative(a->event, &a->restart_timer, CLOCK_MONOTONIC, RESTART_TIMEOUT_USEC, 0,
                                               on_timeout, a);
        if (r < 0) {
                give_up(a, strerror(-r));
                return false;
        }
        return true;
}

int agent_restart_load(Agent *a) {
        _cleanup_free_ char *path = agent_state_path(a, RESTART_FILE), *text = NULL, *boot_id = NULL;

        if (!path)
                return -ENOMEM;
        int r = read_file(AT_FDCWD, path, RESTART_FILE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = agent_boot_id(a, &boot_id);
        if (r < 0)
                return r;

        for (RestartKind kind = RESTART_NONE + 1; kind < RESTART_MAX; kind++) {
                const char *rest = startswith(text, restart_helpers[kind]);
                if (rest && rest[0] == ' ' && streq(rest + 1, boot_id))
                        a->restart = kind;
        }
        if (a->restart == RESTART_NONE)
                forget(a);
        return 0;
}
