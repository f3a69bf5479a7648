/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an administrator may order. Each function is one transaction. *ret_error, the caller's, is a sentence
 * for him if the result is -EINVAL, -ENOENT or -EEXIST; other errors have none. */
#pragma once

#include <jansson.h>

#include "operator/frontend/manager.h"

/* A new subscription from { "name", "username"?, "password", "profile"?, "variables"?, ... }; its repository is
 * made at once. */
int administration_create(Manager *m, const json_t *order, char **ret_error);
int administration_suspend(Manager *m, const char *subscription, bool suspended, char **ret_error);
/* Changes what the order names: { "username"?, "password"?, "quota_mib"? (-1: the configuration's), "retention"? (a
 * policy, or "default": the configuration's) }. Account and
 * password are for devices that are provisioned from now on. */
int administration_change(Manager *m, const char *subscription, const json_t *order, char **ret_error);
/* Removes a subscription without devices, and its repository with all versions. erase: with its devices, and all
 * that is known of them. */
int administration_remove(Manager *m, const char *subscription, bool erase, char **ret_error);
/* Orders work on the repository (operator/frontend/store-task.h): "maintain" or "check". */
int administration_task(Manager *m, const char *subscription, const char *kind, int64_t *ret_id, char **ret_error);

/* Orders that old versions expire as the subscription's policy says, from { "dry_run"? (only tell what would),
 * "policy"? (with dry_run, in place of its own), "now"? (what expires need not stay for two weeks) }; with now a
 * maintenance follows. order may be NULL. */
int administration_retain(
                Manager *m, const char *subscription, const json_t *order, int64_t *ret_id, char **ret_error);

/* Publishes { "subscriptions": [name...], "files": [{ "file": its name in the spool, "path": in the folder }...] }: a
 * task for each subscription. *ret is { "tasks": [id...] }. */
int administration_publish(Manager *m, const json_t *order, json_t **ret, char **ret_error);
/* The directory in which files wait for publication. The caller's; NULL if memory ran out. */
char *publish_spool(const Manager *m);

/* Lets a device into a subscription. gateway_name may be NULL. */
int administration_allow(
                Manager *m,
                const char *device,
                const char *subscription,
                const char *gateway_name,
                char **ret_error);
/* Revokes the device's keys and lets it be Rejected; a device that was never seen is forgotten. */
int administration_disallow(Manager *m, const char *device, char **ret_error);
/* Sends { "get" | "set" | "add" | "delete": ... }; names that do not start with a root object get the
 * device's. *ret_id names the command and is the caller's. */
int administration_command(
                Manager *m, const char *device, const json_t *order, char **ret_id, char **ret_error);

/* Descriptions, as the HTTP API shows them. *ret is the caller's. -ENOENT, -ENOMEM, or errors of SQLite. */
int describe_subscription(Manager *m, const char *name, json_t **ret);
int describe_subscriptions(Manager *m, json_t **ret);
int describe_device(Manager *m, const char *id, json_t **ret);
int describe_devices(Manager *m, json_t **ret);
/* device: NULL for all; the newest first, at most OPERATIONS_MAX. */
#define OPERATIONS_MAX 1000U
int describe_operations(Manager *m, const char *device, json_t **ret);
/* subscription: NULL for all; the newest first, at most OPERATIONS_MAX. */
int describe_tasks(Manager *m, const char *subscription, json_t **ret);
/* { "id", "subscription", "kind", "state", "result", "created", "finished" } */
int describe_task(Manager *m, int64_t id, json_t **ret);
/* { "id", "device", "finished", "result" } */
int describe_command(Manager *m, const char *id, json_t **ret);
