/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <crypt.h>
#include <gcrypt.h>
#include <jansson.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "sharemgr/credentials.h"
#include "sharemgr/share-names.h"
#include "sharemgr/text.h"

/* What yescrypt costs, of 1 to 11: some 4 ms and 4 MiB. The NT hash that SMB needs is beside it and costs nothing, so a
 * higher price would keep the gateway busy and nobody else out. */
#define YESCRYPT_COST 3

/* Each byte of UTF-8 gives at most one UTF-16 unit. */
#define UTF16_MAX (PASSWORD_MAX * 2U)

/* Decodes the sequence at *p, which is valid UTF-8, and steps over it. */
static uint32_t take_code_point(const unsigned char **p) {
        unsigned length = **p < 0x80 ? 1 : **p < 0xe0 ? 2 : **p < 0xf0 ? 3 : 4;
        uint32_t c = length == 1 ? **p : **p & (0xffU >> (length + 1));

        for (unsigned i = 1; i < length; i++)
                c = c << 6 | ((*p)[i] & 0x3fU);
        *p += length;
        return c;
}

static size_t put_unit(uint8_t *buf, size_t n, uint32_t unit) {
        buf[n] = (uint8_t) unit;
        buf[n + 1] = (uint8_t) (unit >> 8);
        return n + 2;
}

static size_t utf8_to_utf16le(const char *s, uint8_t buf[static UTF16_MAX]) {
        const unsigned char *p = (const unsigned char *) s;
        size_t n = 0;

        while (*p) {
                uint32_t c = take_code_point(&p);

                if (c >= 0x10000) {
                        n = put_unit(buf, n, 0xd800 + ((c - 0x10000) >> 10));
                        n = put_unit(buf, n, 0xdc00 + ((c - 0x10000) & 0x3ff));
                } else
                        n = put_unit(buf, n, c);
        }
        return n;
}

static int md4(const void *data, size_t size, uint8_t digest[static NT_HASH_LENGTH / 2]) {
        /* It wants to be asked for its version before anything else. */
        if (!gcry_check_version(NULL) || gcry_md_test_algo(GCRY_MD_MD4) != 0)
                return -EOPNOTSUPP;
        gcry_md_hash_buffer(GCRY_MD_MD4, digest, data, size);
        return 0;
}

/* [MS-NLMP] 3.3.1: MD4 of the password in UTF-16LE. */
static int nt_hash(const char *password, char hex[static NT_HASH_LENGTH + 1]) {
        uint8_t unicode[UTF16_MAX], digest[NT_HASH_LENGTH / 2];
        size_t n = utf8_to_utf16le(password, unicode);
        int r = md4(unicode, n, digest);

        explicit_bzero(unicode, sizeof(unicode));
        if (r >= 0)
                (void) format_hex(digest, sizeof(digest), hex);
        return r;
}

int credentials_from_password(const char *password, char **ret) {
        char salt[CRYPT_GENSALT_OUTPUT_SIZE], nt[NT_HASH_LENGTH + 1];
        const char *hash;
        char *credentials;
        int r;

        if (!password_is_valid(password))
                return -EINVAL;
        if (!crypt_gensalt_rn("$y$", YESCRYPT_COST, NULL, 0, salt, sizeof(salt)))
                return errno == EINVAL ? -EOPNOTSUPP : -errno;
        r = nt_hash(password, nt);
        if (r < 0)
                return r;
        struct crypt_data *data = calloc(1, sizeof(struct crypt_data));
        if (!data)
                return -ENOMEM;
        hash = crypt_rn(password, salt, data, sizeof(*data));
        credentials = hash ? strfmt("%s %s", hash, nt) : NULL;
        r = hash ? -ENOMEM : -EOPNOTSUPP;
        explicit_bzero(data, sizeof(*data));
        free(data);
        if (!credentials)
                return r;
        *ret = credentials;
        return 0;
}

int credentials_split(char *credentials, const char **ret_crypt, const char **ret_nt) {
        uint8_t digest[NT_HASH_LENGTH / 2];
        char *blank = strchr(credentials, ' ');

        /* What these files separate by: a damaged line must not become a second account. */
        if (!blank || blank == credentials || parse_hex(blank + 1, digest, sizeof(digest)) < 0 ||
            strpbrk(credentials, ":\n"))
                return -EBADMSG;
        *blank = 0;
        *ret_crypt = credentials;
        *ret_nt = blank + 1;
        return 0;
}

/* Steals the object. */
static int dump_json(json_t *object, char **ret) {
        char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;

        json_decref(object);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* The home is one that exists: vsftpd enters it before the root that it is told. */
int render_user_record(const Account *a, uid_t uid, gid_t gid, char **ret) {
        return dump_json(
                        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}",
                                  "userName",
                                  a->name,
                                  "realName",
                                  "ISPStorage account",
                                  "uid",
                                  (json_int_t) uid,
                                  "gid",
                                  (json_int_t) gid,
                                  "homeDirectory",
                                  "/",
                                  "shell",
                                  "/usr/sbin/nologin",
                                  "disposition",
                                  "system"),
                        ret);
}

int render_user_record_privileged(const Account *a, char **ret) {
        return dump_json(json_pack("{s:{s:[s]}}", "privileged", "hashedPassword", a->crypt_hash), ret);
}

int render_smbpasswd(const Account *accounts, size_t n, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        /* The LAN Manager hash stays unset; the time of the last change only has to be one. */
        for (size_t i = 0; i < n; i++)
                fprintf(text.stream,
                        "%s:%u:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:%s:[U          ]:LCT-00000001:\n",
                        accounts[i].name,
                        (unsigned) (SAMBA_UID_BASE + accounts[i].instance),
                        accounts[i].nt_hash);
        return text_end(&text, ret);
}

int render_htpasswd(const Account *accounts, size_t n, char **ret) {
        _cleanup_text_ Text text = {};
        int r;

        r = text_begin(&text);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                fprintf(text.stream, "%s:%s\n", accounts[i].name, accounts[i].crypt_hash);
        return text_end(&text, ret);
}
