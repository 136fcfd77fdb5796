#include "tool/lab_launch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

/* Ports and clients of many nodes are more than the 1024 descriptors that most systems give at
 * first; a program may take what it is allowed, as redis-server does. */
static void take_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* a large lab will say what it lacks */
    }
}

static kw_status apply_auth(kw_lab_options *o, char *auth) {
    if (!auth) {
        return KW_OK;
    }
    char *colon = strchr(auth, ':');
    if (colon) {
        *colon = '\0';
    }
    kw_status status = kw_lab_options_set_auth(o, colon ? auth : NULL, colon ? colon + 1 : auth);
    if (colon) {
        *colon = ':';
    }
    return status;
}

static bool wants_tls(const lab_settings *s) {
    return s->tls || s->tls_beside || s->tls_cert || s->tls_ca || s->tls_write;
}

static kw_status apply_tls(kw_lab_options *o, const lab_settings *s) {
    if (!wants_tls(s)) {
        return KW_OK;
    }
    kw_status status =
        kw_lab_options_set_tls(o, s->tls_beside ? KW_LAB_TLS_BESIDE : KW_LAB_TLS_ONLY);
    kw_lab_options_set_tls_port(o, (uint16_t)s->tls_port);
    if (status == KW_OK && s->tls_cert) {
        status = kw_lab_options_set_tls_files(o, s->tls_cert, s->tls_key);
    }
    if (status == KW_OK && s->tls_ca) {
        status = kw_lab_options_set_tls_clients(o, KW_LAB_TLS_CLIENTS_REQUIRED, s->tls_ca);
    }
    return status;
}

static bool write_certificate(const kw_lab *lab, const char *file) {
    const char *pem = kw_lab_tls_certificate(lab);
    FILE *to = file ? fopen(file, "w") : NULL;
    bool good = !file || (to && fputs(pem, to) >= 0);
    int error = errno;
    if (to && fclose(to) != 0) {
        good = false;
        error = errno;
    }
    if (!good) {
        complain("cannot write the certificate to %s: %s", file, strerror(error));
    }
    return good;
}

static kw_lab_options *make_options(const lab_settings *s) {
    kw_lab_options *o = NULL;
    if (kw_lab_options_new(&o) != KW_OK ||
        kw_lab_options_set_size(o, (int)s->masters, (int)s->replicas) != KW_OK) {
        give_up("out of memory");
    }
    kw_lab_options_set_port(o, (uint16_t)s->port);
    kw_lab_options_set_failover_ms(o, (int)s->failover_ms);
    kw_lab_options_set_full_coverage(o, !s->no_full_coverage);
    const char *wrong = apply_auth(o, s->auth) != KW_OK
                            ? "--auth takes at most 127 bytes each of user and password"
                        : apply_tls(o, s) != KW_OK ? "the name of a TLS file is too long"
                                                   : NULL;
    if (wrong) {
        complain("%s; see `keyway lab --help`", wrong);
        kw_lab_options_free(o);
        return NULL;
    }
    return o;
}

/* What is set on a lab that runs. */
static exit_status apply_later(kw_lab *lab, const lab_settings *s) {
    kw_status status = s->has_seed ? kw_lab_set_seed(lab, s->seed) : KW_OK;
    for (int i = 0; status == KW_OK && s->hostname && i < kw_lab_node_count(lab); i++) {
        status = kw_lab_set_hostname(lab, i, s->hostname);
        if (status == KW_ERR_INVALID) {
            complain("`%.60s` cannot be a host name; see `keyway lab --help`", s->hostname);
            return STATUS_USAGE;
        }
    }
    status = status == KW_OK ? kw_lab_set_endpoint(lab, -1, s->endpoint) : status;
    if (status != KW_OK) {
        give_up("out of memory");
    }
    return STATUS_OK;
}

static const char *advice(const lab_settings *s, const kw_error *err) {
    if (strstr(err->message, strerror(EMFILE))) {
        return "; `ulimit -n` says how many files may be open";
    }
    return err->status == KW_ERR_CONNECTION && s->port != 0
               ? "; --port PORT names other ports, --port 0 takes free ones"
               : "";
}

exit_status lab_launch(const lab_settings *s, kw_lab **ret) {
    kw_error err = {.slot = -1};
    kw_lab_options *o = make_options(s);
    if (!o) {
        return STATUS_USAGE;
    }
    take_descriptors();
    kw_status started = kw_lab_start(o, ret, &err);
    kw_lab_options_free(o);
    if (started != KW_OK) {
        complain("cannot start the lab: %s%s", err.message, advice(s, &err));
        return STATUS_NO_REPLY;
    }
    exit_status status = apply_later(*ret, s);
    return status != STATUS_OK || write_certificate(*ret, s->tls_write) ? status : STATUS_NO_REPLY;
}

/* Escaped as a URL wants it; the colon between user and password stays. */
static void write_credentials(out *o, const char *auth) {
    const char *colon = strchr(auth, ':');
    if (!colon) {
        out_char(o, ':');
    }
    for (const char *at = auth; *at; at++) {
        if (isalnum((unsigned char)*at) || strchr("-._~", *at) || at == colon) {
            out_char(o, *at);
        } else {
            out_printf(o, "%%%02X", (unsigned)(unsigned char)*at);
        }
    }
    out_char(o, '@');
}

/* One that works: user and password are in it. */
static void write_url(out *o, const char *url, const char *auth) {
    const char *host = strstr(url, "://") + 3;
    out_bytes(o, url, (size_t)(host - url));
    if (auth) {
        write_credentials(o, auth);
    }
    out_bytes(o, host, strlen(host) + 1);
}

static void print_urls(const kw_lab *lab, lab_feed *feed, const char *auth) {
    const char *tls_url = kw_lab_tls_url(lab);
    bool both = tls_url && !slice_is(slice_text(tls_url), kw_lab_url(lab));
    out plain;
    out tls;
    out_init(&plain, -1);
    out_init(&tls, -1);
    write_url(&plain, kw_lab_url(lab), auth);
    if (both) {
        write_url(&tls, tls_url, auth);
    }
    feed_ready(feed, out_slice(&plain).data, both ? out_slice(&tls).data : NULL);
    out_done(&plain);
    out_done(&tls);
}

void lab_introduce(const kw_lab *lab, lab_feed *feed, const lab_settings *s) {
    kw_lab_node node;
    print_urls(lab, feed, s->auth);
    for (int i = 0; kw_lab_node_at(lab, i, &node); i++) {
        char text[128];
        if (node.primary) {
            snprintf(text, sizeof text, "is a primary at %s with %d slots", node.endpoint,
                     node.slot_count);
        } else {
            snprintf(text, sizeof text, "is a replica of node %d at %s", node.primary_index,
                     node.endpoint);
        }
        feed_event(feed, feed->started_us, i, "node-here", text);
    }
}
