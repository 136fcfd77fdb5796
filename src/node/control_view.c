#include "node/control.h"

/* Does something to one node, or to each that lives. */
static void each(control_call *c, uint16_t index, kw_status (*run)(node_fleet *, uint16_t, bool),
                 bool on, const char *what) {
    kw_status status = KW_OK;
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        bool meant = index == NODE_NOBODY ? fleet_node(c->fleet, i) != NULL : index == i;
        if (meant && status == KW_OK) {
            status = run(c->fleet, i, on);
        }
    }
    control_answer(c, status, what);
}

static void run_freeze(control_call *c) {
    uint16_t index;
    if (control_read_nodes(c, &index)) {
        each(c, index, fleet_freeze, true, "the view is not frozen: the node must live");
    }
}

static void run_thaw(control_call *c) {
    uint16_t index;
    if (control_read_nodes(c, &index)) {
        each(c, index, fleet_freeze, false, "the view is not thawed: the node must live");
    }
}

/* The node alone changes its mind, and says nothing of it. */
static void force(control_call *c, uint16_t index, int first, int last, uint16_t owner) {
    node *n = fleet_node(c->fleet, index);
    for (int slot = first; slot <= last; slot++) {
        node_view_give(n->view, slot, owner);
        node_view_set_migrating(n->view, slot, NODE_NOBODY);
        node_view_set_importing(n->view, slot, NODE_NOBODY);
    }
    n->view->changed = false;
    node_view_judge(n->view);
    node_redirect_blocked(n);
    node_events_add(&c->lab->events, c->now_us, EVENT_VIEW, index,
                    "node %u has its own mind of slots %d-%d", index, first, last);
}

static void run_force(control_call *c) {
    uint16_t index;
    int first;
    int last;
    uint16_t owner = NODE_NOBODY;
    if (!control_read_living_node(c, &index) || !control_read_slots(c, &first, &last) ||
        (!control_takes(c, "nobody") && !control_read_node(c, &owner))) {
        return;
    }
    kw_status status = fleet_freeze(c->fleet, index, true);
    if (status == KW_OK) {
        force(c, index, first, last, owner);
    }
    control_answer(c, status, "the view stays as it is");
}

static void run_delay(control_call *c) {
    uint16_t index;
    uint64_t ms;
    kw_status status = KW_OK;
    if (!control_read_nodes(c, &index) ||
        !control_read_number(c, "the delay in ms", UINT32_MAX, &ms)) {
        return;
    }
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        if ((index == NODE_NOBODY || index == i) && status == KW_OK) {
            status = fleet_set_gossip_delay(c->fleet, i, ms * 1000);
        }
    }
    control_answer(c, status, "the view is as late as before");
}

/* -------------------------------------------------------------------------------- partitions */

static kw_status set_groups(control_call *c, const bool *apart, uint16_t group) {
    kw_status status = KW_OK;
    for (uint16_t i = 0; i < fleet_count(c->fleet) && status == KW_OK; i++) {
        if (!apart || apart[i]) {
            status = fleet_set_group(c->fleet, i, group);
        }
    }
    return status;
}

static void run_partition(control_call *c) {
    bool apart[FLEET_PEERS_MAX] = {false};
    uint16_t first = NODE_NOBODY;
    while (control_has_more(c)) {
        uint16_t index;
        if (!control_read_node(c, &index)) {
            return;
        }
        apart[index] = true;
        first = first == NODE_NOBODY ? index : first;
    }
    /* the group is named for a member, so that a second partition makes a third side */
    control_answer(c, set_groups(c, apart, (uint16_t)(first + 1)), "they stay together");
    node_events_add(&c->lab->events, c->now_us, EVENT_VIEW, first,
                    "node %u and %zu more are cut off from the others", first, c->call->argc - 3);
}

static void run_heal(control_call *c) {
    control_answer(c, set_groups(c, NULL, 0), "they stay apart");
    node_events_add(&c->lab->events, c->now_us, EVENT_VIEW, NODE_NOBODY,
                    "all nodes can hear each other");
}

/* --------------------------------------------------------------------------------- endpoints */

/* The node's settings have changed: all hear of it. */
static bool announce(node *n) {
    bool applied = node_apply_settings(n);
    n->config.peers.announce(n->config.peers.arg, n->view->self);
    return applied;
}

