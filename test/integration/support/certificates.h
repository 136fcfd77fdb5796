/* Certificates for a cluster of one test: an authority, a certificate of it for localhost,
 * 127.0.0.1 and ::1, and a second authority that signed nothing. */
#ifndef INTEGRATION_SUPPORT_CERTIFICATES_H
#define INTEGRATION_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

#define CERTIFICATE_CA_FILE "ca.crt"
#define CERTIFICATE_FILE "server.crt"
#define CERTIFICATE_KEY_FILE "server.key"
#define CERTIFICATE_STRANGER_FILE "stranger.crt"

/* Writes the four files into the directory; false if that fails. */
bool certificates_make(const char *directory);

#endif
