/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"

int config_parse_string(const char *value, void *data) {
        int r = free_and_strdup(data, value);

        return r < 0 ? r : 0;
}

int config_parse_bool(const char *value, void *data) {
        return parse_boolean(value, data);
}

int config_parse_uint32(const char *value, void *data) {
        return parse_uint32(value, data);
}

int config_parse_strv(const char *value, void *data) {
        _cleanup_strv_free_ char **words = NULL;
        char ***l = data;
        int r;

        if (isempty(value)) {
                *l = strv_free(*l);
                return 0;
        }
        r = strv_split(value, " \t", &words);
        if (r < 0)
                return r;
        STRV_FOREACH(w, words) {
                r = strv_extend(l, *w);
                if (r < 0)
                        return r;
        }
        return 0;
}

static char *strip(char *s) {
        static const char blanks[] = " \t\r";
        size_t n;

        s += strspn(s, blanks);
        n = strlen(s);
        while (n > 0 && strchr(blanks, s[n - 1]))
                n--;
        s[n] = 0;
        return s;
}

static const ConfigItem *find_item(const ConfigItem *items, const char *section, const char *key) {
        for (const ConfigItem *i = items; i->key; i++)
                if (streq(i->section, section) && streq(i->key, key))
                        return i;
        return NULL;
}

/* Applies one "Key=value" line. Returns 0, 1 if it was skipped with a warning, or a negative errno. */
static int config_assign(const ConfigItem *items, const char *path, unsigned line, const char *section, char *s) {
        const ConfigItem *item;
        char *equals = strchr(s, '='), *key, *value;
        int r;

        if (!equals) {
                log_warning("%s:%u: not an assignment, ignored: %s", path, line, s);
                return 1;
        }
        *equals = 0;
        key = strip(s);
        value = strip(equals + 1);
        item = find_item(items, section, key);
        if (!item) {
                log_warning("%s:%u: unknown setting [%s] %s, ignored.", path, line, section, key);
                return 1;
        }
        r = item->parse(value, item->data);
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0) {
                log_warning("%s:%u: invalid value of %s, ignored: %s", path, line, key, value);
                return 1;
        }
        return 0;
}

static int config_read_one(const char *path, const ConfigItem *items) {
        _cleanup_free_ char *content = NULL, *section = NULL;
        unsigned line = 0;
        int r, skipped = 0;

        r = read_file(AT_FDCWD, path, CONFIG_FILE_MAX, &content, NULL);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", path);

        for (char *rest = content, *s; (s = strsep(&rest, "\n"));) {
                line++;
                if (strlen(s) > CONFIG_LINE_MAX)
                        return log_error_errno(-E2BIG, "%s:%u: line is too long.", path, line);
                s = strip(s);
                if (*s == 0 || *s == '#' || *s == ';')
                        continue;
                if (*s == '[' && s[strlen(s) - 1] == ']') {
                        s[strlen(s) - 1] = 0;
                        if (free_and_strdup(&section, s + 1) < 0)
                                return log_oom();
                        continue;
                }
                r = config_assign(items, path, line, strempty(section), s);
                if (r < 0)
                        return r;
                skipped += r;
        }
        return skipped;
}

/* The names of the drop-ins, sorted. A missing directory has none. */
static int list_dropins(const char *directory, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int r;

        d = opendir(directory);
        if (!d && errno != ENOENT)
                return -errno;
        while (d && (errno = 0, e = readdir(d))) {
                if (e->d_name[0] == '.' || !endswith(e->d_name, ".conf"))
                        continue;
                r = strv_extend(&names, e->d_name);
                if (r < 0)
                        return r;
        }
        if (d && errno != 0)
                return -errno;
        *ret = strv_sort(TAKE_PTR(names));
        return 0;
}

int config_read(const char *path, const ConfigItem *items) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *directory = NULL;
        int r, skipped;

        skipped = config_read_one(path, items);
        if (skipped < 0)
                return skipped;

        directory = strfmt("%s.d", path);
        if (!directory)
                return log_oom();
        r = list_dropins(directory, &names);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", directory);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *file = strfmt("%s/%s", directory, *name);

                if (!file)
                        return log_oom();
                r = config_read_one(file, items);
                if (r < 0)
                        return r;
                skipped += r;
        }
        return skipped;
}
