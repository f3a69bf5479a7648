/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <inttypes.h>

#include "common/base/str.h"
#include "sharemgr/render.h"
#include "sharemgr/share-paths.h"
#include "sharemgr/text.h"

/* The longest that lighttpd keeps an idle connection when TR-140 says 0, "never end it": its field has 16
 * bits. */
#define IDLE_TIME_FOREVER 65535U

/* Pages that users upload must not run as scripts of this origin: no text/html. */
static const char constant[] =
                "server.modules = ( \"mod_access\", \"mod_alias\", \"mod_auth\", \"mod_authn_file\", "
                "\"mod_setenv\", "
                "\"mod_webdav\" )\n"
                "server.document-root = \"" LIGHTTPD_ROOT_DIRECTORY "\"\n"
                "server.upload-dirs = ( \"/var/tmp\" )\n"
                "server.follow-symlink = \"disable\"\n"
                "server.tag = \"ISPStorage\"\n"
                "dir-listing.activate = \"enable\"\n"
                "dir-listing.encoding = \"utf-8\"\n"
                "auth.backend = \"htpasswd\"\n"
                "auth.backend.htpasswd.userfile = \"" HTPASSWD "\"\n"
                "auth.cache = ( \"max-age\" => \"60\" )\n"
                "setenv.set-response-header = ( \"X-Content-Type-Options\" => \"nosniff\" )\n"
                "mimetype.assign = (\n"
                "        \".gif\" => \"image/gif\", \".jpeg\" => \"image/jpeg\", \".jpg\" => "
                "\"image/jpeg\",\n"
                "        \".mp3\" => \"audio/mpeg\", \".mp4\" => \"video/mp4\", \".pdf\" => "
                "\"application/pdf\",\n"
                "        \".png\" => \"image/png\", \".txt\" => \"text/plain; charset=utf-8\",\n"
                "        \"\" => \"application/octet-stream\"\n"
                ")\n";

static const char tls[] = "server.modules += ( \"mod_openssl\" )\n"
                          "ssl.engine = \"enable\"\nssl.pemfile = \"" TLS_PEM "\"\n";

typedef struct Site {
        FILE *out;
        const ShareSet *set;
        ShareProtocol protocol;
        const ShareServer *server;
} Site;

static void write_server(const Site *site, const ShareNetwork *network) {
        const ShareServer *server = site->server;
        uint32_t idle = server->idle_time > 0 ? server->idle_time : IDLE_TIME_FOREVER;
        const char *engine = site->protocol == SHARE_HTTPS ? tls : "";
        char **a = network->addresses;
        FILE *out = site->out;

        fprintf(out,
                "%sserver.port = %" PRIu32 "\n"
                "server.max-connections = %" PRIu32 "\n"
                "server.max-keep-alive-idle = %" PRIu32 "\n"
                "server.max-read-idle = %" PRIu32 "\n",
                engine,
                server->port,
                server->max_users,
                idle,
                idle);
        if (!a || !a[0])
                return;
        fprintf(out, strchr(a[0], ':') ? "server.bind = \"[%s]\"\n" : "server.bind = \"%s\"\n", a[0]);
        for (a++; *a; a++)
                fprintf(out,
                        strchr(*a, ':') ? "$SERVER[\"socket\"] == \"[%s]:%" PRIu32 "\" {%s}\n"
                                        : "$SERVER[\"socket\"] == \"%s:%" PRIu32 "\" {%s}\n",
                        *a,
                        server->port,
                        *engine ? " ssl.engine = \"enable\" " : "");
}

/* What is in no folder shows the folders' names. A folder's own rule takes the place of this one. */
static void write_root_rule(const Site *site) {
        if (site->server->authentication)
                fputs("auth.require = ( \"/\" => ( \"method\" => \"basic\", \"realm\" => \"ISPStorage\", "
                      "\"require\" => \"valid-user\" ) )\n",
                      site->out);
}

static void write_aliases(const Site *site) {
        FILE *out = site->out;

        fputs("alias.url = (\n", out);
        SHARE_SET_FOREACH_ONLINE(f, site->set)
        fprintf(out, "        \"/%s/\" => \"%s/\",\n", f->share, f->directory);
        fputs(")\n", out);
}

