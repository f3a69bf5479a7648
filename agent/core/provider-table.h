/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who serves which part of the data model: the provider files, and the way from a CWMP path to a provider.
 *
 * A provider file is /usr/lib/ispstorage/providers.d/<name>.conf, or one of the same name in
 * /etc/ispstorage/providers.d, which replaces it (an empty one takes the provider away):
 *
 *     [Provider]
 *     BusName=org.ispstorage.Share1
 *     ObjectPath=/org/ispstorage/Share1
 *     Prefixes=Services.StorageService. Services.StorageServiceNumberOfEntries
 *     DataModel=share.xml
 *     Unexported=Services.StorageService.{i}.Reset
 */
#pragma once

#include "agent/core/parameter-list.h"
#include "common/base/macro.h"

/* A gateway has three; a vendor adds some. */
#define PROVIDERS_MAX 64U

typedef struct Provider {
        char *name; /* of the file, without ".conf" */
        char *bus_name;
        char *object_path;
        char **prefixes;    /* relative to the root object; "A.B." stands for all below, "A.C" for one parameter */
        char **data_models; /* Device Type documents, file names below the package's data directory */
        char **unexported;  /* parameters that are orders and not settings, with {i}: no configuration file has them */
        bool available;     /* its bus name has an owner */
        unsigned commits_late; /* Commits that were given up and may still be carried out */
} Provider;

typedef struct ProviderTable {
        char *root;      /* "InternetGatewayDevice.", with the dot */
        char **withheld; /* parameters that providers have but the root object's version does not; relative */
        Provider *providers;
        size_t n;
} ProviderTable;

/* Frees the content. */
void provider_table_done(ProviderTable *t);

/* Reads the provider files of the directories, of which later ones win (NULL-terminated list; a missing
 * one is empty). A file without bus name, with an invalid path or a prefix that is not relative is skipped
 * with a warning, as is one that claims what another has. This function logs. root is without dot. 0 or a
 * negative errno. */
int provider_table_load(ProviderTable *t, const char *root, char *const *directories);

/* The provider that serves the path (relative to the root object, a parameter or an object): that of the longest
 * prefix. Its index, or -ENOENT; also for what is withheld. */
int provider_table_route(const ProviderTable *t, const char *path);

/* True if the provider serves something below this object (path is "" or ends in a dot) but not the object itself. */
bool provider_is_below(const Provider *p, const char *path);

/* True if a configuration file may have the parameter (relative name). */
bool provider_table_is_exported(const ProviderTable *t, const char *name);

/* What follows the root object in a full path: "" for the root object itself. NULL if the path is not under it. */
const char *provider_table_strip_root(const ProviderTable *t, const char *path);

/* Takes the withheld parameters out of the list (of relative names). */
void provider_table_withhold(const ProviderTable *t, ParameterList *l);

/* Puts the root in front of all names of the list, and of references (type "pathRef", which becomes "string"; a list of
 * them is comma-separated, TR-106 section 3.2.3). 0 or -ENOMEM. */
int provider_table_add_root(const ProviderTable *t, ParameterList *l);
