#include "lab/lab_options.h"

#include "base/mem.h"
#include "base/slice.h"

void lab_options_init(kw_lab_options *options) {
    *options = (kw_lab_options){
        .primaries = 3,
        .replicas = 1,
        .failover_ms = 500,
        .full_coverage = true,
        .control = true,
        .output_limits = lab_output_limits_default,
        .mem = &mem_default,
    };
}

kw_status kw_lab_options_new(kw_lab_options **ret) {
    kw_lab_options *options = mem_calloc(&mem_default, 1, sizeof *options);
    if (!options) {
        return KW_ERR_NOMEM;
    }
    lab_options_init(options);
    *ret = options;
    return KW_OK;
}

void kw_lab_options_free(kw_lab_options *options) {
    mem_free(&mem_default, options);
}

kw_status kw_lab_options_set_size(kw_lab_options *options, int primaries, int replicas) {
    if (primaries < 1 || primaries > LAB_PRIMARIES_MAX || replicas < 0 ||
        replicas > LAB_REPLICAS_MAX) {
        return KW_ERR_INVALID;
    }
    options->primaries = primaries;
    options->replicas = replicas;
    return KW_OK;
}

void kw_lab_options_set_port(kw_lab_options *options, uint16_t port) {
    options->port = port;
}

void kw_lab_options_set_failover_ms(kw_lab_options *options, int failover_ms) {
    options->failover_ms = failover_ms;
}

void kw_lab_options_set_full_coverage(kw_lab_options *options, bool required) {
    options->full_coverage = required;
}

void kw_lab_options_set_seed(kw_lab_options *options, uint64_t seed) {
    options->has_seed = true;
    options->seed = seed;
}

void kw_lab_options_set_control(kw_lab_options *options, bool allowed) {
    options->control = allowed;
}

static bool fits(const char *text, size_t size) {
    return !text || strnlen(text, size) < size;
}

/* NULL becomes the empty string. */
static void set_text(char *dst, size_t size, const char *text) {
    slice_copy(dst, size, slice_text(text ? text : ""));
}

kw_status kw_lab_options_set_auth(kw_lab_options *options, const char *user, const char *password) {
    if (!fits(user, LAB_AUTH_SIZE) || !fits(password, LAB_AUTH_SIZE) || (user && !password)) {
        return KW_ERR_INVALID;
    }
    options->has_user = user != NULL;
    options->has_password = password != NULL;
    set_text(options->user, sizeof options->user, user);
    set_text(options->password, sizeof options->password, password);
    return KW_OK;
}

kw_status kw_lab_options_set_tls(kw_lab_options *options, kw_lab_tls tls) {
    if (tls != KW_LAB_TLS_OFF && tls != KW_LAB_TLS_ONLY && tls != KW_LAB_TLS_BESIDE) {
        return KW_ERR_INVALID;
    }
    options->tls = tls;
    return KW_OK;
}

void kw_lab_options_set_tls_port(kw_lab_options *options, uint16_t port) {
    options->tls_port = port;
}

kw_status kw_lab_options_set_tls_files(kw_lab_options *options, const char *cert_file,
                                       const char *key_file) {
    if (!fits(cert_file, LAB_PATH_SIZE) || !fits(key_file, LAB_PATH_SIZE) ||
        (key_file && !cert_file)) {
        return KW_ERR_INVALID;
    }
    set_text(options->tls_cert_file, sizeof options->tls_cert_file, cert_file);
    set_text(options->tls_key_file, sizeof options->tls_key_file, key_file);
    return KW_OK;
}

kw_status kw_lab_options_set_tls_clients(kw_lab_options *options, kw_lab_tls_clients demand,
                                         const char *ca_file) {
    bool known = demand == KW_LAB_TLS_CLIENTS_ANY || demand == KW_LAB_TLS_CLIENTS_CHECKED ||
                 demand == KW_LAB_TLS_CLIENTS_REQUIRED;
    if (!known || !fits(ca_file, LAB_PATH_SIZE) || (demand != KW_LAB_TLS_CLIENTS_ANY && !ca_file)) {
        return KW_ERR_INVALID;
    }
    options->tls_clients = demand;
    set_text(options->tls_ca_file, sizeof options->tls_ca_file, ca_file);
    return KW_OK;
}
