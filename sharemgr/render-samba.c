/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/str.h"
#include "sharemgr/render.h"
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
 * do everything. */
static const char global_constant[] = "[global]\n"
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
                                      "vfs objects = acl_xattr\n"
                                      "acl_xattr:ignore system acls = yes\n"
                                      "acl_xattr:default acl style = everyone\n"
                                      "inherit permissions = yes\n"
                                      "map archive = no\n"
                                      "map hidden = no\n"
                                      "map system = no\n"
                                      "map readonly = no\n"
                                      "store dos attributes = yes\n"
                                      "ea support = yes\n"
                                      "nt acl support = no\n"
                                      "follow symlinks = no\n"
                                      "wide links = no\n"
                                      "veto files = /.ispstorage/lost+found/\n";

static bool any_folder_is_open(const ShareSet *s) {
        SHARE_SET_FOREACH_ONLINE(f, s)
        if (share_folder_is_open(s, f, SHARE_SMB))
                return true;
        return false;
}

static void write_global(FILE *out, const ShareSet *s, const ShareNetwork *network) {
        char **addresses = network->addresses;

        fputs(global_constant, out);
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

static void write_share(FILE *out, const ShareSet *s, const ShareFolder *f) {
        bool open = share_folder_is_open(s, f, SHARE_SMB);

        /* An empty "valid users" would let everybody in. */
        if (!open && !any_user_may_read(s, f))
                return;
        fprintf(out, "\n[%s]\npath = %s\n", f->share, f->directory);
        if (open) {
                fputs("guest ok = yes\nread only = no\n", out);
                return;
        }
        fputs("valid users =", out);
        (void) write_names(out, s, f, SHARE_ACCESS_READ);
        fputs("\nread only = yes\nwrite list =", out);
        (void) write_names(out, s, f, SHARE_ACCESS_WRITE);
        fputc('\n', out);
}

int render_smb_conf(const ShareSet *s, const ShareNetwork *network, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        write_global(text.stream, s, network);
        SHARE_SET_FOREACH_ONLINE(f, s)
        write_share(text.stream, s, f);
        return text_end(&text, ret);
}
