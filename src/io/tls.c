#include "io/tls.h"

#include "core/endpoint.h"
#include "io/certificate.h"
#include "io/io_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct tls_context {
    const mem *mem;
    SSL_CTX *ssl;
    char *server_name; /* or NULL */
    char *trust;       /* of a server */
    bool is_server;
    bool verify;
};

struct tls_session {
    const mem *mem;
    SSL *ssl;
    BIO *incoming; /* both belong to ssl */
    BIO *outgoing;
    char host[LIMIT_HOST_BYTES + 1];
    char error[KW_ERROR_MESSAGE_SIZE];
};

/* The first error queued is the cause, those after it say where it passed. Empties the queue. */
static const char *take_reason(void) {
    unsigned long code = ERR_get_error();
    const char *reason = NULL;
    if (code) {
        reason =
            ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    }
    ERR_clear_error();
    return reason ? reason : "unknown reason";
}

/* OpenSSL would otherwise ask on the terminal. */
static int refuse_password(char *buf, int size, int writing, void *arg) {
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static kw_status file_failed(kw_error *err, const char *what, const char *path) {
    return io_fail(err, KW_ERR_TLS, "%s '%s': %s", what, path, take_reason());
}

/* Either may be NULL; both: the system's. */
static kw_status load_trust(SSL_CTX *ssl, const char *ca_file, const char *ca_dir, kw_error *err) {
    if (ca_file && SSL_CTX_load_verify_file(ssl, ca_file) != 1) {
        return file_failed(err, "cannot use the CA file", ca_file);
    }
    if (ca_dir && SSL_CTX_load_verify_dir(ssl, ca_dir) != 1) {
        return file_failed(err, "cannot use the CA directory", ca_dir);
    }
    if (!ca_file && !ca_dir && SSL_CTX_set_default_verify_paths(ssl) != 1) {
        return file_failed(err, "cannot use the system's CA store", X509_get_default_cert_dir());
    }
    return KW_OK;
}

static kw_status load_certificate(SSL_CTX *ssl, const char *cert_file, const char *key_file,
                                  kw_error *err) {
    if (!cert_file) {
        return key_file ? io_fail(err, KW_ERR_TLS, "a key file without a certificate file: '%s'",
                                  key_file)
                        : KW_OK;
    }
    if (!key_file) {
        key_file = cert_file;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1) {
        return file_failed(err, "cannot use the certificate file", cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1) {
        return file_failed(err, "cannot use the key file", key_file);
    }
    if (SSL_CTX_check_private_key(ssl) != 1) {
        return file_failed(err, "the key does not fit the certificate", key_file);
    }
    return KW_OK;
}

/* What both sides have in common. */
static kw_status configure(SSL_CTX *ssl, kw_error *err) {
    SSL_CTX_set_default_passwd_cb(ssl, refuse_password);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        return io_fail(err, KW_ERR_TLS, "TLS 1.2 is not available: %s", take_reason());
    }
    return KW_OK;
}

static kw_status configure_client(tls_context *c, const tls_config *config, kw_error *err) {
    c->verify = config->verify;
    if (config->server_name) {
        c->server_name = mem_strndup(c->mem, config->server_name, strlen(config->server_name));
        if (!c->server_name) {
            return io_fail(err, KW_ERR_NOMEM, "out of memory");
        }
    }
    SSL_CTX_set_verify(c->ssl, config->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    kw_status status =
        config->verify ? load_trust(c->ssl, config->ca_file, config->ca_dir, err) : KW_OK;
    return status == KW_OK ? load_certificate(c->ssl, config->cert_file, config->key_file, err)
                           : status;
}

static kw_status use_made_certificate(tls_context *c, kw_error *err) {
    certificate made;
    if (!certificate_make(&made)) {
        return io_fail(err, KW_ERR_TLS, "cannot make a certificate: %s", take_reason());
    }
    kw_status status = KW_OK;
    if (SSL_CTX_use_certificate(c->ssl, made.own) != 1 ||
        SSL_CTX_use_PrivateKey(c->ssl, made.key) != 1) {
        status = io_fail(err, KW_ERR_TLS, "cannot use a made certificate: %s", take_reason());
    }
    c->trust = certificate_to_pem(c->mem, made.authority);
    certificate_done(&made);
    return status;
}

static kw_status configure_server(tls_context *c, const tls_server_config *config, kw_error *err) {
    const int modes[] = {
        [TLS_CLIENTS_ANY] = SSL_VERIFY_NONE,
        [TLS_CLIENTS_CHECKED] = SSL_VERIFY_PEER,
        [TLS_CLIENTS_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };
    c->is_server = true;
    SSL_CTX_set_verify(c->ssl, modes[config->clients], NULL);
    SSL_CTX_set_num_tickets(c->ssl, 0); /* no session is ever resumed */
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_TICKET);
    kw_status status = KW_OK;
    if (config->clients != TLS_CLIENTS_ANY) {
        status = load_trust(c->ssl, config->ca_file, config->ca_dir, err);
    }
    if (status == KW_OK && !config->cert_file && !config->key_file) {
        status = use_made_certificate(c, err);
    } else if (status == KW_OK) {
        status = load_certificate(c->ssl, config->cert_file, config->key_file, err);
        if (status == KW_OK) {
            c->trust = certificate_to_pem(c->mem, SSL_CTX_get0_certificate(c->ssl));
        }
    }
    if (status == KW_OK && !c->trust) {
        status = io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    return status;
}

/* One side's context, as far as both are the same; NULL: *ret_status says why. */
static tls_context *new_context(const mem *m, const SSL_METHOD *method, kw_status *ret_status,
                                kw_error *err) {
    /* a library leaves no exit handler behind in its host */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        *ret_status = io_fail(err, KW_ERR_TLS, "cannot start OpenSSL: %s", take_reason());
        return NULL;
    }
    ERR_clear_error();
    tls_context *c = mem_calloc(m, 1, sizeof *c);
    if (c) {
        c->mem = m;
        c->ssl = SSL_CTX_new(method);
    }
    *ret_status =
        c && c->ssl ? configure(c->ssl, err) : io_fail(err, KW_ERR_NOMEM, "out of memory");
    return c;
}

static kw_status finish_context(tls_context *c, kw_status status, tls_context **ret) {
    ERR_clear_error();
    if (status != KW_OK) {
        tls_context_free(c);
        return status;
    }
    *ret = c;
    return KW_OK;
}

kw_status tls_context_new(const mem *m, const tls_config *config, tls_context **ret,
                          kw_error *err) {
    kw_status status;
    tls_context *c = new_context(m, TLS_client_method(), &status, err);
    status = status == KW_OK ? configure_client(c, config, err) : status;
    return finish_context(c, status, ret);
}

kw_status tls_server_context_new(const mem *m, const tls_server_config *config, tls_context **ret,
                                 kw_error *err) {
    kw_status status;
    tls_context *c = new_context(m, TLS_server_method(), &status, err);
    status = status == KW_OK ? configure_server(c, config, err) : status;
    return finish_context(c, status, ret);
}

void tls_context_free(tls_context *c) {
    if (!c) {
        return;
    }
    SSL_CTX_free(c->ssl);
    mem_free(c->mem, c->server_name);
    mem_free(c->mem, c->trust);
    mem_free(c->mem, c);
}

const char *tls_context_trust(const tls_context *c) {
    return c->trust;
}

/* Names go into SNI, addresses must not (RFC 6066, 3). */
static bool expect_host(tls_session *s, bool verify) {
    endpoint e = {.port = 1};
    net_address address;
    slice_copy(e.host, sizeof e.host, slice_text(s->host));
    bool is_address = endpoint_to_address(&e, &address);
    X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address) {
        size_t len = address.family == NET_IPV4 ? 4 : 16;
        return !verify || X509_VERIFY_PARAM_set1_ip(param, address.ip, len) == 1;
    }
    return SSL_set_tlsext_host_name(s->ssl, s->host) == 1 &&
           (!verify || X509_VERIFY_PARAM_set1_host(param, s->host, 0) == 1);
}

kw_status tls_session_new(tls_context *c, const char *host, tls_session **ret) {
    const char *name = c->server_name ? c->server_name : host;
    if (!c->is_server && (!name || strlen(name) > LIMIT_HOST_BYTES)) {
        return KW_ERR_INVALID;
    }
    tls_session *s = mem_calloc(c->mem, 1, sizeof *s);
    if (!s) {
        return KW_ERR_NOMEM;
    }
    s->mem = c->mem;
    slice_copy(s->host, sizeof s->host, slice_text(name ? name : ""));
    ERR_clear_error();
    s->ssl = SSL_new(c->ssl);
    s->incoming = BIO_new(BIO_s_mem());
    s->outgoing = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->incoming || !s->outgoing) {
        BIO_free(s->incoming);
        BIO_free(s->outgoing);
        goto fail;
    }
    SSL_set_bio(s->ssl, s->incoming, s->outgoing);
    if (c->is_server) {
        SSL_set_accept_state(s->ssl);
    } else {
        SSL_set_connect_state(s->ssl);
        if (!expect_host(s, c->verify)) {
            goto fail;
        }
    }
    *ret = s;
    return KW_OK;

fail:
    ERR_clear_error();
    tls_session_free(s);
    return KW_ERR_NOMEM;
}

