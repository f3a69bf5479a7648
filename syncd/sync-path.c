/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/str.h"
#include "syncd/sync-tree.h"

static bool name_is_valid(const char *name, size_t length) {
        if (length == 0 || length > SYNC_NAME_MAX)
                return false;
        if (name[0] != '.')
                return true;
        return length > 2 || (length == 2 && name[1] != '.');
}

bool sync_path_is_valid(const char *path) {
        unsigned depth = 0;

        if (strnlen(path, SYNC_PATH_MAX + 1) > SYNC_PATH_MAX)
                return false;

        for (;;) {
                const char *end = strchrnul(path, '/');

                if (!name_is_valid(path, end - path) || ++depth > SYNC_DEPTH_MAX)
                        return false;
                if (!*end)
                        return true;
                path = end + 1;
        }
}

/* '/' sorts before every byte but the terminating NUL. */
static unsigned rank(char c) {
        return c == '\0' ? 0 : c == '/' ? 1 : (unsigned) (unsigned char) c + 2;
}

int sync_path_compare(const char *a, const char *b) {
        while (*a && *a == *b)
                a++, b++;
        return (int) rank(*a) - (int) rank(*b);
}

bool sync_path_is_below(const char *path, const char *directory) {
        const char *rest;

        if (isempty(directory))
                return path[0];
        rest = startswith(path, directory);
        return rest && rest[0] == '/';
}

const char *sync_path_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool ignored(const char *name, size_t length) {
        static const char own[] = ".ispstorage", office[] = "~$", lock[] = ".~lock.", nfs[] = ".nfs";
        const size_t nfs_digits = 24;

        if (length >= strlen(own) && strncmp(name, own, strlen(own)) == 0)
                return true;
        if (length > strlen(office) && strncmp(name, office, strlen(office)) == 0)
                return true;
        if (length > strlen(lock) && strncmp(name, lock, strlen(lock)) == 0 && name[length - 1] == '#')
                return true;
        return length == strlen(nfs) + nfs_digits && strncmp(name, nfs, strlen(nfs)) == 0 &&
               strspn(name + strlen(nfs), "0123456789abcdef") >= nfs_digits;
}

bool sync_name_is_ignored(const char *name) {
        return ignored(name, strlen(name));
}

bool sync_path_is_ignored(const char *path) {
        for (;;) {
                const char *end = strchrnul(path, '/');

                if (ignored(path, end - path))
                        return true;
                if (!*end)
                        return false;
                path = end + 1;
        }
}
