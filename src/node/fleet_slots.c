#include "node/fleet_state.h"

static void assign_in_view(node_view *view, int first, int last, uint16_t owner, uint64_t epoch) {
    for (int slot = first; slot <= last; slot++) {
        node_view_give(view, slot, owner);
        node_view_set_migrating(view, slot, NODE_NOBODY);
        node_view_set_importing(view, slot, NODE_NOBODY);
    }
    if (owner != NODE_NOBODY) {
        view->peers[owner].config_epoch = epoch;
        view->current_epoch = epoch;
    }
    view->changed = false;
}

kw_status fleet_assign(node_fleet *f, int first, int last, uint16_t owner) {
    if (first < 0 || last >= SLOT_COUNT || first > last ||
        (owner != NODE_NOBODY && (owner >= f->count || !f->observer->peers[owner].primary))) {
        return KW_ERR_INVALID;
    }
    uint64_t epoch = f->observer->current_epoch + 1;
    assign_in_view(f->observer, first, last, owner, epoch);
    for (uint16_t i = 0; i < f->count; i++) {
        if (f->members[i]->node && !f->members[i]->frozen) {
            assign_in_view(f->members[i]->node->view, first, last, owner, epoch);
        }
    }
    fleet_settle(f);
    return KW_OK;
}

/* The living source and target of an open slot; false if it is not open. */
static bool open_slot(const node_fleet *f, int slot, node **ret_source, node **ret_target) {
    if (slot < 0 || slot >= SLOT_COUNT || f->observer->owner[slot] == NODE_NOBODY) {
        return false;
    }
    node *source = fleet_node(f, f->observer->owner[slot]);
    if (!source || source->view->migrating_to[slot] == NODE_NOBODY) {
        return false;
    }
    *ret_source = source;
    *ret_target = fleet_node(f, source->view->migrating_to[slot]);
    return *ret_target != NULL;
}

kw_status fleet_migrate_begin(node_fleet *f, int slot, uint16_t target) {
    if (slot < 0 || slot >= SLOT_COUNT || f->observer->owner[slot] == NODE_NOBODY) {
        return KW_ERR_INVALID;
    }
    uint16_t owner = f->observer->owner[slot];
    node *from = fleet_node(f, owner);
    node *to = fleet_node(f, target);
    if (!from || !to || from == to || !fleet_is_primary(to) || !fleet_is_primary(from)) {
        return KW_ERR_INVALID;
    }
    node_view_set_importing(to->view, slot, owner);
    node_view_set_migrating(from->view, slot, target);
    node_events_add(&f->lab.events, f->lab.now_us, EVENT_MIGRATION, target,
                    "slot %d opens: node %u -> node %u", slot, owner, target);
    return KW_OK;
}

static kw_status move_keys(node *from, node *to, int slot, size_t count) {
    keyspace_entry *e = keyspace_first(from->keys, slot);
    for (size_t i = 0; e && i < count; i++) {
        if (!keyspace_copy(to->keys, e, keyspace_key(e))) {
            return KW_ERR_NOMEM;
        }
        fleet_propagate_value(to, e);
        const kw_slice removal[] = {SLICE_LITERAL("DEL"), keyspace_key(e)};
        node_propagate(from, removal, 2);
        keyspace_remove(from->keys, e);
        e = keyspace_first(from->keys, slot);
    }
    node_serve_blocked(to);
    return KW_OK;
}

kw_status fleet_migrate_keys(node_fleet *f, int slot, size_t count, size_t *ret_left) {
    node *from;
    node *to;
    if (!open_slot(f, slot, &from, &to)) {
        return KW_ERR_INVALID;
    }
    kw_status status = move_keys(from, to, slot, count);
    if (status != KW_OK) {
        return status;
    }
    size_t left = keyspace_slot_count(from->keys, slot);
    node_events_add(&f->lab.events, f->lab.now_us, EVENT_MIGRATION, to->view->self,
                    "slot %d: %zu keys left at node %u", slot, left, from->view->self);
    if (ret_left) {
        *ret_left = left;
    }
    return KW_OK;
}

kw_status fleet_migrate_end(node_fleet *f, int slot) {
    node *from;
    node *to;
    if (!open_slot(f, slot, &from, &to) || keyspace_slot_count(from->keys, slot) > 0) {
        return KW_ERR_INVALID;
    }
    node_view_settle(to->view, slot, to->view->self, false);
    node_view_settle(from->view, slot, to->view->self, false);
    fleet_spread_changes(f);
    return KW_OK;
}

kw_status fleet_move(node_fleet *f, int first, int last, uint16_t target) {
    node *to = fleet_node(f, target);
    if (first < 0 || first > last || last >= SLOT_COUNT || !to || !fleet_is_primary(to)) {
        return KW_ERR_INVALID;
    }
    for (int slot = first; slot <= last; slot++) {
        uint16_t owner = f->observer->owner[slot];
        node *from = owner == target ? NULL : fleet_node(f, owner);
        kw_status status = from ? move_keys(from, to, slot, SIZE_MAX) : KW_OK;
        if (status != KW_OK) {
            return status;
        }
    }
    return fleet_assign(f, first, last, target);
}