void tls_session_free(tls_session *s) {
    if (!s) {
        return;
    }
    SSL_free(s->ssl);
    mem_free(s->mem, s);
}

static void describe_failure(tls_session *s) {
    long verified = SSL_get_verify_result(s->ssl);
    const char *reason = take_reason();
    if (verified == X509_V_OK || SSL_get_verify_mode(s->ssl) == SSL_VERIFY_NONE) {
        snprintf(s->error, sizeof s->error, "%s", reason);
        return;
    }
    const char *text = X509_verify_cert_error_string(verified);
    bool is_name =
        verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
    snprintf(s->error, sizeof s->error, "certificate verify failed: %s%s%.100s%s", text,
             is_name ? " (it is not for '" : "", is_name ? s->host : "", is_name ? "')" : "");
}

/* What a call of OpenSSL that returned `returned` means. */
static tls_result result_of(tls_session *s, int returned) {
    switch (SSL_get_error(s->ssl, returned)) {
    case SSL_ERROR_NONE:
        return TLS_OK;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        describe_failure(s);
        return TLS_FAILED;
    }
}

tls_result tls_handshake(tls_session *s) {
    ERR_clear_error(); /* what others left there would be taken for ours */
    return result_of(s, SSL_do_handshake(s->ssl));
}

void tls_close(tls_session *s) {
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl)) {
        (void)SSL_shutdown(s->ssl); /* 0: the peer's answer is not waited for */
    }
    ERR_clear_error();
}

