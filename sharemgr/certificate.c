/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/str.h"
#include "sharemgr/certificate.h"
#include "sharemgr/share-names.h"

/* Users pin it, so it has to last as long as the device. Twenty years, in days. */
#define LIFETIME_DAYS (20 * 365)

static void free_key(EVP_PKEY **key) {
        EVP_PKEY_free(*key);
}

static void free_certificate(X509 **certificate) {
        X509_free(*certificate);
}

static void free_bio(BIO **bio) {
        BIO_free_all(*bio);
}

static bool add_names(X509 *certificate, const char *host_name) {
        _cleanup_free_ char *names = strfmt("DNS:%s,DNS:%s.local", host_name, host_name);
        X509_NAME *subject = X509_get_subject_name(certificate);
        X509_EXTENSION *extension;
        bool ok;

        if (!names || !X509_NAME_add_entry_by_txt(
                                      subject, "CN", MBSTRING_ASC, (const unsigned char *) host_name, -1, -1, 0))
                return false;
        extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        ok = extension && X509_add_ext(certificate, extension, -1) && X509_set_issuer_name(certificate, subject);
        X509_EXTENSION_free(extension);
        return ok;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *host_name) {
        BIGNUM *serial = BN_new();
        bool ok = serial && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
                  X509_set_version(certificate, X509_VERSION_3) &&
                  /* The clock of a gateway may not be set yet. */
                  ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20200101000000Z") &&
                  X509_time_adj_ex(X509_getm_notAfter(certificate), LIFETIME_DAYS, 0, NULL) &&
                  X509_set_pubkey(certificate, key) && add_names(certificate, host_name) &&
                  X509_sign(certificate, key, EVP_sha256()) > 0;

        BN_free(serial);
        return ok;
}

int certificate_make(const char *host_name, char **ret) {
        _cleanup_(free_certificate) X509 *certificate = X509_new();
        _cleanup_(free_bio) BIO *out = BIO_new(BIO_s_secmem());
        _cleanup_(free_key) EVP_PKEY *key = NULL;
        char *text;
        long n;

        if (isempty(host_name) || !host_name_is_valid(host_name))
                return -EINVAL;
        if (!certificate || !out)
                return -ENOMEM;
        key = EVP_EC_gen("P-256");
        if (!key || !fill(certificate, key, host_name) ||
            !PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) || !PEM_write_bio_X509(out, certificate))
                return -EIO;
        n = BIO_get_mem_data(out, &text);
        *ret = strndup(text, (size_t) n);
        return *ret ? 0 : -ENOMEM;
}

bool certificate_is_usable(const char *pem) {
        _cleanup_(free_bio) BIO *first = BIO_new_mem_buf(pem, -1), *second = BIO_new_mem_buf(pem, -1);
        _cleanup_(free_certificate) X509 *certificate = first ? PEM_read_bio_X509(first, NULL, NULL, NULL) : NULL;
        /* A passphrase that nobody can type here must not be asked for. */
        _cleanup_(free_key) EVP_PKEY *key = second ? PEM_read_bio_PrivateKey(second, NULL, NULL, (void *) "") : NULL;

        return certificate && key && X509_check_private_key(certificate, key) == 1;
}
