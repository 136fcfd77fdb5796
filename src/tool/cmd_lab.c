#include "tool/interrupt.h"
#include "tool/lab_launch.h"
#include "tool/lab_play.h"
#include "tool/options.h"
#include "tool/traffic.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    OPTION_MASTERS = 256,
    OPTION_REPLICAS,
    OPTION_FAILOVER,
    OPTION_NO_COVERAGE,
    OPTION_AUTH,
    OPTION_TLS,
    OPTION_TLS_PORT,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_TLS_CA,
    OPTION_TLS_WRITE,
    OPTION_ENDPOINT,
    OPTION_HOSTNAME,
    OPTION_SEED,
    OPTION_SCRIPT,
    OPTION_CHECK,
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_UNTIL_EOF,
    OPTION_UNTIL_END
};
enum { PORT_DEFAULT = 7000, PATIENCE_MS = 200, WRITES_PER_TURN = 1024 };

static const option_row rows[] = {
    {OPTION_MASTERS, "masters", "N", "primaries (3)"},
    {OPTION_REPLICAS, "replicas", "N", "replicas of each primary (1)"},
    {'p', "port", "PORT", "of the first node, others follow (7000); 0 takes free ones"},
    {OPTION_FAILOVER, "failover-ms", "MS", "from a primary's death to a replica's turn (500)"},
    {OPTION_NO_COVERAGE, "no-full-coverage", NULL, "a slot without owner stops only itself"},
    {OPTION_AUTH, "auth", "USER:PASS", "clients must give it; PASS alone: user `default`"},
    {OPTION_TLS, "tls", NULL, "speak TLS only; without a certificate, one is made"},
    {OPTION_TLS_PORT, "tls-port", "PORT", "TLS beside plain: of the first node; 0 takes free ones"},
    {OPTION_TLS_CERT, "tls-cert", "FILE", "the nodes' certificate, PEM"},
    {OPTION_TLS_KEY, "tls-key", "FILE", "its key, if not in the same file"},
    {OPTION_TLS_CA, "tls-ca", "FILE", "clients must show a certificate signed by this one"},
    {OPTION_TLS_WRITE, "tls-write-cert", "FILE", "write what clients must trust, PEM"},
    {OPTION_ENDPOINT, "endpoint", "TYPE", "how nodes are named to clients: ip, hostname, unknown"},
    {OPTION_HOSTNAME, "hostname", "NAME", "what each node announces as its host name"},
    {OPTION_SEED, "seed", "N", "of all that is left to chance"},
    {OPTION_SCRIPT, "script", "FILE", "run its LAB commands at their times; - is standard input"},
    {OPTION_CHECK, "check", NULL, "only rehearse the script, in no time, and say what is wrong"},
    {OPTION_JSON, "json", NULL, "the URL and each event as one line of JSON"},
    {OPTION_QUIET, "quiet", NULL, "nothing but the URL"},
    {OPTION_UNTIL_EOF, "until-eof", NULL, "also end when standard input does"},
    {OPTION_UNTIL_END, "until-script-end", NULL, "also end when the script does"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "lab",
    .usage = "[OPTION...]",
    .about =
        "Runs a cluster inside this process until Ctrl-C: nodes on loopback ports that any\n"
        "client can use, that answer as Redis does, and misbehave on demand: the command LAB,\n"
        "sent to any node, does that; LAB HELP lists what there is. Data lives in memory only.\n"
        "The first line of output is the URL; then comes a line an event.",
    .rows = rows,
    .after = "exit status: 0; 1 a step of the script failed; 2 usage; 3 it could not start.\n\n"
             "examples:\n"
             "  keyway lab\n"
             "  keyway lab --masters 5 --replicas 2 --port 0 --failover-ms 2000\n"
             "  keyway lab --script rolling-restart.lab --until-script-end\n"
             "  redis-cli -c -p 7000 SET user:1 Ada\n"
             "  redis-cli -p 7000 LAB KILL 1",
};

typedef struct settings {
    lab_settings lab;
    const char *script;
    feed_mode mode;
    bool check;
    bool until_eof;
    bool until_end;
} settings;

typedef struct run_state {
    kw_lab *lab;
    lab_feed feed;
    lab_player player;
} run_state;

/* -------------------------------------------------------------------------------------- running */

static void on_event(kw_lab *lab, const kw_lab_event *event, void *arg) {
    (void)lab;
    feed_event(arg, clock_us(), event->node, event->name, event->text);
}

/* What waits, as long as the reader takes it within so many milliseconds, and not for ever. */
static void write_waiting(lab_feed *feed, int patience_ms) {
    struct pollfd writable = {.fd = feed->fd, .events = POLLOUT};
    for (int i = 0; i < WRITES_PER_TURN && feed_has_output(feed); i++) {
        if (poll(&writable, 1, patience_ms) <= 0) {
            break;
        }
        feed_write(feed);
    }
}

static void introduce(run_state *r, const lab_settings *s) {
    lab_introduce(r->lab, &r->feed, s);
    kw_lab_node node;
    if (isatty(STDOUT_FILENO) && r->feed.mode == FEED_TEXT && kw_lab_node_at(r->lab, 0, &node)) {
        write_waiting(&r->feed, PATIENCE_MS); /* the URL is the first line on a terminal too */
        bool tls = slice_starts_with(slice_text(kw_lab_url(r->lab)), "rediss");
        complain("Ctrl-C ends the lab; `redis-cli -c%s -p %s` talks to it, `LAB HELP` says more",
                 tls ? " --tls --insecure" : "", strrchr(node.endpoint, ':') + 1);
    }
    if (kw_lab_on_event(r->lab, on_event, &r->feed) != KW_OK) {
        give_up("out of memory");
    }
}

/* True at the end of standard input. */
static bool input_ended(short ready) {
    char ignored[4096];
    return ready != 0 && read(STDIN_FILENO, ignored, sizeof ignored) == 0;
}

static exit_status run(run_state *r, const settings *s) {
    bool over = false;
    player_start(&r->player, clock_us());
    while (!over && interrupt_seen() == 0) {
        struct pollfd fds[] = {
            {.fd = interrupt_fd(), .events = POLLIN},
            {.fd = r->feed.wake, .events = POLLIN},
            {.fd = feed_has_output(&r->feed) ? r->feed.fd : -1, .events = POLLOUT},
            {.fd = s->until_eof ? STDIN_FILENO : -1, .events = POLLIN},
        };
        if (poll(fds, 4, player_timeout_ms(&r->player, clock_us())) > 0) {
            over = input_ended(fds[3].revents);
            write_waiting(&r->feed, 0);
            feed_awake(&r->feed);
        }
        player_run(&r->player, r->lab, &r->feed, clock_us());
        over = over || (s->until_end && player_is_over(&r->player));
    }
    if (kw_lab_on_event(r->lab, NULL, NULL) != KW_OK) {
        give_up("out of memory");
    }
    write_waiting(&r->feed, PATIENCE_MS);
    return r->player.failed_count > 0 ? STATUS_SERVER_ERROR : STATUS_OK;
}

/* On a lab of the same shape, on whatever ports are free. */
static exit_status rehearse(run_state *r, const settings *s) {
    lab_settings small = s->lab;
    small.port = 0;
    small.tls_port = 0;
    small.tls_write = NULL;
    exit_status status = lab_launch(&small, &r->lab);
    return status == STATUS_OK ? player_rehearse(&r->player, r->lab) : status;
}

static exit_status play(run_state *r, const settings *s) {
    interrupt_catch(true);
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves does not end the lab */
    feed_init(&r->feed, STDOUT_FILENO, s->mode, clock_us());
    exit_status status = lab_launch(&s->lab, &r->lab);
    if (status == STATUS_OK) {
        introduce(r, &s->lab);
        status = run(r, s);
    }
    return status;
}

/* ---------------------------------------------------------------------------------- the options */

static bool take_number(const char *name, const char *value, uint64_t min, uint64_t max,
                        uint64_t *ret) {
    return option_number(&options, name, value, min, max, ret);
}

static bool take_endpoint(lab_settings *s, const char *value) {
    static const char *const names[] = {"ip", "hostname", "unknown"};
    static const kw_lab_endpoint types[] = {KW_LAB_ENDPOINT_IP, KW_LAB_ENDPOINT_HOSTNAME,
                                            KW_LAB_ENDPOINT_UNKNOWN};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_is(slice_text(value), names[i])) {
            s->endpoint = types[i];
            return true;
        }
    }
    option_usage_error(&options, "--endpoint takes ip, hostname or unknown");
    return false;
}

