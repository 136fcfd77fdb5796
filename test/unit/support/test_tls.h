/* Certificates made on the spot, and the server's side of a TLS session. */
#ifndef TEST_UNIT_SUPPORT_TEST_TLS_H
#define TEST_UNIT_SUPPORT_TEST_TLS_H

#include <openssl/ssl.h>

typedef struct test_ca {
    EVP_PKEY *key;
    X509 *cert;
} test_ca;

/* A self-signed authority. */
test_ca test_ca_make(void);
void test_ca_done(test_ca *ca);
/* Writes the authority's certificate as PEM. */
void test_ca_write(const test_ca *ca, const char *path);
/* Writes a certificate for `san` ("DNS:a.test" or "IP:127.0.0.1"), valid from now + from_s to now +
 * to_s, and its key, into one PEM file. */
void test_ca_issue(const test_ca *ca, const char *san, long from_s, long to_s, const char *path);

/* A server's context with the certificate and key in the PEM file; with client_ca_path, clients
 * must show a certificate of that authority. */
SSL_CTX *test_server_context(const char *pem_path, const char *client_ca_path);

#endif
