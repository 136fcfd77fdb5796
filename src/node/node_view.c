#include "node/node_view.h"

#include <assert.h>

node_view *node_view_new(const mem *m, uint16_t self, const node_peer *peers, uint16_t peer_count) {
    node_view *v = mem_calloc(m, 1, sizeof *v);
    if (!v) {
        return NULL;
    }
    v->mem = m;
    v->self = self;
    v->peer_count = peer_count;
    v->peers = mem_calloc(m, peer_count, sizeof *v->peers);
    if (!v->peers) {
        node_view_free(v);
        return NULL;
    }
    for (uint16_t i = 0; i < peer_count; i++) {
        v->peers[i] = peers[i];
        v->peers[i].slot_count = 0;
        if (peers[i].config_epoch > v->current_epoch) {
            v->current_epoch = peers[i].config_epoch;
        }
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        v->owner[slot] = NODE_NOBODY;
        v->migrating_to[slot] = NODE_NOBODY;
        v->importing_from[slot] = NODE_NOBODY;
    }
    return v;
}

void node_view_free(node_view *v) {
    if (v) {
        mem_free(v->mem, v->peers);
        mem_free(v->mem, v);
    }
}

uint16_t node_view_find(const node_view *v, kw_slice id) {
    for (uint16_t i = 0; i < v->peer_count; i++) {
        if (slice_is(id, v->peers[i].id)) {
            return i;
        }
    }
    return NODE_NOBODY;
}

void node_view_give(node_view *v, int slot, uint16_t owner) {
    uint16_t before = v->owner[slot];
    if (before == owner) {
        return;
    }
    if (before != NODE_NOBODY) {
        v->peers[before].slot_count--;
    }
    if (owner != NODE_NOBODY) {
        v->peers[owner].slot_count++;
    }
    v->owner[slot] = owner;
    if (v->self != NODE_NOBODY && (before == v->self || owner == v->self)) {
        v->changed = true;
    }
}

void node_view_set_migrating(node_view *v, int slot, uint16_t target) {
    v->migrating_to[slot] = target;
}

void node_view_set_importing(node_view *v, int slot, uint16_t source) {
    v->importing_from[slot] = source;
}

bool node_view_bump_epoch(node_view *v) {
    node_peer *me = node_view_self(v);
    uint64_t highest = v->current_epoch;
    bool shared = false;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        const node_peer *peer = &v->peers[i];
        highest = peer->config_epoch > highest ? peer->config_epoch : highest;
        shared = shared || (i != v->self && peer->config_epoch == me->config_epoch);
    }
    if (me->config_epoch == highest && me->config_epoch != 0 && !shared) {
        return false;
    }
    v->current_epoch = highest + 1;
    me->config_epoch = v->current_epoch;
    v->changed = true;
    return true;
}

static void release_slots(node_view *v, uint16_t peer) {
    if (v->peers[peer].slot_count == 0) {
        return;
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->owner[slot] == peer) {
            node_view_give(v, slot, NODE_NOBODY);
        }
    }
}

void node_view_follow(node_view *v, uint16_t primary) {
    assert(primary != v->self);
    node_peer *me = node_view_self(v);
    release_slots(v, v->self);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        v->migrating_to[slot] = NODE_NOBODY;
        v->importing_from[slot] = NODE_NOBODY;
    }
    me->primary = false;
    me->primary_of = primary;
    v->changed = true;
}

void node_view_take_over(node_view *v) {
    node_peer *me = node_view_self(v);
    uint16_t old = me->primary_of;
    if (me->primary) {
        return;
    }
    me->primary = true;
    me->primary_of = v->self;
    v->current_epoch++; /* as won in an election: above all that went before */
    me->config_epoch = v->current_epoch;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->owner[slot] == old) {
            node_view_give(v, slot, v->self);
        }
    }
    v->changed = true;
}

/* The slots that a shard's head had are with `heir` now and it has none left. */
static void follow_heir(node_view *v, uint16_t head, uint16_t heir) {
    if (heir != NODE_NOBODY && heir != v->self && v->peers[head].slot_count == 0) {
        node_view_follow(v, heir);
    }
}

void node_view_hear(node_view *v, const node_view *from) {
    uint16_t sender = from->self;
    if (sender == v->self) {
        return;
    }
    const node_peer *news = &from->peers[sender];
    node_peer *known = &v->peers[sender];
    if (from->current_epoch > v->current_epoch) {
        v->current_epoch = from->current_epoch;
    }
    known->primary = news->primary;
    known->primary_of = news->primary_of;
    known->failed = false;
    if (news->config_epoch > known->config_epoch) {
        known->config_epoch = news->config_epoch;
    }
    if (!news->primary) {
        release_slots(v, sender);
        return;
    }
    uint16_t head = v->self == NODE_NOBODY ? NODE_NOBODY : node_view_self(v)->primary_of;
    bool head_lost = false;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = v->owner[slot];
        if (from->owner[slot] != sender || owner == sender ||
            v->importing_from[slot] != NODE_NOBODY) {
            continue;
        }
        if (owner == NODE_NOBODY || v->peers[owner].config_epoch < news->config_epoch) {
            head_lost = head_lost || (owner == head && head != NODE_NOBODY);
            node_view_give(v, slot, sender);
        }
    }
    if (head_lost && head != sender) {
        follow_heir(v, head, sender);
    }
}

void node_view_adopt(node_view *v, const node_view *from) {
    node_peer me = *node_view_self(v);
    int first_of_head = SLOT_NONE;
    for (int slot = SLOT_COUNT - 1; slot >= 0; slot--) {
        if (v->owner[slot] == me.primary_of) {
            first_of_head = slot;
        }
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        v->owner[slot] = from->owner[slot];
        if (v->owner[slot] != v->self) {
            v->migrating_to[slot] = NODE_NOBODY;
        } else {
            v->importing_from[slot] = NODE_NOBODY;
        }
    }
    for (uint16_t i = 0; i < v->peer_count; i++) {
        v->peers[i] = from->peers[i];
    }
    v->current_epoch = from->current_epoch;
    node_peer *self = node_view_self(v);
    self->failed = false;
    self->primary = me.primary;
    self->primary_of = me.primary_of;
    if (first_of_head != SLOT_NONE) {
        follow_heir(v, me.primary_of, v->owner[first_of_head]);
    }
    v->changed = true;
}

void node_view_settle(node_view *v, int slot, uint16_t owner, bool keys_left) {
    bool was_mine = v->owner[slot] == v->self;
    if (!keys_left) {
        v->migrating_to[slot] = NODE_NOBODY;
    }
    node_view_give(v, slot, owner);
    v->changed = true;
    if (owner == v->self) {
        if (v->importing_from[slot] != NODE_NOBODY) {
            (void)node_view_bump_epoch(v); /* false: it is the highest already */
            v->importing_from[slot] = NODE_NOBODY;
        }
    } else if (was_mine && node_view_self(v)->slot_count == 0) {
        node_view_follow(v, owner);
    }
}

uint32_t node_view_size(const node_view *v) {
    uint32_t size = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        size += v->peers[i].primary && v->peers[i].slot_count > 0;
    }
    return size;
}

static bool covered(const node_view *v) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->owner[slot] == NODE_NOBODY || v->peers[v->owner[slot]].failed) {
            return false;
        }
    }
    return true;
}

void node_view_judge(node_view *v) {
    uint32_t reachable = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        const node_peer *peer = &v->peers[i];
        reachable += peer->primary && peer->slot_count > 0 && !peer->failed;
    }
    v->up = reachable >= node_view_size(v) / 2 + 1 && (!v->full_coverage_required || covered(v));
}
