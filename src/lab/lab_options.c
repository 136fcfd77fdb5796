#include "lab/lab_options.h"

#include "base/mem.h"
#include "base/slice.h"

void lab_options_init(kw_lab_options *options) {
    *options = (kw_lab_options){
        .primaries = 3,
        .replicas = 1,
        .failover_ms = 500,
        .full_coverage = true,
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

static bool fits(const char *text) {
    return !text || strnlen(text, LAB_AUTH_SIZE) < LAB_AUTH_SIZE;
}

kw_status kw_lab_options_set_auth(kw_lab_options *options, const char *user, const char *password) {
    if (!fits(user) || !fits(password) || (user && !password)) {
        return KW_ERR_INVALID;
    }
    options->has_user = user != NULL;
    options->has_password = password != NULL;
    slice_copy(options->user, sizeof options->user, slice_text(user ? user : ""));
    slice_copy(options->password, sizeof options->password, slice_text(password ? password : ""));
    return KW_OK;
}
