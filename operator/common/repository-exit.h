/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exit codes of ispstorage-repository, besides 0 and 1. */
#pragma once

/* export: there is no such version, or no such path in it. */
#define REPOSITORY_NOT_FOUND 3
