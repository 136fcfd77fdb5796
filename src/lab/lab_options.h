/* What a lab shall look like: the values behind kw_lab_options. */
#ifndef LAB_LAB_OPTIONS_H
#define LAB_LAB_OPTIONS_H

#include <keyway/lab.h>

#define LAB_PRIMARIES_MAX 128
#define LAB_REPLICAS_MAX 8
#define LAB_AUTH_SIZE 128

struct kw_lab_options {
    int primaries;
    int replicas;
    uint16_t port;
    int failover_ms;
    bool full_coverage;
    bool has_user;
    bool has_password;
    char user[LAB_AUTH_SIZE];
    char password[LAB_AUTH_SIZE];
};

void lab_options_init(kw_lab_options *options);

#endif
