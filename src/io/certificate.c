#include "io/certificate.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum {
    SERIAL_BITS = 127, /* two labs must not give one serial to different certificates */
    DAY_S = 24 * 3600,
    VALID_S = 365 * DAY_S /* and from a day ago: clocks differ */
};

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *x) {
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok;
}

/* All but extensions and signature. */
static X509 *begin(EVP_PKEY *key, const char *name, X509 *issuer) {
    X509 *x = X509_new();
    if (!x) {
        return NULL;
    }
    X509_NAME *subject = X509_get_subject_name(x);
    bool ok = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
              X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) &&
              X509_gmtime_adj(X509_getm_notAfter(x), VALID_S) && X509_set_pubkey(x, key) == 1 &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                         -1, -1, 0) == 1 &&
              X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : subject) == 1;
    if (!ok) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static X509 *make_authority(EVP_PKEY *key) {
    X509 *x = begin(key, "Keyway lab", NULL);
    if (x && add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(x, x, NID_subject_key_identifier, "hash") &&
        X509_sign(x, key, EVP_sha256()) > 0) {
        return x;
    }
    X509_free(x);
    return NULL;
}

static X509 *make_own(EVP_PKEY *key, X509 *authority, EVP_PKEY *authority_key) {
    X509 *x = begin(key, "localhost", authority);
    if (x && add_extension(x, authority, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, authority, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, authority, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, authority, NID_subject_alt_name, CERTIFICATE_NAMES) &&
        add_extension(x, authority, NID_authority_key_identifier, "keyid") &&
        X509_sign(x, authority_key, EVP_sha256()) > 0) {
        return x;
    }
    X509_free(x);
    return NULL;
}

bool certificate_make(certificate *ret) {
    EVP_PKEY *authority_key = EVP_EC_gen("P-256");
    certificate c = {.key = EVP_EC_gen("P-256")};
    if (authority_key && c.key) {
        c.authority = make_authority(authority_key);
    }
    if (c.authority) {
        c.own = make_own(c.key, c.authority, authority_key);
    }
    EVP_PKEY_free(authority_key);
    if (!c.own) {
        certificate_done(&c);
        return false;
    }
    *ret = c;
    return true;
}

void certificate_done(certificate *c) {
    if (c) {
        X509_free(c->authority);
        X509_free(c->own);
        EVP_PKEY_free(c->key);
        *c = (certificate){0};
    }
}

char *certificate_to_pem(const mem *m, X509 *x) {
    BIO *out = BIO_new(BIO_s_mem());
    char *pem = NULL;
    if (out && PEM_write_bio_X509(out, x) == 1) {
        char *data = NULL;
        long len = BIO_get_mem_data(out, &data);
        pem = mem_strndup(m, data, (size_t)len);
    }
    BIO_free(out);
    return pem;
}
