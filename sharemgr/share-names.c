/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <strings.h>

#include "common/base/str.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-paths.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* RFC 1035 section 2.3.4. */
#define DNS_LABEL_MAX 63U
#define DNS_NAME_MAX 253U

/* What SMB clients cannot show ([MS-FSCC] 2.1.5), and what lighttpd.conf ("), smb.conf ([ ] %) or a unit
 * file (% \) would read. */
#define NOT_IN_FILE_NAMES "\\:*?\"<>|%[]"

static bool starts_and_consists(const char *name, const char *first, const char *all, size_t max) {
        size_t n = strlen(name);

        return n > 0 && n <= max && strchr(first, name[0]) && strspn(name, all) == n;
}

bool user_name_is_valid(const char *name) {
        return starts_and_consists(name, LOWER "_", LOWER DIGITS "_.-", USER_NAME_MAX);
}

bool volume_name_is_valid(const char *name) {
        return starts_and_consists(name, LOWER UPPER DIGITS, LOWER UPPER DIGITS "_.-", VOLUME_NAME_MAX);
}

static bool has_control_character(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 || *s == 0x7f)
                        return true;
        return false;
}

bool group_name_is_valid(const char *name) {
        size_t n = strlen(name);

        return n > 0 && utf8_is_valid(name) && !has_control_character(name) && name[0] != ' ' && name[n - 1] != ' ';
}

bool password_is_valid(const char *password) {
        return strlen(password) <= PASSWORD_MAX && utf8_is_valid(password) &&
               !has_control_character(password);
}

static bool component_is_valid(const char *s, size_t n) {
        static const char *const refused[] = { STAGING_DIRECTORY, SNAPSHOTS_DIRECTORY, "lost+found" };

        /* Windows drops blanks and dots at the end; ".", ".." end with one as well. */
        if (n == 0 || s[0] == ' ' || s[n - 1] == ' ' || s[n - 1] == '.')
                return false;
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                if (strlen(refused[i]) == n && strncasecmp(s, refused[i], n) == 0)
                        return false;
        return true;
}

bool folder_name_is_valid(const char *name) {
        const char *s = name;

        if (strlen(name) > FOLDER_NAME_MAX * 4 || !utf8_is_valid(name) || has_control_character(name) ||
            strpbrk(name, NOT_IN_FILE_NAMES))
                return false;

        s += *s == '/';
        for (;;) {
                size_t n = strcspn(s, "/");

                if (!component_is_valid(s, n))
                        return false;
                s += n;
                if (*s == 0 || streq(s, "/"))
                        return true;
                s++;
        }
}

/* Where the part that counts begins and ends: without slashes around. */
static size_t folder_trim(const char **name) {
        size_t n;

        *name += strspn(*name, "/");
        n = strlen(*name);
        while (n > 0 && (*name)[n - 1] == '/')
                n--;
        return n;
}

char *folder_share_name(const char *name) {
        size_t n = folder_trim(&name);
        const char *slash = memrchr(name, '/', n);

        return slash ? strndup(slash + 1, n - (size_t) (slash + 1 - name)) : strndup(name, n);
}

char *folder_directory(const char *volume_name, const char *folder_name) {
        size_t n = folder_trim(&folder_name);

        return strfmt(VOLUMES_DIRECTORY "/%s/%.*s", volume_name, (int) n, folder_name);
}

bool share_name_is_reserved(const char *name) {
        static const char *const reserved[] = { "global", "homes", "printers", "ipc$", "print$", "admin$" };

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                if (strcasecmp(name, reserved[i]) == 0)
                        return true;
        return false;
}

static bool label_is_valid(const char *s, size_t n) {
        if (n == 0 || n > DNS_LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isascii(s[i]) || (!isalnum((unsigned char) s[i]) && s[i] != '-'))
                        return false;
        return true;
}

bool host_name_is_valid(const char *name) {
        return isempty(name) || label_is_valid(name, strlen(name));
}

bool domain_name_is_valid(const char *name) {
        const char *s = name;

        if (isempty(name))
                return true;
        if (strlen(name) > DNS_NAME_MAX)
                return false;
        for (;;) {
                size_t n = strcspn(s, ".");

                if (!label_is_valid(s, n))
                        return false;
                s += n;
                if (*s == 0)
                        return true;
                s++;
        }
}
