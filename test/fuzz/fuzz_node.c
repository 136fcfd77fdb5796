/* Bytes from a client to a node of a small fleet, which another client listens to. Whatever comes:
 * the replies and what the other one hears are RESP, each slot's keys are counted right, and no
 * slot has two ways of being open. */
#include "core/resp.h"
#include "fuzz/fuzz.h"
#include "fuzz/support/snapshot.h"
#include "node/node_fleet.h"

#define NODES 4
#define OUT_BYTES_MAX (1024 * 1024)
#define PIECE_BYTES_MAX (16 * 1024 * 1024)

static void check_replies(kw_slice bytes) {
    while (bytes.len > 0) {
        resp_scanner scanner;
        resp_scanner_init(&scanner, &resp_limits_default);
        fuzz_check(resp_scan(&scanner, bytes.data, bytes.len) == RESP_DONE);
        bytes.data += scanner.offset;
        bytes.len -= (size_t)scanner.offset;
    }
}

static bool mentions(const uint8_t *data, size_t size, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= size; i++) {
        if (slice_is_nocase(slice_of((const char *)data + i, len), word)) {
            return true;
        }
    }
    return false;
}

/* Somebody who hears of all that happens at the node; NULL: memory was short. */
static node_session *listen(node *n, buffer *in) {
    node_session *s = node_session_new(n, "h:2", 1000000);
    fuzz_check(s && buffer_append_text(in, "HELLO 3\r\nPSUBSCRIBE *\r\nCLIENT TRACKING on BCAST\r\n"
                                           "CONFIG SET notify-keyspace-events KEA\r\nMONITOR\r\n"));
    node_receive(n, s, in, 1000000, OUT_BYTES_MAX);
    fuzz_check(buffer_len(in) == 0 && buffer_len(&s->out) > 0);
    return s;
}

FUZZ_PLAIN static void check_keyspace(const keyspace *ks) {
    size_t count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        size_t in_slot = 0;
        if (!ks->pages[slot / KEYSPACE_PAGE_SLOTS]) {
            slot += KEYSPACE_PAGE_SLOTS - 1;
            continue;
        }
        for (keyspace_entry *e = keyspace_first(ks, slot); e; e = keyspace_next(ks, slot, e)) {
            fuzz_check(slot_of_key(keyspace_key(e)) == slot);
            in_slot++;
        }
        fuzz_check(in_slot == keyspace_slot_count(ks, slot));
        count += in_slot;
    }
    fuzz_check(count == keyspace_count(ks));
}

FUZZ_PLAIN static void check_view(const node_view *view) {
    uint32_t slots[NODES] = {0};
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (view->owner[slot] != NODE_NOBODY) {
            fuzz_check(view->owner[slot] < NODES);
            slots[view->owner[slot]]++;
        }
    }
    for (uint16_t i = 0; i < NODES; i++) {
        fuzz_check(slots[i] == view->peers[i].slot_count);
        fuzz_check(view->peers[i].primary == (view->peers[i].primary_of == i));
    }
}

typedef struct scene {
    snapshot *memory;
    node_fleet *fleet;
} scene;

static scene build(bool full_coverage_required) {
    static const uint16_t ports[NODES] = {7000, 7001, 7002, 7003};
    scene s = {.memory = snapshot_new(PIECE_BYTES_MAX)};
    const fleet_config config = {
        .mem = snapshot_mem(s.memory),
        .primary_count = 2,
        .replica_count = 1,
        .host = "h",
        .ports = ports,
        .full_coverage_required = full_coverage_required,
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
    node_fleet *f = here->fleet;
    node *n = fleet_node(f, size > 0 ? data[0] % NODES : 0);
    node_session *s = node_session_new(n, "h:1", 1000000);
    buffer in;
    buffer_init(&in, &mem_default, 0);
    fuzz_check(s != NULL);
    node_session *ear = listen(n, &in);
    if (size > 1) {
        fuzz_check(buffer_append(&in, data + 1, size - 1));
        node_receive(n, s, &in, 2000000, OUT_BYTES_MAX);
    }
    /* the array of EXEC lacks replies that are switched off or cut short, and pushes stand in it */
    bool pushes = mentions(data, size, "multi") && mentions(data, size, "subscribe");
    bool whole = !mentions(data, size, "reply") && !mentions(data, size, "kill") && !pushes;
    if (s->flags & SESSION_FAILED) {
        fuzz_check(snapshot_refused(here->memory) > 0);
    } else if (whole) {
        check_replies(buffer_slice(&s->out));
    }
    if (!(ear->flags & SESSION_FAILED)) {
        check_replies(buffer_slice(&ear->out));
    }
    for (uint16_t i = 0; i < NODES; i++) {
        check_keyspace(fleet_node(f, i)->keys);
        check_view(fleet_node(f, i)->view);
    }
    check_view(fleet_view(f));
    buffer_done(&in);
    node_session_free(n, s);
    node_session_free(n, ear);
    fleet_free(f);
    snapshot_restore(here->memory);
    return 0;
}
