/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <grp.h>
#include <jansson.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/http/digest.h"
#include "operator/acs/acs-cli.h"
#include "operator/acs/store.h"

/* Files that root makes beside the database would lock the service out. */
static int become_owner(const char *database) {
        _cleanup_free_ char *copy = strdup(database);
        struct stat st;
        char *directory;
        int r;

        if (!copy)
                return -ENOMEM;
        directory = dirname(copy);
        r = mkdir_parents(directory, 0700);
        if (r < 0)
                return r;
        if (geteuid() != 0)
                return 0;
        if (stat(directory, &st) < 0)
                return -errno;
        if (st.st_uid == 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
                return -errno;
        return 0;
}

static int open_store(const AcsConfig *config, Store **ret) {
        int r;

        r = become_owner(config->database);
        if (r >= 0)
                r = store_open(ret, config->database);
        return r < 0 ? log_error_errno(r, "Failed to open %s: %m", config->database) : 0;
}

static int read_password(char ret[static PASSWORD_LENGTH_MAX + 2]) {
        ssize_t n = loop_read(STDIN_FILENO, ret, PASSWORD_LENGTH_MAX + 1);

        if (n < 0)
                return (int) n;
        ret[n] = 0;
        if (n > 0 && ret[n - 1] == '\n')
                ret[--n] = 0;
        if (n == 0 || (size_t) n > PASSWORD_LENGTH_MAX || strlen(ret) != (size_t) n || !utf8_is_valid(ret))
                return -EINVAL;
        return 0;
}

int acs_cli_set_password(const AcsConfig *config, const char *device) {
        _cleanup_(store_freep) Store *store = NULL;
        char password[PASSWORD_LENGTH_MAX + 2], ha1[DIGEST_HASH_SIZE];
        int r;

        if (!device_id_is_valid(device))
                return log_error_errno(-EINVAL, "Not OUI-ProductClass-SerialNumber, percent-encoded: %s", device);
        r = read_password(password);
        if (r < 0)
                return log_error_errno(r, "No usable password on standard input: %m");
        r = digest_ha1(device, config->realm, password, ha1);
        OPENSSL_cleanse(password, sizeof(password));
        if (r < 0)
                return log_error_errno(r, "Failed to hash the password: %m");
        r = open_store(config, &store);
        if (r < 0)
                return r;
        r = store_device_set_ha1(store, device, ha1);
        return r < 0 ? log_error_errno(r, "Failed to store the password: %m") : 0;
}

static const char *format_last_inform(const DeviceRecord *d, char buf[static DATETIME_SIZE]) {
        return d->last_inform > 0 ? format_datetime(d->last_inform, buf) : NULL;
}

static int print_line(const DeviceRecord *d, int64_t n_commands, void *userdata) {
        char time[DATETIME_SIZE];

        (void) printf("%-40s %-20s %8lld  %-20s %s\n",
                      d->id,
                      format_last_inform(d, time) ?: "-",
                      (long long) n_commands,
                      d->software_version ?: "-",
                      d->connection_request_url ?: "-");
        return 0;
}

static int set_optional(json_t *object, const char *key, const char *value) {
        return json_object_set_new(object, key, value ? json_string(value) : json_null());
}

static int add_object(const DeviceRecord *d, int64_t n_commands, void *userdata) {
        json_t *list = userdata, *object = json_object();
        char time[DATETIME_SIZE];

        if (json_array_append_new(list, object) < 0 || set_optional(object, "device", d->id) < 0 ||
            set_optional(object, "last_inform", format_last_inform(d, time)) < 0 ||
            set_optional(object, "manufacturer", d->manufacturer) < 0 ||
            set_optional(object, "software_version", d->software_version) < 0 ||
            set_optional(object, "connection_request_url", d->connection_request_url) < 0 ||
            json_object_set_new(object, "parameters", json_loads(d->parameters ?: "{}", 0, NULL)) < 0 ||
            json_object_set_new(object, "commands", json_integer(n_commands)) < 0)
                return -ENOMEM;
        return 0;
}

int acs_cli_list_devices(const AcsConfig *config, bool json) {
        _cleanup_(store_freep) Store *store = NULL;
        json_auto_t *list = json_array();
        int r;

        if (!list)
                return log_oom();
        r = open_store(config, &store);
        if (r < 0)
                return r;
        if (!json)
                (void) printf("%-40s %-20s %8s  %-20s %s\n",
                              "DEVICE",
                              "LAST INFORM",
                              "COMMANDS",
                              "SOFTWARE",
                              "CONNECTION REQUEST");
        r = store_device_foreach(store, json ? add_object : print_line, list);
        if (r < 0)
                return log_error_errno(r, "Failed to read the devices: %m");
        if (json) {
                if (json_dumpf(list, stdout, JSON_INDENT(2)) < 0)
                        return log_error_errno(-EIO, "Failed to write: %m");
                (void) putchar('\n');
        }
        return 0;
}
