/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <strings.h>

#include "common/base/str.h"
#include "sharemgr/render.h"
#include "sharemgr/share-names.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/text.h"

/* [MS-NBTE] 2.2.1. */
#define NETBIOS_NAME_MAX 15

/* SMB2 and later: SMB1 has no integrity.
 *
 * "kernel oplocks" makes the synchronizer's open() call back what a client caches; it cannot do that with
 * SMB2 leases. POSIX locking shows a client's byte-range locks to fcntl(2). Modes stay 0644 and 0755
 * whatever a client asks for, as they are the folder's: DOS attributes live in extended attributes.
 *
 * All accounts have the data user's number, but identifiers (SIDs) of their own. So Samba must not make
 * access rights from the owner and mode of a file: the owner's identifier is that of whoever logged in last.
 * What a share lets one do is all that counts, and acl_xattr, without a stored ACL, says so: everybody may
 * do everything. (nfs4acl_xattr, which need not become root to look for one, then goes by owner and mode.)
 *
 * Requests below 64 KB are served where they arrive: handing one to a thread, and waiting to be told of its end,
 * costs more than copying so much from or to the kernel's cache. */
static const char global_constant[] =
                "[global]\n"
                "server role = standalone server\n"
                "server string = ISPStorage\n"
                "server min protocol = SMB2_10\n"
                "disable netbios = yes\n"
                "smb ports = 445\n"
                "bind interfaces only = yes\n"
                "passdb backend = tdbsam:" SAMBA_RUNTIME_DIRECTORY "/passdb.tdb\n"
                "guest account = " DATA_USER "\n"
                "private dir = " SAMBA_RUNTIME_DIRECTORY "/private\n"
                "lock directory = " SAMBA_RUNTIME_DIRECTORY "/lock\n"
                "state directory = " SAMBA_RUNTIME_DIRECTORY "/state\n"
                "cache directory = " SAMBA_RUNTIME_DIRECTORY "/cache\n"
                "pid directory = " SAMBA_RUNTIME_DIRECTORY "\n"
                "ncalrpc dir = " SAMBA_RUNTIME_DIRECTORY "/ncalrpc\n"
                "logging = file\n"
                "log file = " SAMBA_RUNTIME_DIRECTORY "/log.smbd\n"
                /* Who logged in or failed to, in the journal. Whose a session is shows
                 * there alone, as to the kernel all are the data user. */
                "log level = 0 auth_json_audit:4\n"
                "usershare max shares = 0\n"
                "load printers = no\n"
                "printcap name = /dev/null\n"
                "disable spoolss = yes\n"
                "host msdfs = no\n"
                "smb2 leases = no\n"
                "kernel oplocks = yes\n"
                "posix locking = yes\n"
                "acl_xattr:ignore system acls = yes\n"
                "acl_xattr:default acl style = everyone\n"
                "inherit permissions = yes\n"
                "map archive = no\n"
                "map hidden = no\n"
                "map system = no\n"
                "map readonly = no\n"
                "store dos attributes = yes\n"
                "ea support = yes\n"
                "aio read size = 65536\n"
                "aio write size = 65536\n"
                "nt acl support = no\n"
                "follow symlinks = no\n"
                "wide links = no\n";

/* Metadata of macOS in extended attributes, as syncd carries them, instead of files "._*" beside the users'
 * own. Characters that Windows does not allow in a name stay as the client sends them (docs/tr140.md). */
static const char apple_constant[] = "fruit:metadata = stream\n"
                                     "fruit:resource = stream\n"
                                     "fruit:encoding = private\n"
                                     "fruit:model = MacSamba\n"
                                     "fruit:posix_rename = yes\n"
                                     "fruit:nfs_aces = no\n"
                                     "fruit:veto_appledouble = no\n"
                                     "fruit:delete_empty_adfiles = yes\n"
                                     "fruit:wipe_intentionally_left_blank_rfork = yes\n";

/* In the order in which Samba wants them. */
static void write_modules(FILE *out, const ShareSmbOptions *options, bool snapshots) {
        fprintf(out,
                "vfs objects =%s%s acl_xattr\n",
                options->apple ? " fruit streams_xattr" : "",
                snapshots ? " shadow_copy2" : "");
}

static bool any_folder_is_open(const ShareSet *s) {
        SHARE_SET_FOREACH_ONLINE(f, s)
        if (share_folder_is_open(s, f, SHARE_SMB))
                return true;
        return false;
}

