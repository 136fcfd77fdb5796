#include "sim/support/sim.h"

static const char *const names[TROUBLE_COUNT] = {
    "drop",    "hang",  "slow",   "kill",    "pause",  "freeze",  "promote",
    "migrate", "hole",  "forget", "refresh", "memory", "abandon", "errors",
    "loop",    "names", "lag",    "move",    "view"};

const char *trouble_name(sim_trouble kind) {
    return names[kind];
}

static sim_client *any_client(sim *s) {
    return &s->clients[prng_below(&s->prng, s->client_count)];
}

/* The first primary of a node's shard: replicas have its place for their own. */
uint16_t sim_shard_of(const sim *s, uint16_t index) {
    unsigned replicas = (unsigned)(s->node_count - s->primary_count) / s->primary_count;
    return (uint16_t)(index < s->primary_count ? index : (index - s->primary_count) / replicas);
}

static bool is_free(const sim *s, uint16_t index) {
    return !s->locked[sim_shard_of(s, index)];
}

static void lock(sim *s, uint16_t index) {
    s->locked[sim_shard_of(s, index)] = true;
}

static void unlock(sim *s, uint16_t index) {
    s->locked[sim_shard_of(s, index)] = false;
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

static uint32_t any_link(sim_client *k) {
    uint32_t chosen = 0;
    uint64_t count = 0;
    for (uint32_t i = 0; i < k->link_top; i++) {
        if (k->links[i].state == SIM_OPEN && prng_below(&k->s->prng, ++count) == 0) {
            chosen = i;
        }
    }
    return chosen;
}

static void hang(sim_client *k) {
    sim_link *l = &k->links[any_link(k)];
    l->hung = l->state == SIM_OPEN;
}

static void slow(sim_client *k) {
    sim *s = k->s;
    k->links[any_link(k)].slow_until_us = s->now_us + prng_range(&s->prng, 10 * SIM_MS, 2 * SIM_S);
}

/* What was on its way to the replicas may be lost with the node. */
static void note_death(sim *s, uint16_t n) {
    if (s->lag_us > 0 && is_primary(s, n) && s->death_count < SIM_DEATHS) {
        uint64_t lost_from_us = s->now_us - 50 * SIM_MS; /* the lag was longer perhaps, before */
        s->deaths[s->death_count++] =
            (sim_death){.node = n, .at_us = s->now_us, .lost_from_us = lost_from_us};
    }
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
        for (unsigned i = 0; i < s->client_count; i++) {
            net_node_gone(&s->clients[i], n);
        }
        note_death(s, n);
        assert_int_equal(fleet_kill(s->fleet, n, s->now_us), KW_OK);
    }
}

static void set_lag(sim *s, uint64_t lag_us) {
    s->lag_us = lag_us;
    fleet_set_replication_delay(s->fleet, lag_us);
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
    unsigned any = (unsigned)prng_below(&s->prng, SIM_KEYS + SIM_QUEUES);
    return any < SIM_KEYS ? load_key_slot(any) : queue_slot(any - SIM_KEYS);
}

/* A slot moves key by key; or it stays half-way until somebody mends it. */
static void migrate(sim *s, bool abandoned) {
    int slot = any_used_slot(s);
    uint16_t from = fleet_view(s->fleet)->owner[slot];
    uint16_t to = any_node(s);
    if (from == NODE_NOBODY || from == to || !owns_slots(s, to) || !is_free(s, from) ||
        !is_free(s, to) || !fleet_node(s->fleet, from) || !fleet_node(s->fleet, to)) {
        return;
    }
    sim_repair *r = plan_repair(s, REPAIR_MIGRATE, SIM_MS, 200 * SIM_MS);
    if (r) {
        r->slot = slot;
        r->node = from;
        r->other = to;
        lock(s, from);
        lock(s, to);
        assert_int_equal(fleet_migrate_begin(s->fleet, slot, to), KW_OK);
        truth_migrates(s, slot, true);
        if (abandoned) {
            size_t count = (size_t)prng_below(&s->prng, 4);
            assert_int_equal(fleet_migrate_keys(s->fleet, slot, count, NULL), KW_OK);
            r->at_us = s->now_us + prng_range(&s->prng, 200 * SIM_MS, 2 * SIM_S);
        }
    }
}

