#include "unit/support/test_tls.h"

#include "unit/support/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { HOUR_S = 3600 };

static X509 *make_cert(EVP_PKEY *key, const char *name, long from_s, long to_s) {
    static long serial;
    X509 *cert = X509_new();
    assert_non_null(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
    X509_set_pubkey(cert, key);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    return cert;
}

static void add_extension(X509 *cert, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

test_ca test_ca_make(void) {
    test_ca ca = {.key = EVP_EC_gen("P-256")};
    assert_non_null(ca.key);
    ca.cert = make_cert(ca.key, "Keyway test authority", -HOUR_S, HOUR_S);
    X509_set_issuer_name(ca.cert, X509_get_subject_name(ca.cert));
    add_extension(ca.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(ca.cert, ca.key, EVP_sha256()) > 0);
    return ca;
}

void test_ca_done(test_ca *ca) {
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static FILE *open_for_writing(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

void test_ca_write(const test_ca *ca, const char *path) {
    FILE *file = open_for_writing(path);
    assert_int_equal(PEM_write_X509(file, ca->cert), 1);
    fclose(file);
}

void test_ca_issue(const test_ca *ca, const char *san, long from_s, long to_s, const char *path) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    X509 *cert = make_cert(key, "node", from_s, to_s);
    X509_set_issuer_name(cert, X509_get_subject_name(ca->cert));
    add_extension(cert, NID_subject_alt_name, san);
    assert_true(X509_sign(cert, ca->key, EVP_sha256()) > 0);
    FILE *file = open_for_writing(path);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

SSL_CTX *test_server_context(const char *pem_path, const char *client_ca_path) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(context, pem_path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, pem_path, SSL_FILETYPE_PEM), 1);
    if (client_ca_path) {
        assert_int_equal(SSL_CTX_load_verify_locations(context, client_ca_path, NULL), 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}
