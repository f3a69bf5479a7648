/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"

/* The code points that HFS+ ignores in names; git's fsck does the same, so that "\u200c.git" is ".git" to
 * it. They all take three bytes of UTF-8. */
static bool is_ignorable(const char *s) {
        const unsigned char *p = (const unsigned char *) s;

        if (p[0] == 0xe2 && p[1] == 0x80)
                return (p[2] >= 0x8c && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae);
        if (p[0] == 0xe2 && p[1] == 0x81)
                return p[2] >= 0xaa && p[2] <= 0xaf;
        return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
}

/* Whether the name begins with the lower-case ASCII prefix to a file system that folds case and skips
 * ignorables. */
static bool looks_like(const char *name, const char *prefix) {
        for (;;) {
                while (is_ignorable(name))
                        name += 3;
                if (!*prefix)
                        return true;
                if ((*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name) != *prefix)
                        return false;
                name++;
                prefix++;
        }
}

bool git_name_needs_escape(const char *name) {
        return *name == GIT_NAME_MARK || strchr(name, '\\') || looks_like(name, ".git") ||
                looks_like(name, "git~");
}

static bool is_file_name(const char *name) {
        size_t n = strlen(name);

        return n > 0 && n <= GIT_NAME_FILE_MAX && !strchr(name, '/') && !streq(name, ".") &&
               !streq(name, "..");
}

int git_name_escape(const char *name, char **ret) {
        char buf[GIT_NAME_STORED_MAX + 1], *p = buf, *s;

        if (!is_file_name(name))
                return -EINVAL;
        if (git_name_needs_escape(name)) {
                *p++ = GIT_NAME_MARK;
                for (; *name; name++)
                        if (*name == '\\' || *name == GIT_NAME_MARK)
                                p = stpcpy(p, *name == '\\' ? "%5C" : "%25");
                        else
                                *p++ = *name;
                *p = 0;
                name = buf;
        }
        s = strdup(name);
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int git_name_unescape(const char *stored, char **ret) {
        _cleanup_free_ char *name = NULL, *again = NULL;
        char *p;
        int r;

        if (strlen(stored) > GIT_NAME_STORED_MAX)
                return -EBADMSG;
        name = p = malloc(strlen(stored) + 1);
        if (!name)
                return -ENOMEM;
        for (const char *s = *stored == GIT_NAME_MARK ? stored + 1 : stored; *s; s++) {
                if (*stored == GIT_NAME_MARK && *s == '%') {
                        *p++ = s[1] == '5' ? '\\' : '%';
                        s += strnlen(s + 1, 2);
                } else
                        *p++ = *s;
        }
        *p = 0;

        /* Whatever the loop made of a malformed escape, only what escapes to the same name is one. */
        r = git_name_escape(name, &again);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !streq(again, stored))
                return -EBADMSG;
        *ret = TAKE_PTR(name);
        return 0;
}
