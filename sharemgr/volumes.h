/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volumes at run time: formatting, checking, mounting and unmounting, through units of the service
 * manager. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "sharemgr/media.h"
#include "sharemgr/share-set.h"

typedef struct Manager Manager;
typedef struct Volume Volume;

struct Volume {
        Manager *manager;
        uint32_t instance;
        char *name;
        char *row;       /* path name */
        char *directory; /* where it is mounted */
        char *unit;      /* of the mount */
        char *uuid;
        bool present;     /* the row is enabled; false: only to be unmounted */
        bool acting;      /* a job runs */
        char *job_device, *job_type; /* of the job that runs; the type is that of the file system */
        bool formatted;
        bool failed; /* the last job did not succeed; tried again after a change */
        bool leaving;    /* to be unmounted when the servers no longer have it */
        bool stuck;      /* could not be unmounted, yet */
        unsigned n_stuck;   /* how often, one time after the other */
        unsigned n_rounds;  /* of volumes_check(), since the last time */
        bool lost;   /* its medium went away while it was mounted, and it has not been unmounted since */
        unsigned n_repairs; /* how often it was unmounted because writes to it were lost */
        bool online;
        char *reason; /* why not online, for people; NULL if there is nothing to say */
        bool waiting; /* the medium is not attached */
        sd_event_source *watch; /* of the directory, while it is online */
        Volume *next;
};

/* Takes the next step with each volume: those of the set, and those that were and have to go. 0 or a
 * negative errno. */
int volumes_apply(Manager *m, const ShareSet *s);

/* What did not succeed may be tried again: something changed. */
void volumes_retry(Manager *m);

/* True if a volume is mounted from the medium, or lies on it and its row is enabled, whether the service is or not. */
bool volumes_use(Manager *m, const Medium *medium);

/* Makes a pass if a volume could not be unmounted before, or if the kernel takes no more writes to one. Cheap. */
void volumes_check(Manager *m);

/* NULL if there is none. */
Volume *volumes_find(Manager *m, uint32_t instance);

/* True while one is being formatted, checked, mounted or unmounted. */
bool volumes_are_busy(Manager *m);

void volumes_done(Manager *m);

/* Space in use in MB; 0 or a negative errno. */
int volume_used_space(const Volume *v, uint32_t *ret);
