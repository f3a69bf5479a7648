/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/provider-table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/base/str.h"

static void provider_done(Provider *p) {
        free(p->name);
        free(p->bus_name);
        free(p->object_path);
        strv_free(p->prefixes);
        strv_free(p->data_models);
        strv_free(p->unexported);
        *p = (Provider) {};
}
#define _cleanup_provider_ _cleanup_(provider_done)

void provider_table_done(ProviderTable *t) {
        for (size_t i = 0; i < t->n; i++)
                provider_done(t->providers + i);
        free(t->providers);
        free(t->root);
        strv_free(t->withheld);
        *t = (ProviderTable) {};
}

static bool prefix_is_valid(const char *prefix) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

        return prefix[0] != '.' && strlen(prefix) <= PARAMETER_NAME_MAX && !strstr(prefix, "..") &&
               strspn(prefix, allowed) == strlen(prefix);
}

static bool provider_is_valid(const Provider *p) {
        if (isempty(p->bus_name) || !strchr(p->bus_name, '.') || isempty(p->object_path) ||
            p->object_path[0] != '/' || !p->prefixes)
                return false;

        STRV_FOREACH(s, p->prefixes)
                if (!prefix_is_valid(*s))
                        return false;
        STRV_FOREACH(s, p->data_models)
                if (strchr(*s, '/') || (*s)[0] == '.')
                        return false;
        return true;
}

static int provider_read(const char *path, Provider *ret) {
        _cleanup_provider_ Provider p = {};
        _cleanup_free_ char *prefixes = NULL, *data_models = NULL, *unexported = NULL;
        const ConfigItem items[] = {
                { "Provider", "BusName", config_parse_string, &p.bus_name },
                { "Provider", "ObjectPath", config_parse_string, &p.object_path },
                { "Provider", "Prefixes", config_parse_string, &prefixes },
                { "Provider", "DataModel", config_parse_string, &data_models },
                { "Provider", "Unexported", config_parse_string, &unexported },
                {},
        };

        int r = config_read(path, items);
        if (r < 0)
                return r;
        if (prefixes && (r = strv_split(prefixes, " \t,", &p.prefixes)) < 0)
                return r;
        if (data_models && (r = strv_split(data_models, " \t,", &p.data_models)) < 0)
                return r;
        if (unexported && (r = strv_split(unexported, " \t,", &p.unexported)) < 0)
                return r;
        if (!provider_is_valid(&p))
                return -EINVAL;

        *ret = p;
        p = (Provider) {};
        return 0;
}

static bool prefixes_clash(const ProviderTable *t, const Provider *p) {
        for (size_t i = 0; i < t->n; i++)
                STRV_FOREACH(s, p->prefixes)
                        if (strv_contains(t->providers[i].prefixes, *s))
                                return true;
        return false;
}

static int provider_table_add(ProviderTable *t, const char *path, const char *file_name) {
        _cleanup_provider_ Provider p = {};
        struct stat st;

        if (stat(path, &st) >= 0 && st.st_size == 0)
                return 0;

        int r = provider_read(path, &p);
        if (r == -ENOMEM)
                return r;
        if (r >= 0 && (prefixes_clash(t, &p) || t->n >= PROVIDERS_MAX))
                r = -EEXIST;
        if (r < 0) {
                (void) log_warning_errno(r, "Provider file %s is not usable, skipped: %m", path);
                return 0;
        }

        p.name = strndup(file_name, strlen(file_name) - strlen(".conf"));
        Provider *providers = reallocarray(t->providers, t->n + 1, sizeof(*providers));
        if (providers)
                t->providers = providers;
        if (!p.name || !providers)
                return -ENOMEM;

        t->providers[t->n++] = p;
        p = (Provider) {};
        return 0;
}