kw_status tls_feed(tls_session *s, const char *data, size_t len) {
    size_t taken = 0;
    ERR_clear_error();
    if (BIO_write_ex(s->incoming, data, len, &taken) != 1 || taken != len) {
        ERR_clear_error();
        return KW_ERR_NOMEM;
    }
    return KW_OK;
}

kw_slice tls_pending(tls_session *s) {
    char *data = NULL;
    long len = BIO_get_mem_data(s->outgoing, &data);
    return len > 0 ? slice_of(data, (size_t)len) : slice_of("", 0);
}

void tls_sent(tls_session *s, size_t len) {
    char skipped[4096]; /* a memory BIO drops bytes only by handing them out */
    while (len > 0) {
        size_t part = len < sizeof skipped ? len : sizeof skipped;
        size_t got = 0;
        if (BIO_read_ex(s->outgoing, skipped, part, &got) != 1) {
            return;
        }
        len -= got;
    }
}

tls_result tls_read(tls_session *s, char *dst, size_t size, size_t *ret_len) {
    size_t len = 0;
    ERR_clear_error();
    int returned = SSL_read_ex(s->ssl, dst, size, &len);
    *ret_len = returned == 1 ? len : 0;
    return result_of(s, returned);
}

tls_result tls_write(tls_session *s, const char *data, size_t len, size_t *ret_len) {
    size_t taken = 0;
    *ret_len = 0;
    if (len == 0 || tls_pending(s).len >= TLS_PENDING_MAX) {
        return TLS_OK;
    }
    ERR_clear_error();
    int returned = SSL_write_ex(s->ssl, data, len, &taken);
    *ret_len = returned == 1 ? taken : 0;
    return result_of(s, returned);
}

const char *tls_error(const tls_session *s) {
    return s->error;
}
