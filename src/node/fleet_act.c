#include "node/fleet_act.h"

#include "node/node_fleet.h"

void fleet_set_owner(node_fleet *f, const fleet_owner *owner) {
    fleet_lab(f)->acts.owner = *owner;
}

static kw_status run(node_fleet *f, const fleet_act *act, uint64_t now_us) {
    const fleet_owner *owner = &fleet_lab(f)->acts.owner;
    return owner->act ? owner->act(owner->arg, act, now_us) : fleet_act_alone(f, act, now_us);
}

kw_status fleet_act_do(node_fleet *f, uint16_t me, const fleet_act *act, uint64_t now_us) {
    fleet_acts *acts = &fleet_lab(f)->acts;
    if (act->node != me || act->kind == ACT_ADD) {
        return run(f, act, now_us);
    }
    if (acts->deferred_count == FLEET_ACTS_DEFERRED_MAX) {
        return KW_ERR_LIMIT;
    }
    acts->deferred[acts->deferred_count++] = *act;
    return KW_OK;
}

void fleet_run_deferred(node_fleet *f, uint64_t now_us) {
    fleet_acts *acts = &fleet_lab(f)->acts;
    for (size_t i = 0; i < acts->deferred_count; i++) {
        if (run(f, &acts->deferred[i], now_us) != KW_OK) {
            node_events_add(&fleet_lab(f)->events, now_us, EVENT_SETTING, acts->deferred[i].node,
                            "node %u could not do what it was told", acts->deferred[i].node);
        }
    }
    acts->deferred_count = 0;
}

static kw_status start(node_fleet *f, const fleet_act *act, uint64_t now_us) {
    if (fleet_node(f, act->node)) {
        return KW_ERR_INVALID;
    }
    if (act->port != 0) {
        fleet_set_port(f, act->node, act->port);
    }
    return fleet_revive(f, act->node, now_us);
}

/* A port above all others. */
static uint16_t spare_port(const node_fleet *f) {
    uint32_t port = 1;
    for (uint16_t i = 0; i < fleet_count(f); i++) {
        uint32_t next = fleet_view(f)->peers[i].port + 1u;
        port = next > port ? next : port;
    }
    return port <= UINT16_MAX ? (uint16_t)port : 1;
}

static kw_status add(node_fleet *f, const fleet_act *act, uint64_t now_us) {
    const fleet_addition addition = {
        .port = act->port ? act->port : spare_port(f),
        .alone = act->alone,
        .primary = act->primary,
    };
    return fleet_add_node(f, &addition, now_us, act->ret_node);
}

static kw_status kill_if_alive(node_fleet *f, uint16_t index, uint64_t now_us) {
    return fleet_node(f, index) ? fleet_kill(f, index, now_us) : KW_OK;
}

kw_status fleet_act_alone(node_fleet *f, const fleet_act *act, uint64_t now_us) {
    kw_status status = KW_OK;
    switch (act->kind) {
    case ACT_KILL:
        return fleet_kill(f, act->node, now_us);
    case ACT_STOP:
        fleet_sync(f, now_us);
        return fleet_kill(f, act->node, now_us);
    case ACT_START:
        return start(f, act, now_us);
    case ACT_RESTART:
        status = kill_if_alive(f, act->node, now_us);
        return status == KW_OK ? start(f, act, now_us) : status;
    case ACT_PAUSE:
        return fleet_pause(f, act->node, true);
    case ACT_RESUME:
        return fleet_pause(f, act->node, false);
    case ACT_ADD:
        return add(f, act, now_us);
    case ACT_REMOVE:
        status = kill_if_alive(f, act->node, now_us);
        return status == KW_OK ? fleet_remove_node(f, act->node) : status;
    }
    return KW_ERR_INVALID;
}
