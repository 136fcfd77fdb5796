/* What a lab shall look like: the values behind kw_lab_options. */
#ifndef LAB_LAB_OPTIONS_H
#define LAB_LAB_OPTIONS_H

#include "lab/lab_net.h"

#include <keyway/lab.h>

#define LAB_PRIMARIES_MAX 128
#define LAB_REPLICAS_MAX 8
#define LAB_AUTH_SIZE 128
#define LAB_PATH_SIZE 4096

struct kw_lab_options {
    int primaries;
    int replicas;
    uint16_t port;
    int failover_ms;
    bool full_coverage;
    bool control;
    bool has_seed;
    uint64_t seed;
    bool has_user;
    bool has_password;
    char user[LAB_AUTH_SIZE];
    char password[LAB_AUTH_SIZE];
    kw_lab_tls tls;
    uint16_t tls_port;
    kw_lab_tls_clients tls_clients;
    char tls_cert_file[LAB_PATH_SIZE]; /* empty: none */
    char tls_key_file[LAB_PATH_SIZE];
    char tls_ca_file[LAB_PATH_SIZE];
    /* others than the defaults only in tests: */
    lab_output_limits output_limits;
    const mem *mem;
};

void lab_options_init(kw_lab_options *options);

#endif
