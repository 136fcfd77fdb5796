#include "sim/support/sim.h"

#include "sim/support/sim_peek.h"

#include <stdlib.h>

void truth_init(sim *s) {
    cluster_truth *t = &s->truth;
    const node_view *v = fleet_view(s->fleet);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        t->owner[slot] = v->owner[slot];
        t->had[slot] = UINT64_C(1) << v->owner[slot];
        for (unsigned i = 0; i < s->client_count; i++) {
            s->clients[i].truth.moved_from[slot] = NODE_NOBODY;
        }
    }
    t->epoch = v->current_epoch;
}

static void note_change(sim *s, int slot) {
    uint64_t *changed_us = s->truth.changed_us[slot];
    memmove(changed_us + 1, changed_us, (TRUTH_CHANGES - 1) * sizeof *changed_us);
    changed_us[0] = s->now_us;
}

/* False if it may have: the oldest change that is remembered came later than from_us. */
static bool stood_still(const sim *s, int slot, uint64_t from_us, uint64_t until_us) {
    for (int i = 0; i < TRUTH_CHANGES; i++) {
        uint64_t changed_us = s->truth.changed_us[slot][i];
        if (changed_us < from_us) {
            return true;
        }
        if (changed_us <= until_us) {
            return false;
        }
    }
    return false;
}

void truth_migrates(sim *s, int slot, bool begins) {
    s->truth.migrating[slot] = begins;
    note_change(s, slot);
}

bool truth_is_settled(const sim *s, int slot, uint64_t since_us) {
    const cluster_truth *t = &s->truth;
    return !t->lied[slot] && !t->migrating[slot] && stood_still(s, slot, since_us, s->now_us);
}

static uint32_t hash_slot_counts(const node_view *v) {
    uint32_t hash = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        hash = hash * 31 + v->peers[i].slot_count;
    }
    return hash;
}

static void note_asking(sim_client *k) {
    uint32_t ask_serial = peek(k->c).ask_serial;
    if (ask_serial != k->truth.ask_serial) {
        k->truth.ask_serial = ask_serial;
        k->truth.asked_us = k->s->now_us;
    }
}

void truth_note(sim *s) {
    cluster_truth *t = &s->truth;
    const node_view *v = fleet_view(s->fleet);
    for (unsigned i = 0; i < s->client_count; i++) {
        note_asking(&s->clients[i]);
    }
    uint32_t hash = hash_slot_counts(v);
    if (v->current_epoch == t->epoch && hash == t->slot_counts_hash) {
        return;
    }
    t->epoch = v->current_epoch;
    t->slot_counts_hash = hash;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->owner[slot] != t->owner[slot]) {
            t->owner[slot] = v->owner[slot];
            note_change(s, slot);
            t->had[slot] |= v->owner[slot] == NODE_NOBODY ? 0 : UINT64_C(1) << v->owner[slot];
        }
    }
}

void truth_lie(sim *s, int slot, uint16_t a, uint16_t b) {
    s->truth.had[slot] |= UINT64_C(1) << a | UINT64_C(1) << b;
    s->truth.lied[slot] = true;
}

/* ----------------------------------------------------------------------- views */

void truth_view_refused(sim_client *k, const char *text) {
    k->truth.behind += strstr(text, "is behind") != NULL;
    k->truth.smaller += strstr(text, "a second node is asked") != NULL;
}

void truth_view_accepted(sim_client *k) {
    client_truth *t = &k->truth;
    sim_peek now = peek(k->c);
    uint32_t known = now.known_count;
    if (!t->blind && now.has_epoch && now.epoch < t->epoch_taken && t->behind == 0) {
        sim_fail(k->s, "a view of epoch %llu was taken over at once, and %llu had been seen",
                 (unsigned long long)now.epoch, (unsigned long long)t->epoch_taken);
    }
    if (!t->blind && known < t->known_count && t->smaller == 0 && t->behind == 0) {
        sim_fail(k->s, "%u slots were given up on the word of one node", t->known_count - known);
    }
    t->epoch_taken = now.epoch;
    t->known_count = known;
    t->behind = 0;
    t->smaller = 0;
}

