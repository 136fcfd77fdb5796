#include "tool/interrupt.h"
#include "tool/options.h"
#include "tool/view.h"

#include <getopt.h>
#include <signal.h>

enum { OPTION_PLAIN = 256, OPTION_RATE, OPTION_SEED };
enum { RATE_DEFAULT = 20000, RATE_MAX = 1000000, WAIT_MS = 1, LONGEST_US = 90 * 1000 * 1000 };

static const option_row rows[] = {
    {OPTION_PLAIN, "plain", NULL, "lines instead of a picture: the default in a pipe"},
    {OPTION_RATE, "rate", "N", "commands a second (20000)"},
    {OPTION_SEED, "seed", "N", "of the traffic's random choices (1)"},
    {0, NULL, NULL, NULL},
};

static const option_set options = {
    .command = "demo",
    .usage = "[OPTION...]",
    .about =
        "Runs steady traffic against an embedded cluster while 1000 slots are moved one by one, a\n"
        "primary is killed and its replica promoted, a node is given a stale view, and the\n"
        "client's own map gets holes. At the end every key is read back. About 20 seconds.",
    .rows = rows,
    .after = "exit status: 0 if no command failed and no acknowledged write was lost; else 1.",
};

typedef struct demo {
    kw_lab *lab;
    kw_client *client;
    traffic traffic;
    plan plan;
    view view;
    bool was_down; /* a node has been reported down: its return is news */
} demo;

typedef struct settings {
    uint64_t rate;
    uint64_t seed;
    bool plain;
} settings;

/* The client's words without its reasons, which a line has no room for. */
static void log_event(demo *d, style s, const kw_event *event) {
    const char *text = kw_event_text(event);
    const char *reason = strstr(text, ": ");
    int len = (int)(reason ? (size_t)(reason - text) : strlen(text));
    plan_log(&d->plan, s, "client: %.*s", len, text);
}

static void on_event(kw_client *client, const kw_event *event, void *arg) {
    (void)client;
    demo *d = arg;
    switch (kw_event_get_type(event)) {
    case KW_EVENT_NODE_DOWN:
        d->was_down = true;
        log_event(d, STYLE_BAD, event);
        break;
    case KW_EVENT_NODE_UP:
        if (d->was_down) {
            log_event(d, STYLE_DIM, event);
        }
        break;
    case KW_EVENT_REFRESH_REFUSED:
        plan_log(&d->plan, STYLE_WARN, "client: %s", kw_event_text(event));
        break;
    default:
        break; /* the counters tell of them */
    }
}

static exit_status start(demo *d, const settings *s) {
    kw_lab_options *lab_options = NULL;
    kw_error err = {.slot = -1};
    if (kw_lab_options_new(&lab_options) != KW_OK ||
        kw_lab_options_set_size(lab_options, PLAN_SHARDS, 1) != KW_OK) {
        give_up("out of memory");
    }
    kw_lab_options_set_full_coverage(lab_options, false); /* a dead shard stops only itself */
    kw_status status = kw_lab_start(lab_options, &d->lab, &err);
    kw_lab_options_free(lab_options);
    if (status != KW_OK) {
        complain("cannot start an embedded cluster: %s", err.message);
        return STATUS_NO_REPLY;
    }
    if (kw_open(kw_lab_url(d->lab), NULL, &d->client, &err) != KW_OK) {
        complain_error(NULL, &err);
        return STATUS_NO_REPLY;
    }
    kw_on_event(d->client, on_event, d);
    traffic_init(&d->traffic, d->client, (uint32_t)s->rate, s->seed);
    plan_init(&d->plan, d->lab, d->client, &d->traffic);
    view_init(&d->view, &d->plan, &d->traffic, s->plain);
    traffic_start(&d->traffic, TRAFFIC_FILL);
    return STATUS_OK;
}

static exit_status run(demo *d) {
    uint64_t now_us = clock_us();
    while (d->plan.phase != PHASE_DONE && !d->plan.trouble[0] && interrupt_seen() == 0 &&
           now_us - d->plan.started_us < LONGEST_US) {
        traffic_step(&d->traffic, now_us);
        if (kw_wait(d->client, WAIT_MS) == KW_ERR_NOMEM) {
            give_up("out of memory");
        }
        now_us = clock_us();
        plan_step(&d->plan, now_us);
        view_step(&d->view, now_us);
    }
    bool whole = d->plan.phase == PHASE_DONE;
    view_end(&d->view, now_us);
    view_summary(&d->view, !whole);
    int number = interrupt_take();
    if (number != 0) {
        complain("interrupted");
        return (exit_status)(128 + number);
    }
    if (!whole) {
        complain("%s", d->plan.trouble[0] ? d->plan.trouble : "the demo did not come to its end");
    }
    return whole && d->traffic.failed == 0 && d->traffic.lost == 0 ? STATUS_OK
                                                                   : STATUS_SERVER_ERROR;
}

static void stop(demo *d) {
    if (d->client) {
        kw_on_event(d->client, NULL, NULL);
        kw_close(d->client);
        out_done(&d->view.screen);
        traffic_done(&d->traffic);
    }
    kw_lab_stop(d->lab);
}

static exit_status parse(int argc, char **argv, settings *s, bool *ret_done) {
    const char *value = NULL;
    int id;
    while ((id = option_next(&options, argc, argv, &value)) != OPTION_END) {
        bool good = true;
        switch (id) {
        case OPTION_PLAIN:
            s->plain = true;
            break;
        case OPTION_RATE:
            good = option_number(&options, "rate", value, 1, RATE_MAX, &s->rate);
            break;
        case OPTION_SEED:
            good = option_number(&options, "seed", value, 0, UINT64_MAX, &s->seed);
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
    return optind < argc ? option_usage_error(&options, "demo takes no arguments") : STATUS_OK;
}

exit_status cmd_demo(int argc, char **argv) {
    settings s = {.rate = RATE_DEFAULT, .seed = 1};
    bool done = false;
    exit_status status = parse(argc, argv, &s, &done);
    if (status != STATUS_OK || done) {
        return status;
    }
    demo *d = mem_calloc(&mem_default, 1, sizeof *d);
    if (!d) {
        give_up("out of memory");
    }
    interrupt_catch(true);
    status = start(d, &s);
    if (status == STATUS_OK) {
        status = run(d);
    }
    stop(d);
    mem_free(&mem_default, d);
    return status;
}
