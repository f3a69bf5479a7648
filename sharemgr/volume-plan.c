/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>

#include "common/base/str.h"
#include "sharemgr/text.h"
#include "sharemgr/volume-plan.h"

static VolumeStep refuse(const char **ret_reason, const char *reason) {
        *ret_reason = reason;
        return VOLUME_REFUSE;
}

VolumeStep volume_plan(const VolumeFacts *f, const char **ret_reason) {
        if (f->mounted_from_nowhere || f->damaged)
                return VOLUME_UNMOUNT;
        if (f->mounted)
                return f->wanted ? VOLUME_SERVE : VOLUME_UNMOUNT;
        if (!f->wanted)
                return VOLUME_REST;
        if (f->file_system && f->n_repairs > VOLUME_REPAIRS_MAX)
                return refuse(ret_reason, "the file system fails again and again");
        if (f->file_system)
                return f->file_system->busy ? refuse(ret_reason, "the medium is in use by the system")
                                            : VOLUME_MOUNT;
        if (!f->medium)
                return VOLUME_WAIT;
        if (f->medium->busy)
                return refuse(ret_reason, "the medium is in use by the system");
        switch (f->medium->content) {
        case MEDIUM_UNREADABLE:
                return refuse(ret_reason, "the medium cannot be read");
        case MEDIUM_VOLUME:
        case MEDIUM_FOREIGN:
                return refuse(ret_reason,
                              f->formatted ? "the medium carries another file system than this volume's"
                                           : "the medium is not empty");
        case MEDIUM_EMPTY:
                break;
        }
        /* A volume that once was and is no more must not silently become a new, empty one. */
        return f->formatted ? refuse(ret_reason,
                                     "the file system of this volume has vanished from the medium")
                            : VOLUME_FORMAT;
}

char *unit_name_of_path(const char *path) {
        _cleanup_text_ Text text = {};
        const char *s = path + strspn(path, "/");
        char *name;

        if (text_begin(&text) < 0)
                return NULL;
        for (const char *p = s; *p; p++)
                if (*p == '/')
                        fputc('-', text.stream);
                else if (isascii(*p) &&
                         (isalnum((unsigned char) *p) || *p == ':' || *p == '_' || (*p == '.' && p > s)))
                        fputc(*p, text.stream);
                else
                        fprintf(text.stream, "\\x%02x", (unsigned char) *p);
        fputs(".mount", text.stream);
        return text_end(&text, &name) < 0 ? NULL : name;
}
