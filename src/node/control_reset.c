#include "node/control.h"

/* What a test between two others wants: nobody is dead, slow or misled any more, and everything is
 * with whom it was at the start. Connections and the settings of nodes stay. */

static kw_status wake_nodes(control_call *c) {
    kw_status status = KW_OK;
    for (uint16_t i = 0; i < fleet_count(c->fleet) && status == KW_OK; i++) {
        const fleet_act start = {.kind = ACT_START, .node = i};
        const fleet_act resume = {.kind = ACT_RESUME, .node = i};
        if (!fleet_node(c->fleet, i) && fleet_view(c->fleet)->peers[i].known) {
            status = fleet_act_do(c->fleet, c->me, &start, c->now_us);
        } else if (fleet_is_paused(c->fleet, i)) {
            status = fleet_act_do(c->fleet, c->me, &resume, c->now_us);
        }
    }
    return status;
}

static kw_status open_views(control_call *c) {
    kw_status status = KW_OK;
    fleet_set_replication_delay(c->fleet, 0);
    for (uint16_t i = 0; i < fleet_count(c->fleet) && status == KW_OK; i++) {
        status = fleet_set_gossip_delay(c->fleet, i, 0);
        status = status == KW_OK ? fleet_set_group(c->fleet, i, 0) : status;
        if (status == KW_OK && fleet_is_frozen(c->fleet, i)) {
            status = fleet_freeze(c->fleet, i, false);
        }
    }
    fleet_sync(c->fleet, c->now_us);
    return status;
}

static kw_status give_slots_back(control_call *c, uint16_t primary_count) {
    kw_status status = KW_OK;
    for (uint16_t i = 0; i < primary_count && status == KW_OK; i++) {
        const node *n = fleet_node(c->fleet, i);
        if (n && !node_view_self(n->view)->primary) {
            status = fleet_promote(c->fleet, i);
        }
    }
    for (uint16_t i = 0; i < primary_count && status == KW_OK; i++) {
        status = fleet_assign(c->fleet, fleet_first_slot(primary_count, i),
                              fleet_first_slot(primary_count, i + 1u) - 1, i);
    }
    return status;
}

static void follow_as_before(control_call *c, const fleet_config *config) {
    uint16_t count = (uint16_t)(config->primary_count * (1u + config->replica_count));
    for (uint16_t i = config->primary_count; i < count; i++) {
        uint16_t primary = (uint16_t)((i - config->primary_count) / config->replica_count);
        node *n = fleet_node(c->fleet, i);
        if (n && node_view_self(n->view)->primary_of != primary) {
            node_view_follow(n->view, primary);
            n->config.peers.announce(n->config.peers.arg, i);
        }
    }
}

static kw_status remove_added(control_call *c, const fleet_config *config) {
    uint32_t first = config->primary_count * (1u + config->replica_count);
    kw_status status = KW_OK;
    for (uint32_t i = fleet_count(c->fleet); i-- > first && status == KW_OK;) {
        const fleet_act remove = {.kind = ACT_REMOVE, .node = (uint16_t)i};
        if (fleet_node(c->fleet, (uint16_t)i)) {
            status = fleet_act_do(c->fleet, c->me, &remove, c->now_us);
        }
    }
    return status;
}

static void empty_keyspaces(control_call *c) {
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        node *n = fleet_node(c->fleet, i);
        if (n) {
            keyspace_clear(n->keys);
        }
    }
}

void control_reset(control_call *c) {
    const fleet_config *config = fleet_get_config(c->fleet);
    fault_rules_clear(&c->lab->faults);
    node_clock_resume(&c->lab->clock);
    kw_status status = wake_nodes(c);
    status = status == KW_OK ? open_views(c) : status;
    status = status == KW_OK ? give_slots_back(c, config->primary_count) : status;
    if (status == KW_OK) {
        follow_as_before(c, config);
        status = remove_added(c, config);
        fleet_sync(c->fleet, c->now_us);
    }
    empty_keyspaces(c);
    node_log_clear(&c->lab->log);
    node_events_clear(&c->lab->events);
    control_answer(c, status, "not all is as at the start");
}
