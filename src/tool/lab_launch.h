/* The lab that the options of `keyway lab` ask for: starts it, and says what it is. */
#ifndef TOOL_LAB_LAUNCH_H
#define TOOL_LAB_LAUNCH_H

#include "tool/lab_feed.h"
#include "tool/tool.h"

#include <keyway/lab.h>

typedef struct lab_settings {
    uint64_t masters;
    uint64_t replicas;
    uint64_t port;
    uint64_t failover_ms;
    uint64_t tls_port;
    uint64_t seed;
    char *auth; /* [USER:]PASSWORD */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    const char *tls_write;
    const char *hostname;
    kw_lab_endpoint endpoint;
    bool has_seed;
    bool tls;
    bool tls_beside;
    bool no_full_coverage;
} lab_settings;

/* Complains if it cannot; *ret may be a lab all the same, to be stopped. */
exit_status lab_launch(const lab_settings *s, kw_lab **ret);

/* The first lines: the URL, and what each node is. */
void lab_introduce(const kw_lab *lab, lab_feed *feed, const lab_settings *s);

#endif
