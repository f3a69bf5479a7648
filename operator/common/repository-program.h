/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ispstorage-repository and those who run it agree on. */
#pragma once

/* Exit codes, besides 0 and 1. export: there is no such version, or no such path in it. */
#define REPOSITORY_NOT_FOUND 3

/* Beside the repositories, under names that no subscription can have: the repository of what was published, and
 * where files wait for publication. */
#define PUBLISHED_REPOSITORY ".published.git"
#define PUBLISH_SPOOL ".publish"
/* Files of one publication. */
#define PUBLISH_FILES_MAX 64U
