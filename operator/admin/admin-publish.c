/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish: files of the operator into containers. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"

#define COPY_SIZE (1U << 20)
#define NAME_BYTES 16U

/* Copies, by reference where the file system can. */
static int copy_content(int from, int to) {
        _cleanup_free_ char *buffer = NULL;
        ssize_t n;
        int r;

        if (ioctl(to, FICLONE, from) >= 0)
                return 0;
        buffer = malloc(COPY_SIZE);
        if (!buffer)
                return -ENOMEM;
        while ((n = loop_read(from, buffer, COPY_SIZE)) > 0) {
                r = loop_write(to, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
        return (int) n;
}

/* Puts the file into the spool under a name of its own. */
static int spool_file(const char *spool, const char *path, char ret[static 2 * NAME_BYTES + 1]) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        _cleanup_free_ char *target = NULL;
        uint8_t random[NAME_BYTES];
        struct stat st;
        int r;

        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -EIO;
        target = strfmt("%s/%s", spool, format_hex(random, sizeof(random), ret));
        if (!target)
                return -ENOMEM;
        from = open(path, O_RDONLY | O_CLOEXEC);
        if (from < 0)
                return -errno;
        to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (to < 0)
                return -errno;
        r = copy_content(from, to);
        /* Whoever owns the spool reads it. */
        if (r >= 0 && (stat(spool, &st) < 0 || (geteuid() == 0 && fchown(to, st.st_uid, st.st_gid) < 0)))
                r = -errno;
        if (r < 0)
                (void) unlink(target);
        return r;
}

static int add_file(const Options *o, const char *spool, const char *path, json_t *files) {
        char name[2 * NAME_BYTES + 1];
        const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
        _cleanup_free_ char *target = isempty(o->into) ? strdup(base) : strfmt("%s/%s", o->into, base);
        int r = target ? spool_file(spool, path, name) : -ENOMEM;

        if (r < 0)
                return log_error_errno(r, "%s: %m", path);
        if (json_array_append_new(files, json_pack("{s:s, s:s}", "file", name, "path", target)) < 0)
                return log_error_errno(-EINVAL, "%s: not a name in UTF-8", path);
        return 0;
}

static bool is_file(const char *argument) {
        struct stat st;

        return stat(argument, &st) >= 0 && S_ISREG(st.st_mode);
}

int verb_publish(int argc, char *argv[], const Options *o) {
        _cleanup_json_ json_t *files = json_array(), *subscriptions = json_array(), *body = NULL,
                              *where = NULL, *answer = NULL;
        const char *spool;
        int r;

        r = request(o, "GET", "/v1/publications", NULL, &where);
        if (r != EXIT_SUCCESS)
                return r;
        spool = strempty(json_string_value(json_object_get(where, "spool")));
        for (int i = 0; i < argc; i++)
                if (!is_file(argv[i]))
                        (void) json_array_append_new(subscriptions, json_string(argv[i]));
        for (int i = 0; i < argc; i++)
                if (is_file(argv[i]) && add_file(o, spool, argv[i], files) < 0)
                        return EXIT_REFUSED;
        if (json_array_size(files) == 0 || json_array_size(subscriptions) == 0)
                return usage("publish: at least one SUBSCRIPTION and one FILE are needed");
        body = json_pack("{s:O, s:O}", "subscriptions", subscriptions, "files", files);
        if (!body)
                return EXIT_REFUSED;
        r = request(o, "POST", "/v1/publications", body, &answer);
        if (r != EXIT_SUCCESS)
                return r;
        return o->wait ? follow_tasks(o, json_object_get(answer, "tasks")) : show(o, answer, NULL);
}
