#include "node/control.h"

#define STEPS_MAX 1000

static void answer_time(control_call *c) {
    call_integer(c->call, (int64_t)(c->lab->clock.at_us / 1000));
}

static void tell(control_call *c, const char *what) {
    node_events_add(&c->lab->events, c->now_us, EVENT_TIME, NODE_NOBODY, "time %s", what);
}

static void run_now(control_call *c) {
    answer_time(c);
}

static void run_freeze(control_call *c) {
    node_clock_freeze(&c->lab->clock);
    tell(c, "stands still");
    answer_time(c);
}

static void run_resume(control_call *c) {
    node_clock_resume(&c->lab->clock);
    tell(c, "goes on");
    answer_time(c);
}

/* What falls due on the way happens in its order. */
static void run_advance(control_call *c) {
    uint64_t ms;
    if (!control_read_number(c, "the time in ms", UINT32_MAX, &ms)) {
        return;
    }
    uint64_t end_us = node_clock_advance(&c->lab->clock, ms * 1000);
    for (int i = 0; i < STEPS_MAX; i++) {
        uint64_t due_us = fleet_deadline_us(c->fleet);
        if (due_us >= end_us) {
            break;
        }
        fleet_tick(c->fleet, due_us > c->lab->now_us ? due_us : c->lab->now_us);
    }
    fleet_tick(c->fleet, end_us);
    node_events_add(&c->lab->events, end_us, EVENT_TIME, NODE_NOBODY, "time leaps %llu ms",
                    (unsigned long long)ms);
    answer_time(c);
}

static void run_seed(control_call *c) {
    uint64_t seed;
    if (control_read_number(c, "a seed", UINT64_MAX, &seed)) {
        prng_init(&c->lab->faults.random, seed);
        for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
            node *n = fleet_node(c->fleet, i);
            if (n) {
                prng_init(&n->random, seed + 1 + i);
            }
        }
        call_ok(c->call);
    }
}

const control_row control_time_rows[] = {
    {"TIME NOW", NULL, "the lab's time in ms since 1970", run_now, 0, 0},
    {"TIME FREEZE", NULL, "it stands still, and with it expiry, failovers, delays, timeouts",
     run_freeze, 0, 0},
    {"TIME ADVANCE", "ms", "it leaps forward; what falls due on the way happens", run_advance, 1,
     1},
    {"TIME RESUME", NULL, "it goes on from where it stands", run_resume, 0, 0},
    {"SEED", "n", "from here on the same commands meet the same chances", run_seed, 1, 1},
    {0},
};
