/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the pieces of administration. Not for others. */
#pragma once

#include "operator/frontend/administration.h"

/* A quota beyond this is a mistake: 1 EiB. */
#define QUOTA_MIB_MAX (INT64_C(1) << 40)
#define QUOTA_RULE "A quota is a number of MiB, 0 for no limit, or -1 for the configuration's."

/* A policy, or "default" for NULL, the configuration's. 0, -EINVAL with a sentence. */
int administration_take_retention(const json_t *value, char **field, char **ret_error);

/* Gives the administrator the sentence (taken over) and returns the error, or -ENOMEM if there is none. */
int administration_complain(char **ret_error, int error, char *sentence);

/* What TR-140 allows as user name and password, and we as name of a gateway. 0, -EINVAL with a sentence. */
int administration_check_text(const char *what, const char *text, char **ret_error);

/* A subscription that is not being removed. -ENOENT with a sentence. */
int administration_load(Manager *m, const char *name, Subscription **ret, char **ret_error);