void truth_forgotten(sim_client *k) {
    k->truth.known_count = peek(k->c).known_count;
}

/* ------------------------------------------------------------------------ hops */

uint16_t sim_node_named(const sim *s, const char *name) {
    const char *colon = strrchr(name, ':');
    uint16_t index = sim_node_at_port((uint16_t)(colon ? atoi(colon + 1) : 0));
    return index < s->node_count ? index : NODE_NOBODY;
}

static bool is_answer(const trace_hop *hop, const char *answer) {
    return hop->answer && strcmp(hop->answer, answer) == 0;
}

static bool by_the_map(const trace_hop *hop) {
    return strcmp(hop->reason, "map") == 0 || strcmp(hop->reason, "overlay") == 0;
}

/* The node or one of its shard: after a failover the client takes all the slots that its map gives
 * the dead node for its successor's, and its map may be old. */
static bool shard_had(const sim *s, int slot, uint16_t at) {
    for (uint16_t i = 0; i < s->node_count; i++) {
        if (sim_shard_of(s, i) == sim_shard_of(s, at) && s->truth.had[slot] & UINT64_C(1) << i) {
            return true;
        }
    }
    return false;
}

/* The map sends no command to a node that never had its slot. */
static void check_owner(sim *s, size_t index, int slot, const trace_hop *hop, uint16_t at) {
    if (by_the_map(hop) && !shard_had(s, slot, at)) {
        sim_fail(s, "command %zu was sent by the map to node %u, which never had slot %d", index,
                 at, slot);
    }
}

/* Nor to the one that has said MOVED, unless something changed or a view was asked for since, or
 * memory was short for what it said. */
static void check_learned(sim_client *k, size_t index, int slot, const trace_hop *hop, uint16_t at,
                          uint64_t submitted_us) {
    client_truth *t = &k->truth;
    uint64_t moved_us = t->moved_us[slot];
    if (!t->blind && !k->s->truth.lied[slot] && by_the_map(hop) && at == t->moved_from[slot] &&
        submitted_us > moved_us && stood_still(k->s, slot, moved_us, k->s->now_us) &&
        t->asked_us < moved_us) {
        sim_fail(k->s, "command %zu was sent to node %u though that had said that slot %d moved",
                 index, at, slot);
    }
    if (submitted_us + hop->end_us >= moved_us) {
        t->moved_us[slot] = submitted_us + hop->end_us;
        t->moved_from[slot] = at;
    }
}

/* Where ASK leads, the command is let in. */
static void check_asked(sim *s, size_t index, int slot, const trace_hop *ask, const trace_hop *next,
                        uint64_t submitted_us) {
    if (!s->truth.lied[slot] && is_answer(next, "MOVED") && strcmp(next->reason, "ask") == 0 &&
        stood_still(s, slot, submitted_us + ask->start_us, submitted_us + next->end_us)) {
        sim_fail(s, "command %zu was sent where ASK said, and not let in (slot %d)", index, slot);
    }
}

void truth_check_hops(sim_client *k, size_t index, const kw_trace *t, uint64_t submitted_us) {
    sim *s = k->s;
    if (t->slot < 0 || t->hop_count > LIMIT_TRACE_HOPS) {
        return;
    }
    for (size_t i = 0; i < t->hop_count; i++) {
        const trace_hop *hop = &t->hops[i];
        uint16_t at = sim_node_named(s, hop->node);
        if (at != NODE_NOBODY && is_answer(hop, "MOVED")) {
            check_owner(s, index, t->slot, hop, at);
            check_learned(k, index, t->slot, hop, at, submitted_us);
        }
        if (is_answer(hop, "ASK") && i + 1 < t->hop_count) {
            check_asked(s, index, t->slot, hop, hop + 1, submitted_us);
        }
    }
}
