/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/stat.h>

#include "operator/common/repository-program.h"
#include "operator/frontend/administration-internal.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/store-task.h"

char *publish_spool(const Manager *m) {
        return strfmt("%s/" PUBLISH_SPOOL, m->config->repositories);
}

/* The name of a file in the spool. */
static bool spooled_is_valid(Manager *m, const char *name) {
        _cleanup_free_ char *spool = publish_spool(m), *path = spool ? strfmt("%s/%s", spool, name) : NULL;
        struct stat st;

        return path && name[0] != '.' && name[0] != 0 && strlen(name) <= 128 &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
                               strlen(name) &&
               lstat(path, &st) >= 0 && S_ISREG(st.st_mode);
}

/* The words for the program: "<file> <path>" for each. */
static int read_files(Manager *m, const json_t *order, char **ret, char **ret_error) {
        const json_t *files = json_object_get(order, "files");
        _cleanup_json_ json_t *words = json_array();
        json_t *f;
        size_t i;

        if (json_array_size(files) == 0 || json_array_size(files) > PUBLISH_FILES_MAX)
                return administration_complain(
                                ret_error,
                                -EINVAL,
                                strfmt("\"files\" must be 1 to %u files.", PUBLISH_FILES_MAX));
        json_array_foreach(files, i, f) {
                json_t *file = json_object_get(f, "file"), *path = json_object_get(f, "path");

                if (!json_is_string(path) || !file ||
                    !spooled_is_valid(m, strempty(json_string_value(file))))
                        return administration_complain(
                                        ret_error,
                                        -EINVAL,
                                        strdup("A file needs a \"path\", and as \"file\" its name in the "
                                               "spool."));
                if (json_array_append(words, file) < 0 || json_array_append(words, path) < 0)
                        return -ENOMEM;
        }
        *ret = json_dumps(words, JSON_COMPACT);
        return *ret ? 0 : -ENOMEM;
}

int administration_publish(Manager *m, const json_t *order, json_t **ret, char **ret_error) {
        const json_t *subscriptions = json_object_get(order, "subscriptions");
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_json_ json_t *ids = json_array();
        _cleanup_free_ char *words = NULL;
        json_t *name;
        size_t i;
        int r;

        r = read_files(m, order, &words, ret_error);
        if (r < 0)
                return r;
        if (json_array_size(subscriptions) == 0)
                return administration_complain(ret_error, -EINVAL, strdup("\"subscriptions\" is missing."));
        r = sqlite_begin(m->db, &transaction);
        if (r < 0)
                return r;
        json_array_foreach(subscriptions, i, name) {
                _cleanup_(subscription_freep) Subscription *s = NULL;
                int64_t id;

                r = administration_load(m, strempty(json_string_value(name)), &s, ret_error);
                if (r >= 0)
                        r = store_task_insert(m->db, s->name, "publish", words, manager_now(), &id);
                if (r >= 0 && json_array_append_new(ids, json_integer(id)) < 0)
                        r = -ENOMEM;
                if (r < 0)
                        return r;
        }
        r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        manager_start_tasks(m);
        *ret = json_pack("{s:O}", "tasks", ids);
        return *ret ? 0 : -ENOMEM;
}
