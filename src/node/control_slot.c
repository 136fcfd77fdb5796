#include "node/control.h"

#include <stdio.h>

static void run_move(control_call *c) {
    int first;
    int last;
    uint16_t target;
    if (control_read_slots(c, &first, &last) && control_read_living_node(c, &target)) {
        control_answer(c, fleet_move(c->fleet, first, last, target),
                       "the slots do not move: the target must be a primary");
    }
}

static void run_assign(control_call *c) {
    int first;
    int last;
    uint16_t owner;
    if (control_read_slots(c, &first, &last) && control_read_node(c, &owner)) {
        control_answer(c, fleet_assign(c->fleet, first, last, owner),
                       "the slots are not assigned: the node must be a primary");
    }
}

static void run_unassign(control_call *c) {
    int first;
    int last;
    if (control_read_slots(c, &first, &last)) {
        control_answer(c, fleet_assign(c->fleet, first, last, NODE_NOBODY),
                       "the slots stay as they are");
    }
}

static void run_begin(control_call *c) {
    int slot;
    uint16_t target;
    if (control_read_slot(c, &slot) && control_read_living_node(c, &target)) {
        control_answer(c, fleet_migrate_begin(c->fleet, slot, target),
                       "the slot does not open: its owner and the target must be two living "
                       "primaries");
    }
}

static void run_keys(control_call *c) {
    int slot;
    uint64_t count;
    size_t left = 0;
    if (!control_read_slot(c, &slot) ||
        !control_read_number(c, "the number of keys", SIZE_MAX / 2, &count)) {
        return;
    }
    kw_status status = fleet_migrate_keys(c->fleet, slot, (size_t)count, &left);
    if (status == KW_OK) {
        call_integer(c->call, (int64_t)left);
    } else {
        control_answer(c, status, "no keys move: the slot must be open (LAB SLOT BEGIN)");
    }
}

static void run_end(control_call *c) {
    int slot;
    if (control_read_slot(c, &slot)) {
        control_answer(c, fleet_migrate_end(c->fleet, slot),
                       "the slot stays open: it must be open, and all its keys moved (LAB SLOT "
                       "KEYS)");
    }
}

/* The marks at one node, or at all. */
static void clear_marks(control_call *c, int slot, uint16_t only) {
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        node *n = fleet_node(c->fleet, i);
        if (n && (only == NODE_NOBODY || only == i)) {
            node_view_set_migrating(n->view, slot, NODE_NOBODY);
            node_view_set_importing(n->view, slot, NODE_NOBODY);
        }
    }
}

static void run_stable(control_call *c) {
    int slot;
    uint16_t only = NODE_NOBODY;
    if (!control_read_slot(c, &slot) || (control_has_more(c) && !control_read_nodes(c, &only))) {
        return;
    }
    clear_marks(c, slot, only);
    node_events_add(&c->lab->events, c->now_us, EVENT_MIGRATION, only, "slot %d: marks cleared",
                    slot);
    call_ok(c->call);
}

static bool is_marked(const node_view *view, int slot) {
    return view->migrating_to[slot] != NODE_NOBODY || view->importing_from[slot] != NODE_NOBODY;
}

static void run_abandon(control_call *c) {
    int slot;
    if (!control_read_slot(c, &slot)) {
        return;
    }
    size_t left = 0;
    bool open = false;
    for (uint16_t i = 0; i < fleet_count(c->fleet); i++) {
        const node *n = fleet_node(c->fleet, i);
        if (n && is_marked(n->view, slot)) {
            open = true;
            left +=
                n->view->migrating_to[slot] != NODE_NOBODY ? keyspace_slot_count(n->keys, slot) : 0;
        }
    }
    if (!open) {
        control_fail(c, "slot %d is not open: there is nothing to abandon", slot);
        return;
    }
    node_events_add(&c->lab->events, c->now_us, EVENT_MIGRATION, NODE_NOBODY,
                    "slot %d: abandoned with %zu keys left", slot, left);
    call_integer(c->call, (int64_t)left);
}

/* What each node thinks of a slot: its owner, marks, and how many of its keys it holds. */
static void run_show(control_call *c) {
    int slot;
    if (!control_read_slot(c, &slot)) {
        return;
    }
    uint16_t count = fleet_count(c->fleet);
    size_t alive = 0;
    for (uint16_t i = 0; i < count; i++) {
        alive += fleet_node(c->fleet, i) != NULL;
    }
    call_array(c->call, alive);
    for (uint16_t i = 0; i < count; i++) {
        const node *n = fleet_node(c->fleet, i);
        if (!n) {
            continue;
        }
        const struct {
            const char *name;
            uint16_t node;
        } opinions[] = {{"owner", n->view->owner[slot]},
                        {"migrating-to", n->view->migrating_to[slot]},
                        {"importing-from", n->view->importing_from[slot]}};
        call_map(c->call, 5);
        control_number_field(c, "node", i);
        for (size_t k = 0; k < sizeof opinions / sizeof *opinions; k++) {
            char text[16];
            (void)snprintf(text, sizeof text, "%u", opinions[k].node); /* fits */
            control_text_field(c, opinions[k].name, opinions[k].node == NODE_NOBODY ? "-" : text);
        }
        control_number_field(c, "keys", keyspace_slot_count(n->keys, slot));
    }
}

const control_row control_slot_rows[] = {
    {"SLOT SHOW", "slot", "what each node thinks of a slot, and its keys there", run_show, 1, 1},
    {"SLOT MOVE", "slots node", "moves slots with their keys at once", run_move, 2, 2},
    {"SLOT BEGIN", "slot node", "opens a slot: MIGRATING at its owner, IMPORTING at the node",
     run_begin, 2, 2},
    {"SLOT KEYS", "slot count", "moves that many keys of an open slot; how many are left", run_keys,
     2, 2},
    {"SLOT END", "slot", "ends the move of an open slot that has no keys left", run_end, 1, 1},
    {"SLOT ABANDON", "slot", "leaves an open slot as it is, half moved; how many keys are left",
     run_abandon, 1, 1},
    {"SLOT STABLE", "slot [node]", "clears the marks of a slot, at one node or all", run_stable, 1,
     2},
    {"SLOT ASSIGN", "slots node", "gives slots to a node; keys stay where they are", run_assign, 2,
     2},
    {"SLOT UNASSIGN", "slots", "takes slots away: nobody serves them", run_unassign, 1, 1},
    {0},
};