uint16_t trouble_migrate_at_once(sim *s, int slot) {
    uint16_t from = fleet_view(s->fleet)->owner[slot];
    uint16_t to = any_node(s);
    size_t left = 0;
    if (from == to || !owns_slots(s, to)) {
        return NODE_NOBODY;
    }
    assert_int_equal(fleet_migrate_begin(s->fleet, slot, to), KW_OK);
    assert_int_equal(fleet_migrate_keys(s->fleet, slot, SIZE_MAX, &left), KW_OK);
    assert_int_equal(left, 0);
    assert_int_equal(fleet_migrate_end(s->fleet, slot), KW_OK);
    truth_migrates(s, slot, false);
    return to;
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

static void forget(sim_client *k) {
    sim *s = k->s;
    int first = (int)prng_below(&s->prng, SLOT_COUNT);
    int last = sim_chance(s, 50) ? SLOT_COUNT - 1 : first + 100;
    cluster_forget_slots(k->c, first, last < SLOT_COUNT ? last : SLOT_COUNT - 1, s->now_us);
    truth_forgotten(k);
}

static void add_rule(sim *s, const fault_rule *rule, uint64_t most_us) {
    sim_repair *r = plan_repair(s, REPAIR_RULE, 10 * SIM_MS, most_us);
    if (r && fault_rules_add(&fleet_lab(s->fleet)->faults, rule, &r->rule) != KW_OK) {
        r->kind = REPAIR_NONE;
    }
}

/* Some of the commands of keys are refused before they run, for a reason that passes. */
static void storm(sim *s) {
    static const char *const errors[] = {
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
    };
    fault_rule rule;
    fault_rule_init(&rule);
    rule.first_slot = 0;
    rule.last_slot = SLOT_COUNT - 1;
    rule.action = FAULT_ERROR;
    rule.per_million = (unsigned)prng_range(&s->prng, 100000, 900000);
    kw_slice text = slice_text(errors[prng_below(&s->prng, COUNT_OF(errors))]);
    rule.text_len = slice_copy(rule.text, sizeof rule.text, text);
    add_rule(s, &rule, SIM_S);
}

/* Two nodes each say of a slot that the other has it. */
static void loop(sim *s) {
    int slot = any_used_slot(s);
    uint16_t nodes[2] = {any_node(s), any_node(s)};
    for (int i = 0; i < 2 && nodes[0] != nodes[1]; i++) {
        fault_rule rule;
        fault_rule_init(&rule);
        rule.node = nodes[i];
        rule.first_slot = slot;
        rule.last_slot = slot;
        rule.action = FAULT_MOVED;
        rule.target = nodes[1 - i];
        add_rule(s, &rule, SIM_S);
    }
    truth_lie(s, slot, nodes[0], nodes[1]);
}

void trouble_move_node(sim *s, uint16_t n) {
    if (s->ports[n] < UINT16_MAX - SIM_PORT_STEP) {
        s->ports[n] = (uint16_t)(s->ports[n] + SIM_PORT_STEP);
        fleet_set_port(s->fleet, n, s->ports[n]);
    }
}

/* One node's view has the first primary's slots only, for a while. */
static void hide_slots(sim *s) {
    const node_view *v = fleet_view(s->fleet);
    uint16_t owner = v->owner[0];
    int last = 0;
    if (owner == NODE_NOBODY) {
        return;
    }
    while (last + 1 < SLOT_COUNT && v->owner[last + 1] == owner) {
        last++;
    }
    fault_rule rule;
    fault_rule_init(&rule);
    rule.node = any_node(s);
    rule.action = FAULT_REPLY;
    rule.text_len = (size_t)snprintf(rule.text, sizeof rule.text,
                                     "*1\r\n*3\r\n:0\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n"
                                     ":%u\r\n$40\r\n%s\r\n",
                                     last, v->peers[owner].port, v->peers[owner].id);
    (void)slice_copy(rule.command, sizeof rule.command, SLICE_LITERAL("cluster|slots"));
    add_rule(s, &rule, 2 * SIM_S);
}

static void cause(sim *s, sim_trouble kind) {
    sim_client *k = any_client(s);
    sim_log(s, "trouble: %s (client %u)", names[kind], k->index);
    switch (kind) {
    case TROUBLE_DROP:
        net_drop(k, any_link(k));
        break;
    case TROUBLE_HANG:
        hang(k);
        break;
    case TROUBLE_SLOW:
        slow(k);
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
        migrate(s, false);
        break;
    case TROUBLE_ABANDON:
        migrate(s, true);
        break;
    case TROUBLE_ERRORS:
        storm(s);
        break;
    case TROUBLE_LOOP:
        loop(s);
        break;
    case TROUBLE_NAMES:
        s->names_fail_until_us = s->now_us + prng_below(&s->prng, 2 * SIM_S);
        break;
    case TROUBLE_MOVE:
        trouble_move_node(s, any_node(s));
        break;
    case TROUBLE_VIEW:
        hide_slots(s);
        break;
    case TROUBLE_LAG:
        set_lag(s, prng_below(&s->prng, 50 * SIM_MS));
        break;
    case TROUBLE_HOLE:
        make_hole(s);
        break;
    case TROUBLE_FORGET:
        forget(k);
        break;
    case TROUBLE_REFRESH:
        k->refresh_by_hand = true;
        cluster_refresh(k->c, s->now_us);
        break;
    case TROUBLE_MEMORY:
        k->truth.blind = true;
        failing_mem_fail_at(&k->mem, 1 + (size_t)prng_below(&s->prng, 20));
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
    truth_migrates(s, r->slot, false);
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
    case REPAIR_RULE:
        (void)fault_rules_remove(&fleet_lab(s->fleet)->faults, r->rule);
        r->kind = REPAIR_NONE;
        return;
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
        sim_mark(s, 3, kind);
    }
    s->trouble_at_us = s->now_us + prng_range(&s->prng, SIM_MS, 100 * SIM_MS);
    for (unsigned i = 0; i < s->client_count; i++) {
        net_effects(&s->clients[i]);
    }
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
    for (unsigned i = 0; i < s->client_count; i++) {
        failing_mem_fail_at(&s->clients[i].mem, 0);
    }
    s->names_fail_until_us = 0;
    set_lag(s, 0);
    s->trouble_at_us = SIM_NEVER;
    sim_run_until(s, s->now_us + FAILOVER_MS_MAX * SIM_MS + 100 * SIM_MS);
    for (size_t i = 0; i < SIM_REPAIRS; i++) {
        repair(s, &s->repairs[i], true);
    }
    for (unsigned i = 0; i < s->client_count; i++) {
        net_heal(&s->clients[i]);
    }
}
