#include "integration/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

/* issuer NULL: it signs itself. */
static X509 *make(EVP_PKEY *key, const char *name, long serial, X509 *issuer,
                  EVP_PKEY *issuer_key) {
    X509 *x = X509_new();
    if (!x) {
        return NULL;
    }
    X509 *signer = issuer ? issuer : x;
    X509_NAME *subject = X509_get_subject_name(x);
    bool ok = X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), serial) &&
              X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
              X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600) && X509_set_pubkey(x, key) &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                         -1, -1, 0) &&
              X509_set_issuer_name(x, X509_get_subject_name(signer));
    ok = ok && add_extension(x, signer, NID_basic_constraints,
                             issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    ok = ok && (!issuer || add_extension(x, signer, NID_subject_alt_name,
                                         "DNS:localhost,IP:127.0.0.1,IP:::1"));
    ok = ok && X509_sign(x, issuer ? issuer_key : key, EVP_sha256());
    if (!ok) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static FILE *create(const char *directory, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return fopen(path, "w");
}

static bool write_certificate(const char *directory, const char *name, X509 *x) {
    FILE *file = x ? create(directory, name) : NULL;
    if (!file) {
        return false;
    }
    bool ok = PEM_write_X509(file, x) == 1;
    return fclose(file) == 0 && ok;
}

static bool write_key(const char *directory, const char *name, EVP_PKEY *key) {
    FILE *file = create(directory, name);
    if (!file) {
        return false;
    }
    bool ok = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    return fclose(file) == 0 && ok;
}

bool certificates_make(const char *directory) {
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *stranger_key = EVP_EC_gen("P-256");
    bool ok = ca_key && key && stranger_key;
    X509 *ca = ok ? make(ca_key, "Keyway test authority", 1, NULL, NULL) : NULL;
    X509 *server = ca ? make(key, "localhost", 2, ca, ca_key) : NULL;
    X509 *stranger = ok ? make(stranger_key, "Another authority", 3, NULL, NULL) : NULL;
    ok = ok && write_certificate(directory, CERTIFICATE_CA_FILE, ca) &&
         write_certificate(directory, CERTIFICATE_FILE, server) &&
         write_certificate(directory, CERTIFICATE_STRANGER_FILE, stranger) &&
         write_key(directory, CERTIFICATE_KEY_FILE, key);
    X509_free(ca);
    X509_free(server);
    X509_free(stranger);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger_key);
    return ok;
}
