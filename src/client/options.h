/* What a handle can be told before it is opened (kw_options): one table of all scalar options is
 * the source of kw_options_set, kw_options_describe, a URL's query and docs/options.md.
 *
 * An object owns its texts; it knows nothing of a handle that was opened with it. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "base/mem.h"
#include "core/cluster.h"
#include "io/stream.h"
#include "io/tls.h"

#define OPTION_TEXT_BYTES_MAX 4096

struct kw_options {
    mem own;    /* of this object */
    mem memory; /* of the handle: kw_options_set_allocator */

    cluster_config config; /* its numbers and its remap hook; texts and seeds: options_config */

    char *user; /* a text that is not set is NULL */
    char *password;
    char *client_name;
    bool lib_name;
    uint64_t seed; /* 0: random */

    bool io_thread;
    uint32_t pending_max;

    bool tls;
    bool tls_verify;
    char *tls_ca_file;
    char *tls_ca_dir;
    char *tls_cert_file;
    char *tls_key_file;
    char *tls_server_name;

    uint32_t keepalive_s;
    uint32_t tcp_user_timeout_ms;
};

/* A new object with the values of `from` (NULL: the defaults), living in m's memory. Free it with
 * kw_options_free. KW_ERR_NOMEM. */
KW_CHECKED kw_status options_copy(const mem *m, const kw_options *from, kw_options **ret);

/* kw_options_set for slices. A secret value never gets into err's message. */
KW_CHECKED kw_status options_set(kw_options *options, kw_slice name, kw_slice value, kw_error *err);

/* Is there such an option? */
bool options_has(kw_slice name);

/* What no single option can see: a minimum above its maximum, a key without its certificate, TLS
 * files without TLS, a user without a password. */
KW_CHECKED kw_status options_check(const kw_options *options, kw_error *err);

/* The same as a configuration of the brain, of TLS, of a stream (without its TLS context). Their
 * texts belong to `options`. */
void options_config(const kw_options *options, const endpoint *seeds, size_t seed_count,
                    cluster_config *ret);
void options_tls(const kw_options *options, tls_config *ret);
void options_stream(const kw_options *options, stream_options *ret);

#endif
