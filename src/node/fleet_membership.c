#include "node/fleet_state.h"

/* --------------------------------------------------------------------------------- adding */

static bool make_room(node_fleet *f) {
    member **members = mem_resize(f->mem, f->members, f->count + 1u, sizeof(void *));
    if (!members) {
        return false;
    }
    f->members = members;
    f->members[f->count] = fleet_new_member(f);
    return f->members[f->count] != NULL;
}

/* Each view gets the new peer; if memory is short, those that have got it lose it again. */
static bool add_to_views(node_fleet *f, const node_peer *peer) {
    uint16_t done = 0;
    bool ok = node_view_add_peer(f->observer, peer);
    if (!ok) {
        return false;
    }
    while (ok && done < f->count) {
        node *n = f->members[done]->node;
        ok = !n || node_view_add_peer(n->view, peer);
        done += ok;
    }
    if (ok) {
        f->observer->peers[f->count].known = true;
        return true;
    }
    f->observer->peer_count--;
    for (uint16_t i = 0; i < done; i++) {
        node *n = f->members[i]->node;
        if (n) {
            n->view->peer_count--;
        }
    }
    return false;
}

static void take_from_views(node_fleet *f) {
    f->observer->peer_count--;
    for (uint16_t i = 0; i < f->count; i++) {
        if (f->members[i]->node) {
            f->members[i]->node->view->peer_count--;
        }
    }
}

/* The view of a node that knows only itself, and not even its own address. */
static node_view *lonely_view(node_fleet *f, uint16_t index) {
    f->count++; /* the view is to have a place for it */
    node_view *view = fleet_new_view(f, index, f->observer->peers);
    f->count--;
    for (uint16_t i = 0; view && i < view->peer_count; i++) {
        view->peers[i].known = i == index;
    }
    if (view) {
        view->current_epoch = 0;
        node_view_self(view)->host = "";
    }
    return view;
}

/* It meets some living node, and by that all. */
static void join(node_fleet *f, uint16_t index, uint16_t primary) {
    uint16_t other = primary;
    for (uint16_t i = 0; other == NODE_NOBODY && i < f->count; i++) {
        if (i != index && fleet_listens(f->members[i]) && fleet_reaches(f, i, index)) {
            other = i;
        }
    }
    if (other != NODE_NOBODY) {
        fleet_introduce(f, index, other);
        fleet_spread_changes(f);
    }
    if (primary != NODE_NOBODY) {
        node_view_follow(f->members[index]->node->view, primary);
        fleet_spread_changes(f);
    }
}

kw_status fleet_add_node(node_fleet *f, const fleet_addition *addition, uint64_t now_us,
                         uint16_t *ret_index) {
    uint16_t index = f->count;
    uint16_t primary = addition->alone ? NODE_NOBODY : addition->primary;
    if (f->count == FLEET_PEERS_MAX) {
        return KW_ERR_LIMIT;
    }
    if (primary != NODE_NOBODY &&
        (!fleet_node(f, primary) || !fleet_is_primary(fleet_node(f, primary)))) {
        return KW_ERR_INVALID;
    }
    node_peer peer = {
        .host = f->host,
        .hostname = "",
        .port = addition->port,
        .tls_port = addition->tls_port,
        .primary = true,
        .primary_of = index,
    };
    fleet_make_id(f, peer.id);
    if (!make_room(f)) {
        return KW_ERR_NOMEM;
    }
    kw_status status = add_to_views(f, &peer) ? KW_OK : KW_ERR_NOMEM;
    if (status == KW_OK) {
        status = fleet_start_node(f, lonely_view(f, index), now_us);
        if (status != KW_OK) {
            take_from_views(f);
        }
    }
    if (status != KW_OK) {
        mem_free(f->mem, f->members[index]);
        return status;
    }
    f->count++;
    f->lab.now_us = now_us;
    fleet_tell(f, EVENT_NODE_ADDED, index, "is added");
    if (!addition->alone) {
        join(f, index, primary);
    }
    fleet_settle(f);
    *ret_index = index;
    return KW_OK;
}

/* ------------------------------------------------------------------------------- removing */

kw_status fleet_remove_node(node_fleet *f, uint16_t index) {
    if (index >= f->count || f->members[index]->node || f->observer->peers[index].slot_count > 0) {
        return KW_ERR_INVALID;
    }
    for (uint16_t i = 0; i < f->count; i++) {
        const node *n = f->members[i]->node;
        if (n && !fleet_is_primary(n) && node_view_self(n->view)->primary_of == index) {
            return KW_ERR_INVALID;
        }
    }
    for (uint16_t i = 0; i < f->count; i++) {
        member *m = f->members[i];
        if (m->node) {
            node_view_forget(m->node->view, index, 0);
        } else if (m->roster && index < m->roster_count) {
            m->roster[index] = false;
        }
    }
    node_view_forget(f->observer, index, 0);
    f->members[index]->failover_at_us = NEVER;
    fleet_note_silence(f);
    fleet_tell(f, EVENT_NODE_REMOVED, index, "is removed");
    fleet_spread_changes(f);
    return KW_OK;
}

/* -------------------------------------------------------------------------------- hearing */

void fleet_set_pause_is_failure(node_fleet *f, bool on) {
    f->pause_is_failure = on;
    fleet_note_silence(f);
}

void fleet_set_strict_elections(node_fleet *f, bool on) {
    f->strict = on;
}

void fleet_set_node_timeout(node_fleet *f, uint64_t timeout_ms) {
    f->node_timeout_ms = timeout_ms;
    for (uint16_t i = 0; i < f->count; i++) {
        node *n = f->members[i]->node;
        if (n) {
            node_settings_put_number(&n->settings, SETTING_CLUSTER_NODE_TIMEOUT,
                                     (int64_t)timeout_ms);
        }
    }
    fleet_note_silence(f);
}

kw_status fleet_set_group(node_fleet *f, uint16_t index, uint16_t group) {
    if (index >= f->count) {
        return KW_ERR_INVALID;
    }
    f->members[index]->group = group;
    f->partitioned = false;
    for (uint16_t i = 0; i < f->count; i++) {
        f->partitioned = f->partitioned || f->members[i]->group != f->members[0]->group;
        if (f->members[i]->node) {
            f->members[i]->node->view->roster_dirty = true;
        }
    }
    fleet_note_silence(f);
    fleet_spread_all(f);
    return KW_OK;
}

kw_status fleet_set_gossip_delay(node_fleet *f, uint16_t index, uint64_t delay_us) {
    if (index >= f->count) {
        return KW_ERR_INVALID;
    }
    f->members[index]->gossip_delay_us = delay_us;
    return KW_OK;
}