static void write_global(
                FILE *out, const ShareSet *s, const ShareNetwork *network, const ShareSmbOptions *options) {
        char **addresses = network->addresses;

        fputs(global_constant, out);
        write_modules(out, options, false);
        if (options->apple)
                fputs(apple_constant, out);
        if (options->encryption != SHARE_TLS_OFFERED)
                fprintf(out,
                        "server smb encrypt = %s\n",
                        options->encryption == SHARE_TLS_OFF ? "off" : "required");
        fputs("interfaces = lo", out);
        STRV_FOREACH (a, addresses)
                fprintf(out, " %s", *a);
        fputc('\n', out);
        /* TR-140 has one parameter for both; a name with dots is a DNS domain, which SMB has no use for. */
        if (!isempty(s->domain_name) && strlen(s->domain_name) <= NETBIOS_NAME_MAX &&
            !strchr(s->domain_name, '.'))
                fprintf(out, "workgroup = %s\n", s->domain_name);
        if (!isempty(s->host_name))
                fprintf(out, "netbios name = %.*s\n", NETBIOS_NAME_MAX, s->host_name);
        /* Without authentication even a wrong password must do (TR-140 NetworkProtocolAuthReq). */
        fprintf(out,
                "map to guest = %s\n",
                !s->smb_authentication  ? "Bad Password"
                : any_folder_is_open(s) ? "Bad User"
                                        : "Never");
        /* Who has no account does not learn the shares' names either. */
        if (s->smb_authentication && !any_folder_is_open(s))
                fputs("restrict anonymous = 2\n", out);
}

/* Writes the names of those who have at least this access. Returns their number. */
static size_t write_names(FILE *out, const ShareSet *s, const ShareFolder *f, ShareAccess at_least) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_users; i++)
                if (share_folder_access(s, f, s->users + i, SHARE_SMB) >= at_least) {
                        fprintf(out, " %s", s->users[i].name);
                        n++;
                }
        return n;
}

static bool any_user_may_read(const ShareSet *s, const ShareFolder *f) {
        for (size_t i = 0; i < s->n_users; i++)
                if (share_folder_access(s, f, s->users + i, SHARE_SMB) >= SHARE_ACCESS_READ)
                        return true;
        return false;
}

static void write_snapshots(FILE *out, const ShareVolume *v, const ShareSmbOptions *options) {
        if (!v->snapshots)
                return;
        write_modules(out, options, true);
        fprintf(out,
                "shadow:snapdir = " VOLUMES_DIRECTORY "/%s/" SNAPSHOTS_DIRECTORY "\n"
                "shadow:basedir = " VOLUMES_DIRECTORY "/%s\n"
                "shadow:sort = desc\n",
                v->name,
                v->name);
}

static void write_share(
                FILE *out,
                const ShareSet *s,
                const ShareVolume *v,
                const ShareFolder *f,
                const ShareSmbOptions *options) {
        bool open = share_folder_is_open(s, f, SHARE_SMB);

        /* An empty "valid users" would let everybody in. */
        if (!open && !any_user_may_read(s, f))
                return;
        fprintf(out, "\n[%s]\npath = %s\n", f->share, f->directory);
        write_snapshots(out, v, options);
        if (f->quota > 0)
                fputs("dfree command = " LIBEXECDIR "/smb-free-space\ndfree cache time = 2\n", out);
        if (open) {
                fprintf(out, "guest ok = yes\nread only = %s\n", f->full ? "yes" : "no");
                return;
        }
        fputs("valid users =", out);
        (void) write_names(out, s, f, SHARE_ACCESS_READ);
        fputs("\nread only = yes\nwrite list =", out);
        (void) write_names(out, s, f, SHARE_ACCESS_WRITE);
        fputc('\n', out);
}

static bool is_share(const ShareSet *s, const char *name) {
        SHARE_SET_FOREACH_ONLINE(f, s)
        if (strcasecmp(f->share, name) == 0)
                return true;
        return false;
}

/* What is a share of its own, with rights of its own, is not seen here, and cannot be renamed. */
static void write_volume_root(
                FILE *out, const ShareSet *s, const ShareVolume *v, const ShareSmbOptions *options) {
        if (!v->online || is_share(s, v->name) || share_name_is_reserved(v->name) ||
            (s->smb_authentication && s->n_users == 0))
                return;
        fprintf(out, "\n[%s]\npath = " VOLUMES_DIRECTORY "/%s\n", v->name, v->name);
        write_snapshots(out, v, options);
        fputs("veto files = /" STAGING_DIRECTORY "/" SNAPSHOTS_DIRECTORY "/lost+found/", out);
        for (const ShareFolder *f = v->folders; f && f < v->folders + v->n_folders; f++) {
                const char *name = f->directory + strlen(VOLUMES_DIRECTORY "/") + strlen(v->name) + 1;

                fprintf(out, "%.*s/", (int) strcspn(name, "/"), name);
        }
        fputs("\nread only = no\n", out);
        if (!s->smb_authentication) {
                fputs("guest ok = yes\n", out);
                return;
        }
        fputs("valid users =", out);
        for (size_t i = 0; i < s->n_users; i++)
                fprintf(out, " %s", s->users[i].name);
        fputc('\n', out);
}

int render_smb_conf(
                const ShareSet *s, const ShareNetwork *network, const ShareSmbOptions *options, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        write_global(text.stream, s, network, options);
        for (const ShareVolume *v = s->volumes; v && v < s->volumes + s->n_volumes; v++) {
                for (const ShareFolder *f = v->folders; f && f < v->folders + v->n_folders; f++)
                        if (f->online)
                                write_share(text.stream, s, v, f, options);
                if (options->volume_roots)
                        write_volume_root(text.stream, s, v, options);
        }
        return text_end(&text, ret);
}
