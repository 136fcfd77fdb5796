#include "tool/interrupt.h"
#include "tool/lab_feed.h"
#include "tool/options.h"
#include "tool/traffic.h"

#include <keyway/lab.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    OPTION_MASTERS = 256,
    OPTION_REPLICAS,
    OPTION_AUTH,
    OPTION_FAILOVER,
    OPTION_NO_COVERAGE,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_UNTIL_EOF,
    OPTION_TLS,
    OPTION_TLS_PORT,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_TLS_CA,
    OPTION_TLS_WRITE
};
enum { PORT_DEFAULT = 7000, WATCH_MS = 20, LAST_WORDS_MS = 200 };

static const option_row rows[] = {
    {OPTION_MASTERS, "masters", "N", "primaries (3)"},
    {OPTION_REPLICAS, "replicas", "N", "replicas of each primary (1)"},
    {'p', "port", "PORT", "of the first node, others follow (7000); 0 takes free ones"},
    {OPTION_AUTH, "auth", "USER:PASS", "clients must give it; PASS alone: user `default`"},
    {OPTION_FAILOVER, "failover-ms", "MS",
     "how long after its primary's death a replica takes over (500)"},
    {OPTION_NO_COVERAGE, "no-full-coverage", NULL, "a slot without owner stops only itself"},
    {OPTION_TLS, "tls", NULL, "speak TLS only; without a certificate, one is made"},
    {OPTION_TLS_PORT, "tls-port", "PORT", "TLS beside plain: of the first node; 0 takes free ones"},
    {OPTION_TLS_CERT, "tls-cert", "FILE", "the nodes' certificate, PEM"},
    {OPTION_TLS_KEY, "tls-key", "FILE", "its key, if not in the same file"},
    {OPTION_TLS_CA, "tls-ca", "FILE", "clients must show a certificate signed by this one"},
    {OPTION_TLS_WRITE, "tls-write-cert", "FILE", "write what clients must trust, PEM"},
    {OPTION_JSON, "json", NULL, "the URL and each event as one line of JSON"},
    {OPTION_QUIET, "quiet", NULL, "nothing but the URL"},
    {OPTION_UNTIL_EOF, "until-eof", NULL, "also end when standard input does"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "lab",
    .usage = "[OPTION...]",
    .about =
        "Runs a cluster inside this process until Ctrl-C: nodes on loopback ports that any\n"
        "client can use, that answer as Redis does, and misbehave on demand. Data lives in memory\n"
        "only. The first line of output is the URL; then comes a line an event.",
    .rows = rows,
    .after = "exit status: 0 ended by Ctrl-C, SIGTERM or --until-eof; 2 usage; 3 it could not "
             "start.\n\n"
             "examples:\n"
             "  keyway lab\n"
             "  keyway lab --masters 5 --replicas 2 --port 0 --failover-ms 2000\n"
             "  redis-cli -c -p 7000 SET user:1 Ada",
};

typedef struct settings {
    uint64_t masters;
    uint64_t replicas;
    uint64_t port;
    uint64_t failover_ms;
    uint64_t tls_port;
    char *auth; /* as given */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_ca;
    const char *tls_write;
    bool tls;
    bool tls_beside;
    bool no_full_coverage;
    bool until_eof;
    feed_mode mode;
} settings;

typedef struct run_state {
    kw_lab *lab;
    lab_feed feed;
    kw_lab_node *seen; /* of each node, when it was last looked at */
} run_state;

/* ------------------------------------------------------------------------------------- starting */

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

static bool wants_tls(const settings *s) {
    return s->tls || s->tls_beside || s->tls_cert || s->tls_ca || s->tls_write;
}

static kw_status apply_tls(kw_lab_options *o, const settings *s) {
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

static bool write_certificate(const run_state *r, const char *file) {
    const char *pem = kw_lab_tls_certificate(r->lab);
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

static exit_status start(run_state *r, const settings *s) {
    kw_lab_options *o = NULL;
    kw_error err = {.slot = -1};
    if (kw_lab_options_new(&o) != KW_OK ||
        kw_lab_options_set_size(o, (int)s->masters, (int)s->replicas) != KW_OK) {
        give_up("out of memory");
    }
    kw_lab_options_set_port(o, (uint16_t)s->port);
    kw_lab_options_set_failover_ms(o, (int)s->failover_ms);
    kw_lab_options_set_full_coverage(o, !s->no_full_coverage);
    if (apply_auth(o, s->auth) != KW_OK) {
        kw_lab_options_free(o);
        return option_usage_error(&options, "--auth takes at most 127 bytes each of user and "
                                            "password");
    }
    if (apply_tls(o, s) != KW_OK) {
        kw_lab_options_free(o);
        return option_usage_error(&options, "the name of a TLS file is too long");
    }
    kw_status status = kw_lab_start(o, &r->lab, &err);
    kw_lab_options_free(o);
    if (status == KW_OK) {
        return write_certificate(r, s->tls_write) ? STATUS_OK : STATUS_NO_REPLY;
    }
    if (status == KW_ERR_CONNECTION && s->port != 0) {
        complain(
            "cannot start the lab: %s; --port PORT names other ports, --port 0 takes free ones",
            err.message);
    } else {
        complain("cannot start the lab: %s", err.message);
    }
    return STATUS_NO_REPLY;
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

static void print_urls(run_state *r, const char *auth) {
    const char *tls_url = kw_lab_tls_url(r->lab);
    bool both = tls_url && !slice_is(slice_text(tls_url), kw_lab_url(r->lab));
    out plain;
    out tls;
    out_init(&plain, -1);
    out_init(&tls, -1);
    write_url(&plain, kw_lab_url(r->lab), auth);
    if (both) {
        write_url(&tls, tls_url, auth);
    }
    feed_ready(&r->feed, out_slice(&plain).data, both ? out_slice(&tls).data : NULL);
    out_done(&plain);
    out_done(&tls);
}

static void introduce(run_state *r, const char *auth) {
    kw_lab_node node;
    print_urls(r, auth);
    uint64_t now_us = r->feed.started_us;
    for (int i = 0; kw_lab_node_at(r->lab, i, &node); i++) {
        char text[128];
        if (node.primary) {
            snprintf(text, sizeof text, "is a primary at %s with %d slots", node.endpoint,
                     node.slot_count);
        } else {
            snprintf(text, sizeof text, "is a replica of node %d at %s", node.primary_index,
                     node.endpoint);
        }
        r->seen[i] = node;
        feed_event(&r->feed, now_us, i, "started", text);
    }
    if (isatty(STDOUT_FILENO) && r->feed.mode == FEED_TEXT) {
        const char *port = strrchr(r->seen[0].endpoint, ':') + 1;
        bool tls = slice_starts_with(slice_text(kw_lab_url(r->lab)), "rediss");
        complain("Ctrl-C ends the lab; `redis-cli -c%s -p %s` talks to it",
                 tls ? " --tls --insecure" : "", port);
    }
}

/* ------------------------------------------------------------------------------------- watching */

static void watch_node(run_state *r, uint64_t now_us, int i, const kw_lab_node *now) {
    const kw_lab_node *was = &r->seen[i];
    lab_feed *f = &r->feed;
    char text[96];
    if (was->alive != now->alive) {
        feed_event(f, now_us, i, now->alive ? "up" : "down", now->alive ? "is up" : "is down");
    }
    if (was->paused != now->paused) {
        feed_event(f, now_us, i, now->paused ? "paused" : "resumed",
                   now->paused ? "is paused" : "goes on");
    }
    if (was->stale != now->stale) {
        feed_event(f, now_us, i, now->stale ? "frozen" : "thawed",
                   now->stale ? "hears of no change any more" : "hears of changes again");
    }
    if (now->primary && !was->primary) {
        feed_event(f, now_us, i, "promoted", "is a primary now");
    } else if (!now->primary && now->primary_index != was->primary_index) {
        snprintf(text, sizeof text, "is a replica of node %d now", now->primary_index);
        feed_event(f, now_us, i, "demoted", text);
    }
    if (now->slot_count != was->slot_count) {
        snprintf(text, sizeof text, "owns %d slots now", now->slot_count);
        feed_event(f, now_us, i, "slots", text);
    }
}

static void watch(run_state *r) {
    kw_lab_node now;
    uint64_t now_us = clock_us();
    for (int i = 0; kw_lab_node_at(r->lab, i, &now); i++) {
        watch_node(r, now_us, i, &now);
        r->seen[i] = now;
    }
}

/* True at the end of standard input. */
static bool input_ended(short ready) {
    char ignored[4096];
    return ready != 0 && read(STDIN_FILENO, ignored, sizeof ignored) == 0;
}

static void run(run_state *r, bool until_eof) {
    bool over = false;
    while (!over && interrupt_seen() == 0) {
        struct pollfd fds[] = {
            {.fd = interrupt_fd(), .events = POLLIN},
            {.fd = feed_has_output(&r->feed) ? r->feed.fd : -1, .events = POLLOUT},
            {.fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN},
        };
        if (poll(fds, 3, WATCH_MS) > 0) {
            over = input_ended(fds[2].revents);
            if (fds[1].revents) {
                feed_write(&r->feed);
            }
        }
        watch(r);
    }
    struct pollfd last = {.fd = r->feed.fd, .events = POLLOUT};
    while (feed_has_output(&r->feed) && poll(&last, 1, LAST_WORDS_MS) > 0) {
        feed_write(&r->feed);
    }
}

/* ---------------------------------------------------------------------------------- the command */

static bool take_number(const char *name, const char *value, uint64_t min, uint64_t max,
                        uint64_t *ret) {
    return option_number(&options, name, value, min, max, ret);
}

/* The options that say how the nodes speak; false: it is none of these. */
static bool take_tls_option(settings *s, int id, const char *value, bool *ret_good) {
    switch (id) {
    case OPTION_TLS:
        s->tls = true;
        return true;
    case OPTION_TLS_PORT:
        s->tls_beside = true;
        *ret_good = take_number("tls-port", value, 0, UINT16_MAX, &s->tls_port);
        return true;
    case OPTION_TLS_CERT:
        s->tls_cert = value;
        return true;
    case OPTION_TLS_KEY:
        s->tls_key = value;
        return true;
    case OPTION_TLS_CA:
        s->tls_ca = value;
        return true;
    case OPTION_TLS_WRITE:
        s->tls_write = value;
        return true;
    default:
        return false;
    }
}

/* False: it is wrong, and that has been said. */
static bool take_option(settings *s, int id, char *value) {
    bool good = true;
    if (take_tls_option(s, id, value, &good)) {
        return good;
    }
    switch (id) {
    case OPTION_MASTERS:
        return take_number("masters", value, 1, 128, &s->masters);
    case OPTION_REPLICAS:
        return take_number("replicas", value, 0, 8, &s->replicas);
    case 'p':
        return take_number("port", value, 0, UINT16_MAX, &s->port);
    case OPTION_AUTH:
        s->auth = value;
        return true;
    case OPTION_FAILOVER:
        return take_number("failover-ms", value, 0, INT32_MAX, &s->failover_ms);
    case OPTION_NO_COVERAGE:
        s->no_full_coverage = true;
        return true;
    case OPTION_JSON:
        s->mode = FEED_JSON;
        return true;
    case OPTION_QUIET:
        s->mode = FEED_QUIET;
        return true;
    case OPTION_UNTIL_EOF:
        s->until_eof = true;
        return true;
    default:
        return false;
    }
}

static exit_status check(const settings *s) {
    if (s->tls_key && !s->tls_cert) {
        return option_usage_error(&options, "--tls-key is the key of a --tls-cert");
    }
    uint64_t count = s->masters * (1 + s->replicas);
    uint64_t highest = UINT16_MAX - count + 1;
    if (s->port > highest || s->tls_port > highest) {
        char what[96];
        snprintf(what, sizeof what, "%llu nodes need as many ports: --%s is at most %llu",
                 (unsigned long long)count, s->port > highest ? "port" : "tls-port",
                 (unsigned long long)highest);
        return option_usage_error(&options, what);
    }
    if (s->port && s->tls_port && s->port < s->tls_port + count && s->tls_port < s->port + count) {
        return option_usage_error(&options, "the ports from --port and --tls-port overlap");
    }
    return STATUS_OK;
}

static exit_status parse(int argc, char **argv, settings *s, bool *ret_done) {
    const char *value = NULL;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        if (id == OPTION_HELP) {
            option_help(&options);
            *ret_done = true;
            return STATUS_OK;
        }
        if (id == OPTION_WRONG || !take_option(s, id, optarg)) {
            return STATUS_USAGE;
        }
    }
    return optind < argc ? option_usage_error(&options, "lab takes no arguments") : check(s);
}

exit_status cmd_lab(int argc, char **argv) {
    settings s = {.masters = 3, .replicas = 1, .port = PORT_DEFAULT, .failover_ms = 500};
    bool done = false;
    exit_status status = parse(argc, argv, &s, &done);
    if (status != STATUS_OK || done) {
        return status;
    }
    run_state r = {0};
    interrupt_catch(true);
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves does not end the lab */
    feed_init(&r.feed, STDOUT_FILENO, s.mode, clock_us());
    status = start(&r, &s);
    if (status == STATUS_OK) {
        r.seen = calloc((size_t)kw_lab_node_count(r.lab), sizeof *r.seen);
        if (!r.seen) {
            give_up("out of memory");
        }
        introduce(&r, s.auth);
        run(&r, s.until_eof);
    }
    kw_lab_stop(r.lab);
    free(r.seen);
    feed_done(&r.feed);
    return status;
}
