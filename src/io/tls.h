/* TLS without a socket: OpenSSL between two memory BIOs. A context is made once a handle or lab, a
 * session once a connection. Owns OpenSSL's objects; never touches a descriptor. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/mem.h"
#include "base/slice.h"

/* TLS 1.2 or newer. With `verify`, chain and name (or address) must be right. */
typedef struct tls_config {
    const char *ca_file; /* NULL with ca_dir NULL: the system's */
    const char *ca_dir;
    const char *cert_file;   /* PEM chain; NULL: no client certificate */
    const char *key_file;    /* NULL: in cert_file */
    const char *server_name; /* SNI and name to verify; NULL: the host connected to */
    bool verify;             /* false: any certificate (not for production) */
} tls_config;

/* Whether a server asks its clients for a certificate, signed by an authority of ca_file or ca_dir;
 * the numbers of kw_lab_tls_clients. */
typedef enum tls_clients {
    TLS_CLIENTS_ANY,     /* it does not ask */
    TLS_CLIENTS_CHECKED, /* none is fine, a wrong one is not */
    TLS_CLIENTS_REQUIRED
} tls_clients;

typedef struct tls_server_config {
    const char *cert_file; /* PEM chain; NULL: one is made for the loopback names */
    const char *key_file;  /* NULL: in cert_file */
    const char *ca_file;
    const char *ca_dir;
    tls_clients clients;
} tls_server_config;

/* Encrypted bytes that may wait for the socket before tls_write takes no more. */
#define TLS_PENDING_MAX (64 * 1024)

typedef struct tls_context tls_context;
typedef struct tls_session tls_session;

/* KW_ERR_TLS with a message that names the file and what is wrong with it. */
KW_CHECKED kw_status tls_context_new(const mem *m, const tls_config *config, tls_context **ret,
                                     kw_error *err);
/* The same for accepted connections. */
KW_CHECKED kw_status tls_server_context_new(const mem *m, const tls_server_config *config,
                                            tls_context **ret, kw_error *err);
void tls_context_free(tls_context *c);

/* What a client of this server's context must trust, as PEM: the authority of a made certificate,
 * else the certificate itself. Belongs to the context. */
const char *tls_context_trust(const tls_context *c);

/* A session of the context's side. `host` is the name or address literal that a client connects to:
 * it is verified against the certificate (name or IP), and sent as SNI if it is a name. A server's
 * is NULL. */
KW_CHECKED kw_status tls_session_new(tls_context *c, const char *host, tls_session **ret);
void tls_session_free(tls_session *s);

typedef enum tls_result {
    TLS_OK,     /* done as far as the bytes went */
    TLS_AGAIN,  /* needs more bytes from the peer */
    TLS_CLOSED, /* the peer ended the session (close_notify) */
    TLS_FAILED  /* tls_error says why */
} tls_result;

/* Goes on with the handshake. */
tls_result tls_handshake(tls_session *s);
/* Tells the peer that the session ends (close_notify), as far as it has begun. */
void tls_close(tls_session *s);
/* Bytes from the peer's socket go in (only after TLS_AGAIN, so that they never pile up); bytes for
 * it come out (len 0: none). tls_sent drops what was written. */
KW_CHECKED kw_status tls_feed(tls_session *s, const char *data, size_t len);
kw_slice tls_pending(tls_session *s);
void tls_sent(tls_session *s, size_t len);
/* Plain bytes. TLS_OK: *ret_len bytes were read or taken (may be fewer than asked for; none at all
 * while TLS_PENDING_MAX bytes wait to be sent). Read until TLS_AGAIN: what is decrypted lies here,
 * where no descriptor tells of it. */
tls_result tls_read(tls_session *s, char *dst, size_t size, size_t *ret_len);
tls_result tls_write(tls_session *s, const char *data, size_t len, size_t *ret_len);
/* One line for a person: "certificate verify failed: self-signed certificate". */
const char *tls_error(const tls_session *s);

#endif
