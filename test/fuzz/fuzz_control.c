/* Lines to a small fleet: LAB commands, whose first word is left out, and, after a digit, commands
 * of a client of that node. Whatever comes: one whole RESP answer to each LAB line, views that hang
 * together, and output that comes to an end. */
#include "core/resp.h"
#include "fuzz/fuzz.h"
#include "fuzz/support/snapshot.h"
#include "node/fleet_control.h"
#include "node/node_call.h"

#include <stdio.h>

#define NODES 4
#define CLIENTS 64
#define WORDS_MAX 16
#define LINES_MAX 64
#define TURNS_MAX 4096

typedef struct harness {
    node_fleet *fleet;
    node_session *sessions[CLIENTS]; /* of the node of that index */
    uint64_t now_us;
} harness;

static void hang_up(harness *h, uint16_t index) {
    if (index < CLIENTS && h->sessions[index]) {
        node_session_free(fleet_node(h->fleet, index), h->sessions[index]);
        h->sessions[index] = NULL;
    }
}

static kw_status act(void *arg, const fleet_act *a, uint64_t now_us) {
    harness *h = arg;
    bool ends = a->kind == ACT_KILL || a->kind == ACT_STOP || a->kind == ACT_RESTART ||
                a->kind == ACT_REMOVE;
    if (ends && fleet_node(h->fleet, a->node)) {
        hang_up(h, a->node);
    }
    return fleet_act_alone(h->fleet, a, now_us);
}

FUZZ_PLAIN static void check_view(const node_fleet *f, const node_view *view) {
    uint32_t slots[FLEET_PEERS_MAX] = {0};
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (view->owner[slot] != NODE_NOBODY) {
            fuzz_check(view->owner[slot] < fleet_count(f));
            slots[view->owner[slot]]++;
        }
    }
    for (uint16_t i = 0; i < fleet_count(f); i++) {
        fuzz_check(slots[i] == view->peers[i].slot_count);
    }
}

static void check_fleet(const harness *h) {
    check_view(h->fleet, fleet_view(h->fleet));
    for (uint16_t i = 0; i < fleet_count(h->fleet); i++) {
        const node *n = fleet_node(h->fleet, i);
        if (n) {
            check_view(h->fleet, n->view);
        }
    }
}

static void control(harness *h, const kw_slice *argv, size_t argc) {
    node_session session = {.mem = &mem_default, .resp = 2 + (int)(argc % 2)};
    buffer_init(&session.out, &mem_default, 0);
    node_call call = {
        .session = &session,
        .argv = argv,
        .argc = argc,
        .now_us = h->now_us,
        .now_ms = h->now_us / 1000,
        .out = &session.out,
    };
    fleet_control(h->fleet, &call);
    kw_slice reply = buffer_slice(&session.out);
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    fuzz_check(resp_scan(&scanner, reply.data, reply.len) == RESP_DONE);
    fuzz_check(scanner.offset == reply.len);
    buffer_done(&session.out);
}

/* What a connection would send; a shape without end (HANG, a long delay) is left as it is. */
static void drain(harness *h, uint16_t index) {
    node_session *s = h->sessions[index];
    for (int i = 0; i < TURNS_MAX && s; i++) {
        kw_slice bytes = session_sendable(s, h->now_us);
        if (bytes.len == 0) {
            break;
        }
        session_sent(s, bytes.len, h->now_us);
    }
    if (s && (session_is_over(s) || (s->flags & SESSION_FAILED))) {
        hang_up(h, index);
    }
}

static void ask(harness *h, uint16_t index, const kw_slice *argv, size_t argc) {
    node *n = fleet_node(h->fleet, index);
    if (!n || fleet_is_paused(h->fleet, index)) {
        return;
    }
    if (!h->sessions[index]) {
        h->sessions[index] = node_session_new(n, "h:1", h->now_us);
        fuzz_check(h->sessions[index] != NULL);
    }
    if (!h->sessions[index]->holds) {
        node_execute(n, h->sessions[index], argv, argc, h->now_us);
    }
    drain(h, index);
}

static void run_line(harness *h, kw_slice line) {
    kw_slice argv[WORDS_MAX + 1] = {SLICE_LITERAL("LAB")};
    size_t argc = 1;
    kw_slice word;
    while (argc <= WORDS_MAX && slice_split(&line, ' ', &word)) {
        argv[argc++] = word;
    }
    if (argc > 2 && argv[1].len == 1 && '0' <= argv[1].data[0] && argv[1].data[0] <= '9') {
        ask(h, (uint16_t)(argv[1].data[0] - '0'), argv + 2, argc - 2);
    } else {
        control(h, argv, argc);
    }
    h->now_us = fleet_lab(h->fleet)->clock.at_us + 1000;
    h->now_us = node_clock_read(&fleet_lab(h->fleet)->clock, h->now_us);
    fleet_run_deferred(h->fleet, h->now_us);
    fleet_tick(h->fleet, h->now_us);
    node_session *ready;
    while ((ready = fleet_next_ready(h->fleet))) {
        for (uint16_t i = 0; i < CLIENTS; i++) {
            if (h->sessions[i] == ready) {
                drain(h, i);
                break;
            }
        }
    }
}

typedef struct scene {
    snapshot *memory;
    node_fleet *fleet;
} scene;

static scene build(bool full_coverage_required) {
    static const uint16_t ports[NODES] = {7000, 7001, 7002, 7003};
    scene s = {.memory = snapshot_new(SIZE_MAX)};
    const fleet_config config = {
        .mem = snapshot_mem(s.memory),
        .primary_count = 2,
        .replica_count = 1,
        .host = "h",
        .ports = ports,
        .failover_ms = 100,
        .full_coverage_required = full_coverage_required,
        .log_capacity = 16,
        .control = true,
    };
    fuzz_check(fleet_new(&config, 1000000, &s.fleet) == KW_OK);
    snapshot_take(s.memory);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static scene scenes[2];
    scene *here = &scenes[size % 2];
    if (!here->fleet) {
        *here = build(size % 2 == 0);
    }
    harness h = {.now_us = 1000000, .fleet = here->fleet};
    const fleet_owner owner = {&h, act};
    fleet_set_owner(h.fleet, &owner);
    char *copy = fuzz_copy(data, size);
    kw_slice rest = slice_of(copy, size);
    kw_slice line;
    for (int i = 0; i < LINES_MAX && slice_split(&rest, '\n', &line); i++) {
        run_line(&h, line);
    }
    check_fleet(&h);
    for (uint16_t i = 0; i < CLIENTS; i++) {
        hang_up(&h, i);
    }
    fleet_free(h.fleet);
    snapshot_restore(here->memory);
    free(copy);
    return 0;
}
