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
        v->peers[i].host = peers[i].host ? peers[i].host : "";
        v->peers[i].hostname = peers[i].hostname ? peers[i].hostname : "";
        v->peers[i].slot_count = 0;
        v->peers[i].known = peers[i].known || i == self;
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

bool node_view_add_peer(node_view *v, const node_peer *peer) {
    node_peer *peers = mem_resize(v->mem, v->peers, v->peer_count + 1u, sizeof *peers);
    if (!peers) {
        return false;
    }
    v->peers = peers;
    v->peers[v->peer_count] = *peer;
    v->peers[v->peer_count].slot_count = 0;
    v->peers[v->peer_count].known = v->peer_count == v->self;
    v->peer_count++;
    return true;
}

uint16_t node_view_find(const node_view *v, kw_slice id) {
    for (uint16_t i = 0; i < v->peer_count; i++) {
        if (v->peers[i].known && slice_is(id, v->peers[i].id)) {
            return i;
        }
    }
    return NODE_NOBODY;
}

uint32_t node_view_known_count(const node_view *v) {
    uint32_t count = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        count += v->peers[i].known;
    }
    return count;
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
    for (uint16_t i = 0; i < v->peer_count; i++) {
        const node_peer *peer = &v->peers[i];
        highest = peer->known && peer->config_epoch > highest ? peer->config_epoch : highest;
    }
    if (me->config_epoch == highest && me->config_epoch != 0) {
        return false;
    }
    v->current_epoch = highest + 1;
    me->config_epoch = v->current_epoch;
    v->changed = true;
    return true;
}

void node_view_release(node_view *v, uint16_t peer) {
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
    node_view_release(v, v->self);
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

void node_view_follow_heir(node_view *v, uint16_t head, uint16_t heir) {
    if (heir != NODE_NOBODY && heir != v->self && v->peers[head].slot_count == 0) {
        node_view_follow(v, heir);
    }
}

/* -------------------------------------------------------------------------- membership */

void node_view_meet(node_view *v, uint16_t peer, const node_view *its) {
    const node_peer *it = node_view_self(its);
    node_peer *p = &v->peers[peer];
    uint32_t slot_count = p->slot_count;
    *p = *it;
    p->slot_count = slot_count;
    p->known = true;
    p->config_epoch = 0; /* until it is heard */
    p->silent_since_us = 0;
    p->banned_until_us = 0;
    p->suspected = false;
    p->failed = false;
    p->no_address = false;
    v->changed = true;
    v->roster_dirty = true;
}

static void clear_marks_of(node_view *v, uint16_t peer) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (v->migrating_to[slot] == peer) {
            v->migrating_to[slot] = NODE_NOBODY;
        }
        if (v->importing_from[slot] == peer) {
            v->importing_from[slot] = NODE_NOBODY;
        }
    }
}

void node_view_forget(node_view *v, uint16_t peer, uint64_t banned_until_us) {
    node_view_release(v, peer);
    clear_marks_of(v, peer);
    v->peers[peer].known = false;
    v->peers[peer].banned_until_us = banned_until_us;
    v->peers[peer].silent_since_us = 0;
    v->roster_dirty = true;
}

void node_view_reset(node_view *v, const char *new_id) {
    node_peer *me = node_view_self(v);
    for (uint16_t i = 0; i < v->peer_count; i++) {
        node_view_forget(v, i, 0);
    }
    me->known = true;
    me->primary = true;
    me->primary_of = v->self;
    v->handshake_count = 0;
    if (new_id) {
        slice_copy(me->id, sizeof me->id, slice_text(new_id));
        me->config_epoch = 0;
        v->current_epoch = 0;
    }
    v->changed = true;
}

void node_view_begin_handshake(node_view *v, const node_handshake *handshake) {
    if (v->handshake_count == NODE_HANDSHAKES_MAX) {
        v->handshake_count--;
        memmove(v->handshakes, v->handshakes + 1, v->handshake_count * sizeof *v->handshakes);
    }
    v->handshakes[v->handshake_count++] = *handshake;
}

void node_view_end_handshakes(node_view *v, uint64_t now_us) {
    size_t kept = 0;
    for (size_t i = 0; i < v->handshake_count; i++) {
        if (v->handshakes[i].until_us > now_us) {
            v->handshakes[kept++] = v->handshakes[i];
        }
    }
    v->handshake_count = kept;
}

/* ------------------------------------------------------------------------------- slots */

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
        size += v->peers[i].known && v->peers[i].primary && v->peers[i].slot_count > 0;
    }
    return size;
}

/* By the peers' counts: a look at each slot, in each view after each change, would be most of what
 * a large fleet does. */
static bool covered(const node_view *v) {
    uint32_t served = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        served += v->peers[i].failed ? 0 : v->peers[i].slot_count;
    }
    return served == SLOT_COUNT;
}

void node_view_judge(node_view *v) {
    uint32_t reachable = 0;
    for (uint16_t i = 0; i < v->peer_count; i++) {
        const node_peer *peer = &v->peers[i];
        reachable += peer->known && peer->primary && peer->slot_count > 0 && !peer->failed &&
                     !peer->suspected;
    }
    v->up = reachable >= node_view_size(v) / 2 + 1 && (!v->full_coverage_required || covered(v));
}