static int list_files(char *const *directories, char ***names) {
        STRV_FOREACH(d, directories) {
                _cleanup_closedir_ DIR *dir = opendir(*d);
                if (!dir) {
                        if (errno == ENOENT)
                                continue;
                        return -errno;
                }

                for (struct dirent *de; (de = readdir(dir));) {
                        if (de->d_name[0] == '.' || !endswith(de->d_name, ".conf") ||
                            strv_contains(*names, de->d_name))
                                continue;
                        int r = strv_extend(names, de->d_name);
                        if (r < 0)
                                return r;
                }
        }

        strv_sort(*names);
        return 0;
}

int provider_table_load(ProviderTable *t, const char *root, char *const *directories) {
        _cleanup_strv_free_ char **names = NULL;

        t->root = strfmt("%s.", root);
        if (!t->root)
                return -ENOMEM;

        int r = list_files(directories, &names);
        if (r < 0)
                return r;

        STRV_FOREACH(name, names) {
                _cleanup_free_ char *path = NULL;

                STRV_FOREACH(d, directories) {
                        _cleanup_free_ char *p = strfmt("%s/%s", *d, *name);
                        if (!p)
                                return -ENOMEM;
                        if (access(p, F_OK) >= 0) {
                                free(path);
                                path = TAKE_PTR(p);
                        }
                }
                if (path && (r = provider_table_add(t, path, *name)) < 0)
                        return r;
        }
        return 0;
}

int provider_table_route(const ProviderTable *t, const char *path) {
        size_t best_length = 0;
        int best = -ENOENT;

        if (strv_contains(t->withheld, path))
                return -ENOENT;

        for (size_t i = 0; i < t->n; i++)
                STRV_FOREACH(s, t->providers[i].prefixes) {
                        size_t n = strlen(*s);
                        bool match = endswith(*s, ".") ? !!startswith(path, *s) : streq(path, *s);
                        if (match && n > best_length) {
                                best_length = n;
                                best = (int) i;
                        }
                }
        return best;
}

bool provider_is_below(const Provider *p, const char *path) {
        STRV_FOREACH(s, p->prefixes)
                if (startswith(*s, path) && !streq(*s, path))
                        return true;
        return false;
}

bool provider_table_is_exported(const ProviderTable *t, const char *name) {
        int owner = name ? provider_table_route(t, name) : -ENOENT;

        if (owner < 0)
                return false;
        STRV_FOREACH(s, t->providers[owner].unexported)
                if (parameter_name_matches(*s, name))
                        return false;
        return true;
}

const char *provider_table_strip_root(const ProviderTable *t, const char *path) {
        return startswith(path, t->root);
}

void provider_table_withhold(const ProviderTable *t, ParameterList *l) {
        for (size_t i = 0; i < l->n;)
                if (strv_contains(t->withheld, l->items[i].name))
                        parameter_list_remove(l, i);
                else
                        i++;
}

/* "" stays "". */
static char *add_root_to_references(const ProviderTable *t, const char *value) {
        _cleanup_strv_free_ char **items = NULL;

        if (strv_split(value, ", ", &items) < 0)
                return NULL;
        STRV_FOREACH(s, items) {
                char *full = strfmt("%s%s", t->root, *s);
                if (!full)
                        return NULL;
                free(*s);
                *s = full;
        }
        return strv_join(items, ",");
}

int provider_table_add_root(const ProviderTable *t, ParameterList *l) {
        for (size_t i = 0; i < l->n; i++) {
                Parameter *p = l->items + i;
                char *full = strfmt("%s%s", t->root, p->name);
                if (!full)
                        return -ENOMEM;
                free(p->name);
                p->name = full;

                if (!p->type || !streq(p->type, "pathRef"))
                        continue;
                char *value = add_root_to_references(t, strempty(p->value));
                if (!value)
                        return -ENOMEM;
                free(p->value);
                p->value = value;
                if (free_and_strdup(&p->type, "string") < 0)
                        return -ENOMEM;
        }
        return 0;
}
