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

const control_row control_view_rows[] = {
    {"VIEW FREEZE", "node|ALL", "it hears of no change", run_freeze, 1, 1},
    {"VIEW THAW", "node|ALL", "it hears of all that it missed", run_thaw, 1, 1},
    {"VIEW FORCE", "node slots owner|NOBODY",
     "it takes these slots for that node's, and its view freezes", run_force, 3, 3},
    {0},
};