/* Who has at least this access, as the value of auth.require; or nobody. */
static void write_rule(const Site *site, const ShareFolder *f, ShareAccess at_least, const char *indent) {
        const ShareSet *s = site->set;
        FILE *out = site->out;
        bool any = false;

        if (share_folder_is_open(s, f, site->protocol))
                return;
        for (size_t i = 0; i < s->n_users; i++) {
                if (share_folder_access(s, f, s->users + i, site->protocol) < at_least)
                        continue;
                if (!any)
                        fprintf(out,
                                "%sauth.require = ( \"/\" => ( \"method\" => \"basic\", \"realm\" => "
                                "\"ISPStorage\", "
                                "\"require\" => \"",
                                indent);
                fprintf(out, "%suser=%s", any ? "|" : "", s->users[i].name);
                any = true;
        }
        if (any)
                fputs("\" ) )\n", out);
        else
                fprintf(out, "%surl.access-deny = ( \"\" )\n", indent);
}

static void write_hex_digit(FILE *out, unsigned digit) {
        static const char *const digits[] = { "0", "1", "2",    "3",    "4",    "5",    "6",    "7",
                                              "8", "9", "[Aa]", "[Bb]", "[Cc]", "[Dd]", "[Ee]", "[Ff]" };

        fputs(digits[digit], out);
}

/* A regular expression for a name as clients write it in a header: each byte as it is, where RFC 3986 lets
 * it, or percent-encoded. */
static void write_name_expression(FILE *out, const char *name) {
        for (const unsigned char *p = (const unsigned char *) name; *p; p++) {
                fputs("(?:", out);
                if (isascii(*p) && *p != '^')
                        fprintf(out, "[%c]|", *p);
                fputc('%', out);
                write_hex_digit(out, *p >> 4);
                write_hex_digit(out, *p & 15);
                fputc(')', out);
        }
}

/* COPY and MOVE name their target in a header that no rule on the URL looks at: it must be in the same
 * folder, without a step upwards, written plainly or encoded. */
static void write_copy_rules(const Site *site, const ShareFolder *f) {
        FILE *out = site->out;

        fputs("        else $HTTP[\"request-method\"] =~ \"^(?:COPY|MOVE)$\" {\n", out);
        write_rule(site, f, SHARE_ACCESS_WRITE, "                ");
        fputs("                $REQUEST_HEADER[\"Destination\"] !~ \"^(?:https?://[^/?#]+)?/", out);
        write_name_expression(out, f->share);
        fputs("/(?!(?:.*/)?[.][.]?(?:/|$))(?!.*%(?:00|2[EFef]|5[Cc]))\" {\n"
              "                        url.access-deny = ( \"\" )\n"
              "                }\n"
              "        }\n",
              out);
}

static void write_folder(const Site *site, const ShareFolder *f, bool writable) {
        FILE *out = site->out;

        fprintf(out, "$HTTP[\"url\"] =^ \"/%s/\" {\n", f->share);
        if (!writable) {
                write_rule(site, f, SHARE_ACCESS_READ, "        ");
                fputs("}\n", out);
                return;
        }
        fputs("        webdav.activate = \"enable\"\n"
              "        $HTTP[\"request-method\"] =~ \"^(?:GET|HEAD|OPTIONS|PROPFIND)$\" {\n",
              out);
        write_rule(site, f, SHARE_ACCESS_READ, "                ");
        fputs("        }\n", out);
        /* What makes room is allowed also when nothing may be added. */
        if (f->full)
                fputs("        else $HTTP[\"request-method\"] =~ \"^(?:PUT|POST|PATCH|MKCOL|COPY)$\" {\n"
                      "                url.access-deny = ( \"\" )\n"
                      "        }\n",
                      out);
        write_copy_rules(site, f);
        fputs("        else {\n", out);
        write_rule(site, f, SHARE_ACCESS_WRITE, "                ");
        fputs("        }\n}\n", out);
}

int render_lighttpd_conf(
                const ShareSet *s, const ShareNetwork *network, ShareProtocol protocol, bool writable, char **ret) {
        Site site = { .set = s, .protocol = protocol, .server = protocol == SHARE_HTTPS ? &s->https : &s->http };
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        site.out = text.stream;
        fputs(constant, site.out);
        write_server(&site, network);
        write_root_rule(&site);
        write_aliases(&site);
        SHARE_SET_FOREACH_ONLINE(f, s)
        write_folder(&site, f, writable);
        return text_end(&text, ret);
}
