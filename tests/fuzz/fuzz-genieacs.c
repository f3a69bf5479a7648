/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What GenieACS says. The input is lines: a command, a device's document before, the document after, and a
 * fault; the last one, or a single one, is also taken for a report on an Inform. */
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/inform.h"
#include "operator/genieacs/plan.h"
#include "tests/fuzz/fuzz.h"

#define LINES 4

static void judge(const Command *c, Stage stage, const json_t *before, const json_t *after) {
        json_auto_t *tasks = NULL;
        _cleanup_outcome_ Outcome outcome = {};
        _cleanup_message_ Message m = {};
        Before b = {};
        int r;

        r = plan_tasks(c, stage, &tasks);
        if (r == -EOPNOTSUPP)
                return;
        if (r < 0 || json_array_size(tasks) == 0 || before_take(&b, c, before) < 0)
                abort();
        if (plan_judge(c, stage, &b, after, &outcome) < 0)
                abort();
        before_done(&b);
        if (outcome.kind == OUTCOME_NONE || (stage == STAGE_EXECUTE && outcome.kind == OUTCOME_DISCOVERED))
                abort();
        if (outcome.kind == OUTCOME_DISCOVERED || outcome.kind == OUTCOME_STALE)
                return;
        r = outcome_message(&outcome, c, "000000-A-B", 0, &m);
        if (r < 0 && r != -EMSGSIZE)
                abort();
}

static void project(const Command *c) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *projection = NULL;

        if (plan_names(c, &names) < 0 || document_projection(names, &projection) < 0)
                abort();
        if (strlen(projection) > PROJECTION_LENGTH_MAX + 256)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        json_t *lines[LINES] = {};
        _cleanup_(command_freep) Command *c = NULL;
        _cleanup_free_ char *id = NULL, *device = NULL;
        _cleanup_outcome_ Outcome fault = {};
        _cleanup_message_ Message m = {};
        const char *error, *line = (const char *) data, *end = line + size;

        for (size_t i = 0; i < LINES && line < end; i++) {
                const char *stop = memchr(line, '\n', (size_t) (end - line)) ?: end;

                if (i == 0)
                        (void) command_parse(line, (size_t) (stop - line), &c, &id, &error);
                else
                        lines[i] = json_loadb(line, (size_t) (stop - line), 0, NULL);
                if (inform_read(line, (size_t) (stop - line), 0, &device, &m) == 0 &&
                    !device_id_is_valid(device))
                        abort();
                message_done(&m);
                device = mfree(device);
                line = stop + 1;
        }
        (void) document_is_reachable(lines[1]);
        (void) plan_read_fault(lines[3], &fault);
        if (c) {
                project(c);
                judge(c, plan_stage(c, lines[1]), lines[1], lines[2]);
                judge(c, STAGE_EXECUTE, lines[1], lines[2]);
        }
        for (size_t i = 0; i < LINES; i++)
                json_decref(lines[i]);
        return 0;
}
