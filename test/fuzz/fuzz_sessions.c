/* Several clients of a small fleet, whose lines come in turns: they block and are woken, subscribe
 * and publish, watch and write, while slots and roles change and time passes. Each line begins with
 * its session, a to h, or is + and lets a second pass. Whatever comes: keys are counted right, what
 * is woken is alive, and while no roles change a replica has what its primary has. */
#include "fuzz/fuzz.h"
#include "fuzz/support/snapshot.h"
#include "node/node_fleet.h"

#define NODES 4
#define SESSIONS 8
#define OUT_BYTES_MAX (1024 * 1024)
#define PIECE_BYTES_MAX (1024 * 1024)

typedef struct client {
    uint16_t node;
    node_session *session; /* NULL: not connected */
    buffer in;
} client;

typedef struct scene {
    node_fleet *fleet;
    uint64_t now_us;
    client clients[SESSIONS];
    snapshot *memory;
} scene;

static void hang_up(scene *s, client *c) {
    if (c->session) {
        node_session_free(fleet_node(s->fleet, c->node), c->session);
        c->session = NULL;
        buffer_clear(&c->in, SIZE_MAX);
    }
}

static void read_on(scene *s, client *c) {
    node_receive(fleet_node(s->fleet, c->node), c->session, &c->in, s->now_us, OUT_BYTES_MAX);
    buffer_clear(&c->session->out, SIZE_MAX);
}

/* What a command did to others: they may read on, or are gone. */
static void serve_ready(scene *s) {
    node_session *ready;
    while ((ready = fleet_next_ready(s->fleet)) != NULL) {
        client *c = ready->owner;
        fuzz_check(c && c->session == ready);
        if (!ready->holds) {
            read_on(s, c);
        }
        buffer_clear(&ready->out, SIZE_MAX);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        client *c = &s->clients[i];
        if (c->session && (c->session->flags & (SESSION_CLOSING | SESSION_FAILED))) {
            hang_up(s, c);
        }
    }
}

static void run_line(scene *s, kw_slice line) {
    if (line.data[0] == '+') {
        s->now_us += 1000000;
        fleet_tick(s->fleet, s->now_us);
        serve_ready(s);
        return;
    }
    client *c = &s->clients[(unsigned char)line.data[0] % SESSIONS];
    if (!c->session) {
        c->session = node_session_new(fleet_node(s->fleet, c->node), "h:1", s->now_us);
        fuzz_check(c->session != NULL);
        c->session->owner = c;
    }
    kw_slice words = slice_of(line.data + 1, line.len - 1);
    fuzz_check(buffer_append_slice(&c->in, words) && buffer_append_text(&c->in, "\r\n"));
    if (!c->session->holds) {
        read_on(s, c);
    }
    serve_ready(s);
}

static bool mentions(kw_slice text, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (slice_is_nocase(slice_of(text.data + i, len), word)) {
            return true;
        }
    }
    return false;
}

FUZZ_PLAIN static void check_counts(const keyspace *ks) {
    size_t count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        const keyspace_slot *page = ks->pages[slot / KEYSPACE_PAGE_SLOTS];
        count += page ? page[slot % KEYSPACE_PAGE_SLOTS].key_count : 0;
    }
    fuzz_check(count == keyspace_count(ks));
}

static void check(const scene *s, kw_slice input) {
    /* administration, a pause and what memory is too short for leave replicas behind */
    bool follows = snapshot_refused(s->memory) == 0 && !mentions(input, "cluster") &&
                   !mentions(input, "replica") && !mentions(input, "debug") &&
                   !mentions(input, "shutdown");
    for (uint16_t i = 0; i < NODES; i++) {
        const node *n = fleet_node(s->fleet, i);
        check_counts(n->keys);
        uint16_t primary = node_view_self(n->view)->primary_of;
        fuzz_check(!follows ||
                   keyspace_count(n->keys) == keyspace_count(fleet_node(s->fleet, primary)->keys));
    }
}

static scene build(void) {
    static const uint16_t ports[NODES] = {7000, 7001, 7002, 7003};
    scene s = {.now_us = 1000000, .memory = snapshot_new(PIECE_BYTES_MAX)};
    const fleet_config config = {
        .mem = snapshot_mem(s.memory),
        .primary_count = 2,
        .replica_count = 1,
        .host = "h",
        .ports = ports,
    };
    fuzz_check(fleet_new(&config, s.now_us, &s.fleet) == KW_OK);
    snapshot_take(s.memory);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static scene built;
    if (!built.fleet) {
        built = build();
    }
    scene s = built;
    for (uint16_t i = 0; i < SESSIONS; i++) {
        s.clients[i].node = i % NODES;
        buffer_init(&s.clients[i].in, &mem_default, 0);
    }
    kw_slice rest = slice_of((const char *)data, size);
    kw_slice line;
    while (size > 0 && slice_split(&rest, '\n', &line)) {
        if (line.len > 0) {
            run_line(&s, line);
        }
    }
    check(&s, slice_of((const char *)data, size));
    for (size_t i = 0; i < SESSIONS; i++) {
        hang_up(&s, &s.clients[i]);
        buffer_done(&s.clients[i].in);
    }
    fleet_free(s.fleet);
    snapshot_restore(s.memory);
    return 0;
}
