/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies where in an instance's state directory, /var/lib/ispstorage/sync/<instance>. */
#pragma once

/* The local store (git-store.h). */
#define INSTANCE_OBJECTS "objects"
/* The private keys; "<key>.pub" beside them. The next one replaces the current one when the server has
 * accepted it. */
#define INSTANCE_KEY "key"
#define INSTANCE_KEY_NEXT "key-next"
#define INSTANCE_KNOWN_HOSTS "known_hosts"
/* The URL of the repository that origin's main is from. */
#define INSTANCE_ORIGIN "origin"
/* The scan's index, and what the base holds besides its commit ("held-<commit>"; sync-plan.h). */
#define INSTANCE_INDEX "index"
#define INSTANCE_HELD_PREFIX "held-"
/* Local files that collide with main's, whose content is not here yet. */
#define INSTANCE_WAITING "waiting"
/* The UUID of the file system that the state belongs to. */
#define INSTANCE_FILE_SYSTEM "filesystem"
/* There if the ACS had accepted the subscription when it was last heard of. */
#define INSTANCE_SUBSCRIBED "subscribed"
