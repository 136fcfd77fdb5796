#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"

#include <stdio.h>

/* -------------------------------------------------------------------------------- reading */

static bool read_target(node_call *c, size_t index, const char *complaint, uint16_t *ret) {
    if (!args_read_peer(c, index, complaint, ret)) {
        return false;
    }
    if (!c->node->view->peers[*ret].primary) {
        call_error(c, "ERR Target node is not a master");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------ questions */

void serve_cluster_myid(node_call *c) {
    call_text(c, node_view_self(c->node->view)->id);
}

void serve_cluster_keyslot(node_call *c) {
    call_integer(c, slot_of_key(c->argv[2]));
}

void serve_cluster_countkeysinslot(node_call *c) {
    int64_t slot;
    if (!call_read_integer(c, 2, &slot)) {
        return;
    }
    if (slot < 0 || slot >= SLOT_COUNT) {
        call_error(c, "ERR Invalid slot");
        return;
    }
    call_integer(c, (int64_t)keyspace_slot_count(c->node->keys, (int)slot));
}

void serve_cluster_getkeysinslot(node_call *c) {
    int64_t slot;
    int64_t most;
    if (!call_read_integer(c, 2, &slot) || !call_read_integer(c, 3, &most)) {
        return;
    }
    if (slot < 0 || slot >= SLOT_COUNT || most < 0) {
        call_error(c, "ERR Invalid slot or number of keys");
        return;
    }
    const keyspace *ks = c->node->keys;
    size_t count = keyspace_slot_count(ks, (int)slot);
    count = (uint64_t)most < count ? (size_t)most : count;
    call_array(c, count);
    const keyspace_entry *e = keyspace_first(ks, (int)slot);
    for (size_t i = 0; i < count; i++, e = keyspace_next(ks, (int)slot, e)) {
        call_bulk(c, keyspace_key(e));
    }
}

/* ---------------------------------------------------------------------------------- slots */

/* Marks the slots first..last as asked for; false: an error was given. */
static bool choose_slots(node_call *c, int first, int last, bool removing,
                         unsigned char chosen[SLOT_COUNT]) {
    for (int slot = first; slot <= last; slot++) {
        bool owned = c->node->view->owner[slot] != NODE_NOBODY;
        if (owned != removing) {
            call_errorf(
                c, removing ? "ERR Slot %d is already unassigned" : "ERR Slot %d is already busy",
                slot);
            return false;
        }
        if (chosen[slot]) {
            call_errorf(c, "ERR Slot %d specified multiple times", slot);
            return false;
        }
        chosen[slot] = 1;
    }
    return true;
}

static void assign_chosen(node_call *c, bool removing, const unsigned char chosen[SLOT_COUNT]) {
    node_view *view = c->node->view;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (chosen[slot]) {
            if (!removing) {
                node_view_set_importing(view, slot, NODE_NOBODY);
            }
            node_view_give(view, slot, removing ? NODE_NOBODY : view->self);
            view->changed = true;
        }
    }
    call_ok(c);
}

static void change_slots(node_call *c, bool removing) {
    unsigned char chosen[SLOT_COUNT] = {0};
    int slot;
    for (size_t i = 2; i < c->argc; i++) {
        if (!args_read_slot(c, i, &slot)) {
            return;
        }
    }
    for (size_t i = 2; i < c->argc; i++) {
        if (!args_read_slot(c, i, &slot) || !choose_slots(c, slot, slot, removing, chosen)) {
            return;
        }
    }
    assign_chosen(c, removing, chosen);
}

static void change_slot_ranges(node_call *c, bool removing) {
    unsigned char chosen[SLOT_COUNT] = {0};
    if (c->argc % 2 == 1) {
        call_wrong_arity(c, c->command);
        return;
    }
    for (size_t i = 2; i < c->argc; i += 2) {
        int first;
        int last;
        if (!args_read_slot(c, i, &first) || !args_read_slot(c, i + 1, &last)) {
            return;
        }
        if (first > last) {
            call_errorf(c, "ERR start slot number %d is greater than end slot number %d", first,
                        last);
            return;
        }
        if (!choose_slots(c, first, last, removing, chosen)) {
            return;
        }
    }
    assign_chosen(c, removing, chosen);
}

void serve_cluster_addslots(node_call *c) {
    change_slots(c, false);
}

void serve_cluster_delslots(node_call *c) {
    change_slots(c, true);
}

void serve_cluster_addslotsrange(node_call *c) {
    change_slot_ranges(c, false);
}

void serve_cluster_delslotsrange(node_call *c) {
    change_slot_ranges(c, true);
}

void serve_cluster_flushslots(node_call *c) {
    node_view *view = c->node->view;
    if (keyspace_count(c->node->keys) > 0) {
        call_error(c, "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
        return;
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (view->owner[slot] == view->self) {
            node_view_give(view, slot, NODE_NOBODY);
        }
    }
    view->changed = true;
    call_ok(c);
}

/* -------------------------------------------------------------------------------- SETSLOT */

static bool set_migrating(node_call *c, int slot) {
    node_view *view = c->node->view;
    uint16_t target;
    if (view->owner[slot] != view->self) {
        call_errorf(c, "ERR I'm not the owner of hash slot %d", slot);
        return false;
    }
    if (!read_target(c, 4, "I don't know about", &target)) {
        return false;
    }
    node_view_set_migrating(view, slot, target);
    return true;
}

static bool set_importing(node_call *c, int slot) {
    node_view *view = c->node->view;
    uint16_t source;
    if (view->owner[slot] == view->self) {
        call_errorf(c, "ERR I'm already the owner of hash slot %d", slot);
        return false;
    }
    if (!read_target(c, 4, "I don't know about", &source)) {
        return false;
    }
    node_view_set_importing(view, slot, source);
    return true;
}

static bool set_owner(node_call *c, int slot) {
    node_view *view = c->node->view;
    uint16_t owner;
    if (!read_target(c, 4, "Unknown", &owner)) {
        return false;
    }
    bool has_keys = keyspace_slot_count(c->node->keys, slot) > 0;
    if (view->owner[slot] == view->self && owner != view->self && has_keys) {
        call_errorf(c,
                    "ERR Can't assign hashslot %d to a different node while I still hold keys for "
                    "this hash slot.",
                    slot);
        return false;
    }
    node_view_settle(view, slot, owner, has_keys);
    return true;
}

void serve_cluster_setslot(node_call *c) {
    node_view *view = c->node->view;
    int slot;
    if (!node_view_self(view)->primary) {
        call_error(c, "ERR Please use SETSLOT only with masters.");
        return;
    }
    if (!args_read_slot(c, 2, &slot)) {
        return;
    }
    bool done;
    if (call_argument_is(c, 3, "migrating") && c->argc == 5) {
        done = set_migrating(c, slot);
    } else if (call_argument_is(c, 3, "importing") && c->argc == 5) {
        done = set_importing(c, slot);
    } else if (call_argument_is(c, 3, "stable") && c->argc == 4) {
        node_view_set_migrating(view, slot, NODE_NOBODY);
        node_view_set_importing(view, slot, NODE_NOBODY);
        done = true;
    } else if (call_argument_is(c, 3, "node") && c->argc == 5) {
        done = set_owner(c, slot);
    } else {
        call_error(c, "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER "
                      "HELP");
        done = false;
    }
    if (done) {
        call_ok(c);
    }
}
