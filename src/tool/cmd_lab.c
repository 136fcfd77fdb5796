#include "tool/interrupt.h"
#include "tool/lab_feed.h"
#include "tool/options.h"
#include "tool/traffic.h"

#include <keyway/lab.h>

#include <ctype.h>
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
    OPTION_UNTIL_EOF
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
    char *auth; /* as given */
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
    kw_status status = kw_lab_start(o, &r->lab, &err);
    kw_lab_options_free(o);
    if (status == KW_OK) {
        return STATUS_OK;
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

/* The URL is one that works: user and password are in it. */
static void print_url(run_state *r, const char *auth) {
    const char *url = kw_lab_url(r->lab);
    const char *host = strstr(url, "://") + 3;
    out o;
    out_init(&o, -1);
    out_bytes(&o, url, (size_t)(host - url));
    if (auth) {
        write_credentials(&o, auth);
    }
    out_bytes(&o, host, strlen(host) + 1);
    feed_ready(&r->feed, out_slice(&o).data);
    out_done(&o);
}

static void introduce(run_state *r, const char *auth) {
    kw_lab_node node;
    print_url(r, auth);
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
        complain("Ctrl-C ends the lab; `redis-cli -c -p %s` talks to it", port);
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

static exit_status check_ports(const settings *s) {
    uint64_t count = s->masters * (1 + s->replicas);
    uint64_t highest = UINT16_MAX - count + 1;
    if (s->port <= highest) {
        return STATUS_OK;
    }
    char what[96];
    snprintf(what, sizeof what, "%llu nodes need as many ports: --port is at most %llu",
             (unsigned long long)count, (unsigned long long)highest);
    return option_usage_error(&options, what);
}

static exit_status parse(int argc, char **argv, settings *s, bool *ret_done) {
    const char *value = NULL;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        bool good = true;
        switch (id) {
        case OPTION_MASTERS:
            good = option_number(&options, "masters", value, 1, 128, &s->masters);
            break;
        case OPTION_REPLICAS:
            good = option_number(&options, "replicas", value, 0, 8, &s->replicas);
            break;
        case 'p':
            good = option_number(&options, "port", value, 0, UINT16_MAX, &s->port);
            break;
        case OPTION_AUTH:
            s->auth = optarg;
            break;
        case OPTION_FAILOVER:
            good = option_number(&options, "failover-ms", value, 0, INT32_MAX, &s->failover_ms);
            break;
        case OPTION_NO_COVERAGE:
            s->no_full_coverage = true;
            break;
        case OPTION_JSON:
            s->mode = FEED_JSON;
            break;
        case OPTION_QUIET:
            s->mode = FEED_QUIET;
            break;
        case OPTION_UNTIL_EOF:
            s->until_eof = true;
            break;
        case OPTION_HELP:
            option_help(&options);
            *ret_done = true;
            return STATUS_OK;
        default:
            good = false;
        }
        if (!good) {
            return STATUS_USAGE;
        }
    }
    return optind < argc ? option_usage_error(&options, "lab takes no arguments") : check_ports(s);
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