static void set_endpoint(control_call *c, uint16_t index, int64_t type) {
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        node *n = fleet_node(c->fleet, i);
        if (n && (index == NODE_NOBODY || index == i)) {
            node_settings_put_number(&n->settings, SETTING_CLUSTER_PREFERRED_ENDPOINT_TYPE, type);
        }
    }
}

static void run_endpoint(control_call *c) {
    uint16_t index;
    int64_t type;
    if (!control_read_nodes(c, &index)) {
        return;
    }
    if (control_takes(c, "ip")) {
        type = ENDPOINT_IP;
    } else if (control_takes(c, "hostname")) {
        type = ENDPOINT_HOSTNAME;
    } else if (control_takes(c, "unknown")) {
        type = ENDPOINT_UNKNOWN;
    } else {
        control_fail(c, "an endpoint's type is IP, HOSTNAME or UNKNOWN");
        return;
    }
    set_endpoint(c, index, type);
    call_ok(c->call);
}

/* Sets what a node announces of itself; "": what is so. */
static bool set_text(control_call *c, node *n, node_setting_id id, kw_slice text) {
    char value[NODE_HOSTNAME_SIZE];
    if (text.len >= (id == SETTING_CLUSTER_ANNOUNCE_IP ? NODE_HOST_SIZE : sizeof value)) {
        control_fail(c, "that is too long");
        return false;
    }
    slice_copy(value, sizeof value, text);
    if (!node_settings_put_text(&n->settings, id, value) || !announce(n)) {
        control_fail(c, "out of memory");
        return false;
    }
    return true;
}

static void run_hostname(control_call *c) {
    uint16_t index;
    if (!control_read_living_node(c, &index)) {
        return;
    }
    kw_slice name = control_takes(c, "none") ? SLICE_LITERAL("") : control_next(c);
    if (set_text(c, fleet_node(c->fleet, index), SETTING_CLUSTER_ANNOUNCE_HOSTNAME, name)) {
        call_ok(c->call);
    }
}

/* How this node names hosts, all of them (NULL, ?), or how it is named itself. */
static void run_host(control_call *c) {
    uint16_t index;
    if (!control_read_living_node(c, &index)) {
        return;
    }
    node *n = fleet_node(c->fleet, index);
    if (control_takes(c, "null")) {
        set_endpoint(c, index, ENDPOINT_UNKNOWN);
    } else if (control_takes(c, "?")) {
        set_endpoint(c, index, ENDPOINT_HOSTNAME);
        if (!set_text(c, n, SETTING_CLUSTER_ANNOUNCE_HOSTNAME, SLICE_LITERAL(""))) {
            return;
        }
    } else if (control_takes(c, "empty")) {
        node_view_self(n->view)->host = "";
    } else {
        kw_slice host = control_takes(c, "real") ? SLICE_LITERAL("") : control_next(c);
        set_endpoint(c, index, ENDPOINT_IP);
        if (!set_text(c, n, SETTING_CLUSTER_ANNOUNCE_IP, host)) {
            return;
        }
    }
    call_ok(c->call);
}

const control_row control_view_rows[] = {
    {"VIEW FREEZE", "node|ALL", "it hears of no change", run_freeze, 1, 1},
    {"VIEW THAW", "node|ALL", "it hears of all that it missed", run_thaw, 1, 1},
    {"VIEW FORCE", "node slots owner|NOBODY",
     "it takes these slots for that node's, and its view freezes", run_force, 3, 3},
    {"VIEW DELAY", "node|ALL ms", "it hears of everything so much later", run_delay, 2, 2},
    {"PARTITION", "node [node ...]", "these do not hear the others, nor the others them",
     run_partition, 1, FLEET_PEERS_MAX},
    {"HEAL", NULL, "all hear each other again", run_heal, 0, 0},
    {"ENDPOINT", "node|ALL IP|HOSTNAME|UNKNOWN",
     "as cluster-preferred-endpoint-type: how it names nodes to clients", run_endpoint, 2, 2},
    {"HOSTNAME", "node name|NONE", "as cluster-announce-hostname", run_hostname, 2, 2},
    {"HOST", "node NULL|?|EMPTY|REAL|text",
     "hosts that it names are null, or ?; it does not know its own; it announces another", run_host,
     2, 2},
    {0},
};