/* The options that say how the nodes speak; false: it is none of these. */
static bool take_tls_option(lab_settings *s, int id, const char *value, bool *ret_good) {
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

/* The options that say what the lab is; false: it is none of these. */
static bool take_lab_option(lab_settings *s, int id, char *value, bool *ret_good) {
    switch (id) {
    case OPTION_MASTERS:
        *ret_good = take_number("masters", value, 1, 128, &s->masters);
        return true;
    case OPTION_REPLICAS:
        *ret_good = take_number("replicas", value, 0, 8, &s->replicas);
        return true;
    case 'p':
        *ret_good = take_number("port", value, 0, UINT16_MAX, &s->port);
        return true;
    case OPTION_AUTH:
        s->auth = value;
        return true;
    case OPTION_FAILOVER:
        *ret_good = take_number("failover-ms", value, 0, INT32_MAX, &s->failover_ms);
        return true;
    case OPTION_NO_COVERAGE:
        s->no_full_coverage = true;
        return true;
    case OPTION_ENDPOINT:
        *ret_good = take_endpoint(s, value);
        return true;
    case OPTION_HOSTNAME:
        s->hostname = value;
        return true;
    case OPTION_SEED:
        s->has_seed = true;
        *ret_good = take_number("seed", value, 0, UINT64_MAX, &s->seed);
        return true;
    default:
        return take_tls_option(s, id, value, ret_good);
    }
}

/* False: it is wrong, and that has been said. */
static bool take_option(settings *s, int id, char *value) {
    bool good = true;
    if (take_lab_option(&s->lab, id, value, &good)) {
        return good;
    }
    switch (id) {
    case OPTION_SCRIPT:
        s->script = value;
        return true;
    case OPTION_CHECK:
        s->check = true;
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
    case OPTION_UNTIL_END:
        s->until_end = true;
        return true;
    default:
        return false;
    }
}

static exit_status check_ports(const lab_settings *s) {
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

static exit_status check_together(const settings *s) {
    const char *wrong = NULL;
    if (s->lab.tls_key && !s->lab.tls_cert) {
        wrong = "--tls-key is the key of a --tls-cert";
    } else if (s->check && !s->script) {
        wrong = "--check is about a --script FILE";
    } else if (s->until_end && !s->script) {
        wrong = "--until-script-end needs a --script FILE";
    } else if (s->until_eof && s->script && slice_is(slice_text(s->script), "-")) {
        wrong = "standard input is either the script or what --until-eof watches";
    }
    return wrong ? option_usage_error(&options, wrong) : check_ports(&s->lab);
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
    return optind < argc ? option_usage_error(&options, "lab takes no arguments")
                         : check_together(s);
}

exit_status cmd_lab(int argc, char **argv) {
    settings s = {
        .lab = {.masters = 3, .replicas = 1, .port = PORT_DEFAULT, .failover_ms = 500},
    };
    run_state r = {0};
    bool done = false;
    exit_status status = parse(argc, argv, &s, &done);
    if (status != STATUS_OK || done) {
        return status;
    }
    if (s.script) {
        status = player_open(&r.player, s.script);
    }
    if (status == STATUS_OK) {
        status = s.check ? rehearse(&r, &s) : play(&r, &s);
    }
    kw_lab_stop(r.lab);
    player_close(&r.player);
    feed_done(&r.feed);
    return status;
}
