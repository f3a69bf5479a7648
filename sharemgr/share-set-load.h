/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the data model to a ShareSet. */
#pragma once

#include "common/datamodel/dm.h"
#include "sharemgr/share-set.h"

/* The only row of StorageService. */
#define STORAGE_SERVICE "Services.StorageService.1."

/* Reads the enabled rows. Rows whose names are not valid are left out (validation refuses them, so only a
 * state file of another version has some). No folder is online yet. *ret is the caller's. 0 or a negative
 * errno. */
int share_set_load(DmModel *m, ShareSet **ret);
