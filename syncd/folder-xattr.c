/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The extended attributes of a file as they are recorded: those of users, Samba's DOS attributes among them. */
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-chain.h"
#include "syncd/sync-open.h"

#define PREFIX "user."
/* What this service itself may ever set. */
#define OWN_PREFIX PREFIX "ispstorage."
#define NAMES_MAX 4096U

static bool can_be_recorded(const char *name) {
        return startswith(name, PREFIX) && !startswith(name, OWN_PREFIX) && !strpbrk(name, " =\n");
}

/* Whoever sets such attributes mostly sets many of them. */
static void tell_once(Folder *f, const char *path, const char *what) {
        if (!f->xattrs_told)
                log_notice("%s: %s is too large to be synchronized; what else is as large is not told of.", path, what);
        f->xattrs_told = true;
}

static int append_attribute(Folder *f, const char *path, int fd, const char *name, char **text) {
        char value[FOLDER_XATTR_MAX], hex[2 * FOLDER_XATTR_MAX + 1], *longer;
        ssize_t n = fgetxattr(fd, name, value, sizeof(value));

        if (n < 0) {
                if (errno == ERANGE)
                        tell_once(f, path, name);
                return 0;
        }
        longer = strfmt("%s%s%s=%s", strempty(*text), *text ? " " : "", name, format_hex(value, (size_t) n, hex));
        if (!longer)
                return -ENOMEM;
        free(*text);
        *text = longer;
        return 0;
}

int folder_read_xattrs(const char *path, char **ret, void *userdata) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        char names[NAMES_MAX];
        Folder *f = userdata;
        ssize_t n;

        *ret = NULL;
        fd = sync_open_beneath(f->root_fd, path, O_RDONLY);
        if (fd < 0)
                return 0;
        n = flistxattr(fd, names, sizeof(names));
        if (n < 0 && errno == ERANGE)
                tell_once(f, path, "the list of its attributes");
        for (char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
                int r = can_be_recorded(name) ? append_attribute(f, path, fd, name, &text) : 0;

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(text);
        return 0;
}
