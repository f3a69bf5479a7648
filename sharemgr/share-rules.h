/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of TR-140 that no schema can say: create, configure, enable, then immutable; names; what has no
 * server here. */
#pragma once

#include "common/datamodel/dm.h"
#include "sharemgr/row-store.h"

typedef struct ShareRules {
        /* Rows of LogicalVolume and Folder that were enabled once; their identity cannot change any more. */
        const RowStore *provisioned;
        /* True if the login name belongs to an account of the system that is not ours: a password for it
         * would open that one. */
        bool (*user_name_is_taken)(const char *name, void *userdata);
        void *userdata;
} ShareRules;

/* The PhysicalMedium.Name of a medium without a row: its device's name, "sda", or with a number, "sda-2", if another
 * row has that, whose medium is away: the name is a unique key. *ret is the caller's. 0 or a negative errno. */
int share_rules_medium_name(DmModel *m, const char *device, char **ret);

/* Adds a fault for each change that breaks a rule, under the name of its parameter; m shows the state as it
 * would be. 0 or a negative errno. */
int share_rules_check(
                const ShareRules *rules, DmModel *m, const DmChange *changes, size_t n, DmFaults *faults);
