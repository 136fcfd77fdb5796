#include "sim/support/sim.h"

int sim_key_slot(unsigned key);

static const char *const names[TROUBLE_COUNT] = {"drop",  "hang",   "slow",    "kill",
                                               "pause", "freeze", "promote", "migrate",
                                               "hole",  "forget", "refresh", "memory"};

/* The first primary of a node's shard: replicas have its place for their own. */
static uint16_t shard_of(const sim *s, uint16_t index) {
    unsigned replicas = (unsigned)(s->node_count - s->primary_count) / s->primary_count;
    return (uint16_t)(index < s->primary_count ? index : (index - s->primary_count) / replicas);
}

static bool is_free(const sim *s, uint16_t index) {
    return !s->locked[shard_of(s, index)];
}

static void lock(sim *s, uint16_t index) {
    s->locked[shard_of(s, index)] = true;
}

static void unlock(sim *s, uint16_t index) {
    s->locked[shard_of(s, index)] = false;
}

static uint16_t any_node(sim *s) {
    return (uint16_t)prng_below(&s->prng, s->node_count);
}

static bool is_primary(const sim *s, uint16_t index) {
    return fleet_view(s->fleet)->peers[index].primary;
}

static bool owns_slots(const sim *s, uint16_t index) {
    return is_primary(s, index) && fleet_view(s->fleet)->peers[index].slot_count > 0;
}

