/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gcrypt.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/staging.h"

#define NAME_LENGTH_MAX 128U
#define SHA256_SIZE 32U
/* An ed25519 key has 51 bytes. */
#define KEY_SIZE_MAX 1024U

static int decode_base64(const char *text, uint8_t *ret, size_t *ret_size) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        uint32_t bits = 0;
        unsigned n_bits = 0;
        size_t n = 0, digits = strspn(text, alphabet);

        if (digits == 0 || digits > KEY_SIZE_MAX || digits % 4 == 1 ||
            strspn(text + digits, "=") != (4 - digits % 4) % 4 || text[digits + (4 - digits % 4) % 4] != 0)
                return -EINVAL;
        for (size_t i = 0; i < digits; i++) {
                bits = bits << 6 | (uint32_t) (strchr(alphabet, text[i]) - alphabet);
                n_bits += 6;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        ret[n++] = (uint8_t) (bits >> n_bits);
                }
        }
        *ret_size = n;
        return 0;
}

int staging_namespace(const char *base64_key, char ret[static STAGING_NAMESPACE_SIZE]) {
        uint8_t key[KEY_SIZE_MAX], hash[SHA256_SIZE];
        size_t size;
        int r;

        r = decode_base64(base64_key, key, &size);
        if (r < 0)
                return r;
        (void) gcry_check_version(NULL);
        gcry_md_hash_buffer(GCRY_MD_SHA256, hash, key, size);
        (void) format_hex(hash, (STAGING_NAMESPACE_SIZE - 1) / 2, ret);
        return 0;
}

bool staging_name_is_valid(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

        return n > 0 && n <= NAME_LENGTH_MAX && name[n] == 0 && name[0] != '.';
}

int staging_count(const char *git_directory, const char *name_space, unsigned *ret) {
        _cleanup_free_ char *path = strfmt("%s/" STAGING_REFS "%s", git_directory, name_space);
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *e;
        unsigned n = 0;

        if (!path)
                return -ENOMEM;
        /* They are never packed: maintenance needs to know when each was touched. */
        d = opendir(path);
        if (!d && errno != ENOENT)
                return -errno;
        while (d && (e = readdir(d)))
                n += e->d_name[0] != '.';
        *ret = n;
        return 0;
}
