/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An administrator's order to make a medium empty, so that a volume may be made on it. */
#include <inttypes.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "sharemgr/manager.h"
#include "sharemgr/share-set-load.h"

/* No row of ours has a longer path name. */
#define ROW_MAX 128U

WipeAnswer manager_may_wipe(Manager *m, const char *row, const char *name, const Medium **ret) {
        _cleanup_free_ char *own_name = NULL;
        const Medium *medium = strlen(row) < ROW_MAX ? manager_medium_of_row(m, row) : NULL;

        if (!medium || dm_get_string(m->model, &own_name, "%s.Name", row) < 0)
                return WIPE_NO_MEDIUM;
        if (!streq(own_name, name))
                return WIPE_OTHER_NAME;
        if (medium->busy)
                return WIPE_USED_BY_SYSTEM;
        if (volumes_use(m, medium))
                return WIPE_USED_BY_VOLUME;
        if (m->wipe_call || !m->media_known || volumes_are_busy(m))
                return WIPE_BUSY;
        *ret = medium;
        return WIPE_ALLOWED;
}

static void on_wiped(const char *unit, const char *result, void *userdata) {
        Manager *m = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = TAKE_PTR(m->wipe_call);
        bool done = streq(result, "done");
        int r;

        if (!done)
                log_error("%s ended with result '%s'.", unit, result);
        /* Until the disk was looked at again, it is known as it was before. */
        manager_scan_media(m);
        r = done ? sd_bus_reply_method_return(call, NULL)
                 : sd_bus_reply_method_errorf(
                                   call,
                                   BUS_ERROR_STORAGE_FAILED,
                                   "The medium was not wiped; see the journal of %s.",
                                   unit);
        if (r < 0)
                log_warning_errno(r, "Failed to answer who ordered to wipe a medium: %m");
}

int manager_wipe(Manager *m, const Medium *medium, sd_bus_message *call) {
        _cleanup_free_ char *unit = strfmt("ispstorage-wipe@%s.service", medium->name);
        int r;

        if (!unit)
                return -ENOMEM;
        log_notice("Wiping %s, as an administrator ordered.", medium->name);
        r = unit_jobs_queue(m->jobs, "StartUnit", unit, on_wiped, m);
        if (r >= 0)
                m->wipe_call = sd_bus_message_ref(call);
        return r;
}
