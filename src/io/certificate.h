/* A certificate made on the spot, for a server that was given none: an authority, valid for a year,
 * and a certificate of it for this machine's loopback names. Kept in memory only; the authority's
 * key is forgotten. Owns OpenSSL's objects. */
#ifndef IO_CERTIFICATE_H
#define IO_CERTIFICATE_H

#include "base/mem.h"
#include "base/slice.h"

#include <openssl/x509.h>

/* The names that a made certificate is for, as OpenSSL's subjectAltName has them. */
#define CERTIFICATE_NAMES "DNS:localhost,IP:127.0.0.1,IP:::1"

typedef struct certificate {
    X509 *authority;
    X509 *own; /* signed by the authority */
    EVP_PKEY *key;
} certificate;

/* False if memory is short, or OpenSSL cannot do it: its error queue says why. */
KW_CHECKED bool certificate_make(certificate *ret);
void certificate_done(certificate *c);

/* A certificate as PEM text, to be freed with mem_free; NULL if memory is short. */
KW_CHECKED char *certificate_to_pem(const mem *m, X509 *x);

#endif