static sim_repair *plan_repair(sim *s, sim_repair_kind kind, uint64_t min_us, uint64_t max_us) {
    for (size_t i = 0; i < SIM_REPAIRS; i++) {
        sim_repair *r = &s->repairs[i];
        if (r->kind == REPAIR_NONE) {
            *r = (sim_repair){.kind = kind,
                              .at_us = s->now_us + prng_range(&s->prng, min_us, max_us)};
            return r;
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------------- faults */

static uint32_t any_link(sim *s) {
    uint32_t chosen = 0;
    uint64_t count = 0;
    for (uint32_t i = 0; i < s->link_top; i++) {
        if (s->links[i].state == SIM_OPEN && prng_below(&s->prng, ++count) == 0) {
            chosen = i;
        }
    }
    return chosen;
}

static void hang(sim *s) {
    sim_link *l = &s->links[any_link(s)];
    l->hung = l->state == SIM_OPEN;
}

static void slow(sim *s) {
    s->links[any_link(s)].slow_until_us = s->now_us + prng_range(&s->prng, 10 * SIM_MS, 2 * SIM_S);
}

static void kill_node(sim *s) {
    uint16_t n = any_node(s);
    if (!is_free(s, n) || s->node_count == s->primary_count || !fleet_node(s->fleet, n)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_REVIVE, 200 * SIM_MS, 4 * SIM_S);
    if (r) {
        r->node = n;
        lock(s, n);
        net_node_gone(s, n);
        assert_int_equal(fleet_kill(s->fleet, n, s->now_us), KW_OK);
    }
}

static void pause_node(sim *s) {
    uint16_t n = any_node(s);
    if (!fleet_node(s->fleet, n) || fleet_is_paused(s->fleet, n) || !is_free(s, n)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_UNPAUSE, 20 * SIM_MS, 3 * SIM_S);
    if (r) {
        r->node = n;
        lock(s, n);
        assert_int_equal(fleet_pause(s->fleet, n, true), KW_OK);
    }
}

static void freeze_node(sim *s) {
    uint16_t n = any_node(s);
    if (!fleet_node(s->fleet, n) || !is_free(s, n)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_UNFREEZE, 100 * SIM_MS, 3 * SIM_S);
    if (r) {
        r->node = n;
        lock(s, n);
        assert_int_equal(fleet_freeze(s->fleet, n, true), KW_OK);
    }
}

static void promote(sim *s) {
    uint16_t n = any_node(s);
    if (fleet_node(s->fleet, n) && !is_primary(s, n) && is_free(s, n)) {
        assert_int_equal(fleet_promote(s->fleet, n), KW_OK);
    }
}

static int any_used_slot(sim *s) {
    return sim_key_slot((unsigned)prng_below(&s->prng, SIM_KEYS));
}

static void migrate(sim *s) {
    int slot = any_used_slot(s);
    uint16_t from = fleet_view(s->fleet)->owner[slot];
    uint16_t to = any_node(s);
    if (from == NODE_NOBODY || from == to || !owns_slots(s, to) || !is_free(s, from) ||
        !is_free(s, to) || !fleet_node(s->fleet, from) || !fleet_node(s->fleet, to)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_MIGRATE, 1 * SIM_MS, 200 * SIM_MS);
    if (r) {
        r->slot = slot;
        r->node = from;
        r->other = to;
        lock(s, from);
        lock(s, to);
        assert_int_equal(fleet_migrate_begin(s->fleet, slot, to), KW_OK);
        truth_marks_change(s, slot);
    }
}

static void make_hole(sim *s) {
    int slot = any_used_slot(s);
    uint16_t owner = fleet_view(s->fleet)->owner[slot];
    if (owner == NODE_NOBODY || !is_free(s, owner)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_HOLE, 10 * SIM_MS, 2 * SIM_S);
    if (r) {
        r->slot = slot;
        r->node = owner;
        lock(s, owner);
        assert_int_equal(fleet_assign(s->fleet, slot, slot, NODE_NOBODY), KW_OK);
    }
}

static void forget(sim *s) {
    int first = (int)prng_below(&s->prng, SLOT_COUNT);
    int last = sim_chance(s, 50) ? SLOT_COUNT - 1 : first + 100;
    cluster_forget_slots(s->c, first, last < SLOT_COUNT ? last : SLOT_COUNT - 1, s->now_us);
    truth_forgotten(s);
}

static void cause(sim *s, sim_trouble kind) {
    sim_log(s, "trouble: %s", names[kind]);
    switch (kind) {
    case TROUBLE_DROP:
        net_drop(s, any_link(s));
        break;
    case TROUBLE_HANG:
        hang(s);
        break;
    case TROUBLE_SLOW:
        slow(s);
        break;
    case TROUBLE_KILL:
        kill_node(s);
        break;
    case TROUBLE_PAUSE:
        pause_node(s);
        break;
    case TROUBLE_FREEZE:
        freeze_node(s);
        break;
    case TROUBLE_PROMOTE:
        promote(s);
        break;
    case TROUBLE_MIGRATE:
        migrate(s);
        break;
    case TROUBLE_HOLE:
        make_hole(s);
        break;
    case TROUBLE_FORGET:
        forget(s);
        break;
    case TROUBLE_REFRESH:
        s->refresh_by_hand = true;
        cluster_refresh(s->c, s->now_us);
        break;
    case TROUBLE_MEMORY:
        failing_mem_fail_at(&s->mem, 1 + (size_t)prng_below(&s->prng, 20));
        break;
    case TROUBLE_COUNT:
        break;
    }
}

/* --------------------------------------------------------------------- repairs */

/* The primary of the shard by now. */
static uint16_t leader_of(const sim *s, uint16_t index) {
    const node_peer *peer = &fleet_view(s->fleet)->peers[index];
    return peer->primary ? index : peer->primary_of;
}

/* Keys move one by one, and in the end the slot: false while it goes on. */
static bool migrate_on(sim *s, sim_repair *r, size_t count) {
    size_t left = 0;
    assert_int_equal(fleet_migrate_keys(s->fleet, r->slot, count, &left), KW_OK);
    if (left > 0 || sim_chance(s, 30)) {
        return false;
    }
    assert_int_equal(fleet_migrate_end(s->fleet, r->slot), KW_OK);
    truth_marks_change(s, r->slot);
    unlock(s, r->other);
    return true;
}

static void repair(sim *s, sim_repair *r, bool at_once) {
    if (r->kind == REPAIR_REVIVE && owns_slots(s, r->node)) {
        r->at_us = s->now_us + 50 * SIM_MS; /* it would come back empty: its replica is to lead */
        return;
    }
    sim_log(s, "repair: %d of node %u, slot %d", (int)r->kind, r->node, r->slot);
    kw_status status = KW_OK;
    switch (r->kind) {
    case REPAIR_REVIVE:
        status = fleet_revive(s->fleet, r->node, s->now_us);
        break;
    case REPAIR_UNPAUSE:
        status = fleet_pause(s->fleet, r->node, false);
        break;
    case REPAIR_UNFREEZE:
        status = fleet_freeze(s->fleet, r->node, false);
        break;
    case REPAIR_MIGRATE:
        while (!migrate_on(s, r, at_once ? SIZE_MAX : 1)) {
            if (!at_once) {
                r->at_us = s->now_us + prng_range(&s->prng, SIM_MS, 100 * SIM_MS);
                return;
            }
        }
        break;
    case REPAIR_HOLE:
        status = fleet_assign(s->fleet, r->slot, r->slot, leader_of(s, r->node));
        break;
    case REPAIR_NONE:
        return;
    }
    assert_int_equal(status, KW_OK);
    unlock(s, r->node);
    r->kind = REPAIR_NONE;
}

void trouble_step(sim *s) {
    for (size_t i = 0; i < SIM_REPAIRS; i++) {
        if (s->repairs[i].kind != REPAIR_NONE && s->repairs[i].at_us <= s->now_us) {
            repair(s, &s->repairs[i], false);
        }
    }
    if (s->trouble_at_us > s->now_us) {
        return;
    }
    sim_trouble kind = (sim_trouble)prng_below(&s->prng, TROUBLE_COUNT);
    if (s->troubles & 1u << kind) {
        cause(s, kind);
    }
    s->trouble_at_us = s->now_us + prng_range(&s->prng, SIM_MS, 100 * SIM_MS);
    net_effects(s);
}

uint64_t trouble_next_us(const sim *s) {
    uint64_t at_us = s->trouble_at_us;
    for (size_t i = 0; i < SIM_REPAIRS; i++) {
        if (s->repairs[i].kind != REPAIR_NONE && s->repairs[i].at_us < at_us) {
            at_us = s->repairs[i].at_us;
        }
    }
    return at_us;
}

void trouble_heal(sim *s) {
    s->troubles = 0;
    failing_mem_fail_at(&s->mem, 0);
    s->trouble_at_us = SIM_NEVER;
    sim_run_until(s, s->now_us + FAILOVER_MS_MAX * SIM_MS + 100 * SIM_MS);
    for (size_t i = 0; i < SIM_REPAIRS; i++) {
        repair(s, &s->repairs[i], true);
    }
    net_heal(s);
}
